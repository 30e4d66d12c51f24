"""The client: opens and closes everything."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf._assembly import open_project
from aiocdf._calling import Calling
from aiocdf._from_env import client_arguments
from aiocdf._http.sessions import check_session
from aiocdf._http.transport import Transport
from aiocdf._secret_check import SecretCheck
from aiocdf._wire.payload import encode
from aiocdf.auth import Credentials
from aiocdf.config import Settings, address_of, check_project, cluster_of, payload_limit
from aiocdf.errors import ClientClosed, InvalidArgument, InvalidType, WrongState
from aiocdf.secret import hide_arguments
from aiocdf.telemetry.observers import Observers

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType
    from typing import Self

    import aiohttp

    from aiocdf._assembly import Opened
    from aiocdf.auth import AccessToken
    from aiocdf.models.stats import Stats
    from aiocdf.telemetry import Observer

__all__ = ["Client"]

_log = logging.getLogger("aiocdf.client")


class Client(Calling):
    """Turns calls to Cognite Functions into asyncio futures.

    Args:
        project: The project's name, as in URLs.
        credentials: How to get access tokens, such as `ClientCredentials` or `BearerToken`.
        base_url: The service's address, such as the one that `aiocdf serve` prints. Give either this or *cluster*.
        cluster: The cluster's name, such as `westeurope-1`, instead of an address.
        settings: Limits and intervals; None for the defaults.
        session: An aiohttp session to send requests on. The caller closes it. None: the client makes and closes one.
        observers: Callables that receive the client's events, one at a time; see `aiocdf.telemetry`.
        transport: The object that sends requests, for tests; None for aiohttp.

    Raises:
        ConfigError: The project's name or the address is not valid, or the address is plain http and not loopback.
        InvalidType: An argument is of the wrong type.
        InvalidArgument: Both *session* and *transport* are given.
    """

    _opened: Opened | None = None  # a class attribute, for `__del__` after `__init__` has raised

    @hide_arguments  # one may be a bare secret by mistake
    def __init__(  # each argument is a fact about one client
        self,
        project: str,
        *,
        credentials: Credentials,
        base_url: str | None = None,
        cluster: str | None = None,
        settings: Settings | None = None,
        session: aiohttp.ClientSession | None = None,
        observers: Sequence[Observer] = (),
        transport: Transport | None = None,
    ) -> None:
        if isinstance(credentials, type) or not isinstance(credentials, Credentials):
            raise InvalidType("credentials must be an object, such as BearerToken(...) or ClientCredentials(...)")
        if not isinstance(settings, Settings | None):
            raise InvalidType(f"settings must be Settings(...), not {type(settings).__name__}")
        if session is not None:
            check_session(session)
        if not isinstance(observers, Iterable) or not all(map(callable, observers := tuple(observers))):
            raise InvalidType("observers must be a list of callables: write observers=[observer] for one")
        if transport is not None and (isinstance(transport, type) or not isinstance(transport, Transport)):
            raise InvalidType(f"transport must be an object with open, send and aclose, not {type(transport).__name__}")
        if transport is not None and session is not None:
            raise InvalidArgument("give either session or transport: a transport has its own connections")
        self.project: str = check_project(project)
        self.base_url: str = address_of(base_url, cluster)
        self.settings: Settings = settings or Settings()
        self._cluster = cluster_of(self.base_url)
        self._payload_limit = self.settings.payload_limit or payload_limit(self._cluster)
        self._credentials = credentials
        self._session = session
        self._transport = transport
        self._observers = Observers(tuple(observers))
        self._closed = False
        self._secret_check = SecretCheck()

    @classmethod
    @hide_arguments
    def from_env(cls, **overrides: Any) -> Self:
        """Make a client from environment variables, and from an `aiocdf.toml` in the working directory.

        The reference lists the variables. The file, or another one that AIOCDF_CONFIG names, has the same names in
        lower case. Environment variables take precedence. The file in the working directory may not decide where a
        secret from another source is sent.

        Args:
            overrides: Arguments of `Client`, which take precedence over both.

        Raises:
            ConfigError: A setting is missing; the message names the variables. Or a setting is not valid, or the file
                is not trusted.
            InvalidType: An argument is of the wrong type.
        """
        return cls(**client_arguments(overrides))

    async def start(self) -> None:
        """Open the client on the running loop, as `async with` does. No request is sent.

        Raises:
            WrongState: The client is open already.
            ClientClosed: The client was closed; make a new one.
            ConfigError: The credentials, the file of authorities or the proxy do not fit the settings.
        """
        if self._closed:
            raise ClientClosed("this client was closed: make a new one")
        if self._opened is not None:
            raise WrongState("this client is open already")
        self._opened = await open_project(
            self.project,
            self.base_url,
            credentials=self._credentials,
            settings=self.settings,
            session=self._session,
            transport=self._transport,
            emit=self._observers,
            encode=self._encode,
        )

    async def login(self) -> AccessToken:
        """Sign in now instead of with the first request, or again after a sign-in has expired.

        Returns:
            The access token, with its expiry.

        Raises:
            AuthError: No token is available; the message says what to do.
        """
        return await self._ready().source.login()

    async def logout(self) -> None:
        """End the sign-in of a user, here and at the identity provider, and forget the token.

        Raises:
            AuthError: The provider did not accept the end of the sign-in. The token is deleted here in any case.
        """
        await self._ready().source.logout()

    async def aclose(self) -> None:
        """Close the client: handles end with `ClientClosed`, queued calls never start, running calls continue."""
        opened, self._opened, self._closed = self._opened, None, True
        if opened is not None:
            await opened.aclose()

    async def __aenter__(self) -> Self:
        """Open the client."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.aclose()

    def stats(self) -> Stats:
        """Return the client's counts and windows."""
        return self._ready().engine.stats(**attrs.asdict(self._observers.tally))

    def __del__(self) -> None:
        """Report a client that was not closed, also in the log, because Python hides these warnings by default."""
        if self._opened is not None:
            message = f"{self!r} was never closed: use `async with`, or await its aclose()"
            _log.warning("%s", message, extra={"event": "client_not_closed"})
            warnings.warn(message, ResourceWarning, source=self, stacklevel=2)
            self._opened.abandon()

    def __repr__(self) -> str:
        """Show the project, the address and whether the client is open."""
        if "_closed" not in vars(self):
            return "<Client: not made yet>"  # the report of an error in `__init__` may show it
        state = "open" if self._opened else "closed" if self._closed else "not started"
        return f"<Client of project {self.project} at {self.base_url}: {state}>"

    def _encode(self, data: object) -> tuple[bytes, Any]:
        """Return *data* as JSON text and as a plain object; warn if it seems to contain a secret."""
        encoded, plain = encode(data, limit=self._payload_limit)
        if self.settings.warn_secrets:
            self._secret_check.warn(plain)
        return encoded, plain

    def _ready(self) -> Opened:
        """Return the open parts, or raise because there are none."""
        if self._closed:
            raise ClientClosed("this client is closed: make a new one")
        if self._opened is None:
            raise WrongState(
                "this client is not open: use it within `async with client:` or await client.start() first"
            )
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise WrongState("there is no running event loop here: use the client from async code") from None
        if loop is not self._opened.loop:
            raise WrongState("this client was opened on another event loop: make one client for each loop")
        return self._opened
