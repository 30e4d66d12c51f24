"""The local server: Cognite Functions on this machine, with the same HTTP API."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import attrs

from aiocdf.errors import InvalidArgument, WrongState
from aiocdf.local.assembly import Assembly
from aiocdf.local.http.listening import listen
from aiocdf.local.identity.client_environment import client_environment, first_client
from aiocdf.local.identity.issuer import Issuer
from aiocdf.local.page.access import PageKey
from aiocdf.local.page.endpoints import PAGE_PATH
from aiocdf.local.runtime.builder import Builder
from aiocdf.local.runtime.catalogue import Catalogue
from aiocdf.local.runtime.executors import LOCAL, make_executor
from aiocdf.local.settings import ServerSettings
from aiocdf.local.state.clouds import CloudName, cloud_of, limits_of
from aiocdf.local.state.store import open_store
from aiocdf.local.state.tokens import Tokens

if TYPE_CHECKING:
    import logging
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from aiocdf.client import Client
    from aiocdf.local.api.calls import ErrorShape
    from aiocdf.local.api.executions import Executions
    from aiocdf.local.api.functions import MissingKey
    from aiocdf.local.faults.fault import Faults
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.runtime.executor import Executor
    from aiocdf.local.settings import LoginFlow
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import OAuthClient, User

__all__ = ["LocalServer", "serve"]

# Seconds to wait at the start for builds. Longer ones, which install requirements, continue in the background.
_BUILD_PATIENCE = 2.0


def serve(
    root: str | os.PathLike[str],
    *,
    port: int = 0,
    host: str = "127.0.0.1",
    open_to_others: bool = False,
    allowed_hosts: Iterable[str] = (),
    project: str = "local",
    clients: Iterable[OAuthClient] = (),
    users: Iterable[User] = (),
    cloud: CloudName = "gcp",
    limits: Limits | None = None,
    error_shape: ErrorShape = "object",
    missing_key: MissingKey = "externalId",
    state: str | os.PathLike[str] | None = None,
    fresh: bool = False,
    faults: Faults | None = None,
    processes: int | None = None,
    executor: str = LOCAL,
    rerun_lost: bool = False,
    log: logging.Logger | None = None,
) -> LocalServer:
    """Return a local server for the functions below a folder. Use it with `async with`.

    The arguments are the fields of `ServerSettings`; see there.

    Raises:
        ConfigError: An argument is not valid, or other machines could reach the server.
        InvalidArgument: The `cloud`, `error_shape` or `missing_key` is unknown.
    """
    settings = ServerSettings(
        root=root,
        port=port,
        host=host,
        open_to_others=open_to_others,
        allowed_hosts=allowed_hosts,
        project=project,
        clients=clients,
        users=users,
        cloud=cloud,
        limits=limits or limits_of(cloud),
        error_shape=error_shape,
        missing_key=missing_key,
        state=state,
        fresh=fresh,
        faults=faults,
        processes=processes,
        executor=executor,
        rerun_lost=rerun_lost,
        log=log,
    )
    return LocalServer(settings)


@attrs.define(eq=False)
class LocalServer:
    """A local server. Create it with `serve`.

    Args:
        settings: The settings of the server.
    """

    _settings: ServerSettings
    _port: int = attrs.field(init=False, repr=False)
    _issuer: Issuer = attrs.field(init=False, repr=False)
    _executor: Executor = attrs.field(init=False, repr=False)
    _builder: Builder = attrs.field(init=False, repr=False)
    _catalogue: Catalogue = attrs.field(init=False, repr=False)
    _page_key: PageKey = attrs.field(factory=PageKey, init=False, repr=False)
    _executions: Executions | None = attrs.field(default=None, init=False, repr=False)
    _running: AsyncExitStack | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Register clients and users, and create the parts that need no event loop."""
        settings = self._settings
        self._issuer = Issuer(Tokens())
        self._executor = make_executor(
            settings.executor,
            processes=settings.processes,
            rerun_lost=settings.rerun_lost,
            limits=settings.limits,
            log=settings.log,
        )
        self._builder = Builder(self._executor, settings.log)
        self._catalogue = Catalogue(settings.root, self._builder, cloud_of(settings.cloud))
        for client in settings.clients:
            self._issuer.add_client(client)
        for user in settings.users:
            self._issuer.add_user(user)

    async def __aenter__(self) -> Self:
        """Start the server."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Stop the server."""
        await self.aclose()

    async def start(self) -> None:
        """Start the server.

        Raises:
            InvalidArgument: The folder does not exist or has no functions, or the port is not valid.
            ConfigError: The address is not available, the state is not usable, or a fault has an unknown endpoint.
            WrongState: The server was started before.
        """
        if self._running is not None:
            raise WrongState("this server was started before: create another one with serve()")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._executor.aclose)
            await self._executor.start()
            stack.push_async_callback(self._builder.aclose)
            await self._check_root()
            # Not in a thread: binding an address does not block, and a cancelled thread would leave a socket open.
            listeners = listen(self._settings.host, self._settings.port)
            for listener in listeners:
                stack.callback(listener.close)
            self._port = listeners[0].getsockname()[1]
            store = await stack.enter_async_context(
                open_store(self._settings.state, fresh=self._settings.fresh, limits=self._settings.limits)
            )
            self._executions = await self._assembly().start(listeners, store, stack)
            await self._builder.settle(_BUILD_PATIENCE)
            self._running = stack.pop_all()

    async def aclose(self) -> None:
        """Stop listening, end running calls as Failed, and end all processes."""
        if self._running is not None:
            await self._running.aclose()

    @property
    def url(self) -> str:
        """The URL of the server, without a slash at the end.

        Raises:
            WrongState: The server is not started.
        """
        if self._running is None:
            raise WrongState("the server has no URL before it is started: use it with `async with`")
        return self._url()

    @property
    def page_url(self) -> str:
        """The URL of the page that shows the calls. It contains a key: users with this URL can call functions.

        Raises:
            WrongState: The server is not started.
        """
        return f"{self.url}{PAGE_PATH}#{self._page_key.key.reveal()}"

    @property
    def project(self) -> str:
        """The name of the project."""
        return self._settings.project

    @property
    def users(self) -> tuple[User, ...]:
        """The users who may sign in."""
        return self._settings.users

    @property
    def processes(self) -> int:
        """How many function instances may run at once."""
        return self._executor.processes

    def functions(self) -> tuple[Function, ...]:
        """The functions that the server last found in its folder. Requests that need them read the folder again.

        Raises:
            WrongState: The server is not started.
        """
        if self._running is None:
            raise WrongState("the server has no functions before it is started: use it with `async with`")
        return tuple(self._catalogue.last_seen.values())

    def end_waiting_calls(self) -> int:
        """End the accepted calls whose function has not started, as Failed. Return how many there were.

        Their clients may have ended. The service itself would still run these calls.

        Raises:
            WrongState: The server is not started.
        """
        if self._executions is None:
            raise WrongState("the server has no calls before it is started: use it with `async with`")
        return self._executions.end_waiting()

    def add_client(self, client: OAuthClient) -> None:
        """Add a client that may get tokens."""
        self._issuer.add_client(client)

    def environment(self, login_flow: LoginFlow = "client_credentials") -> dict[str, str]:
        """Return the environment variables that configure clients for this server.

        Args:
            login_flow: `client_credentials` uses the first of `clients` with a secret. The other login flows use the
                first one without a secret, and users sign in.

        Raises:
            ConfigError: The server does not have such a client.
            WrongState: The server is not started.
        """
        client = first_client(self._settings.clients, public=login_flow != "client_credentials")
        return client_environment(client, url=self.url, project=self.project, login_flow=login_flow)

    def client(self, **overrides: Any) -> Client:
        """Return a client of this server that signs in as the first of `clients` with a secret.

        Args:
            overrides: Arguments of `aiocdf.Client`. They override those for this server.
        """
        # Imported late, so that a process that only serves does not load the client.
        from aiocdf.auth import ClientCredentials
        from aiocdf.client import Client

        settings: dict[str, Any] = {"project": self.project, "base_url": self.url} | overrides
        if "credentials" not in settings:
            known = self.environment()
            settings["credentials"] = ClientCredentials(
                token_url=known["IDP_TOKEN_URL"],
                client_id=known["IDP_CLIENT_ID"],
                client_secret=known["IDP_CLIENT_SECRET"],
                scopes=known["IDP_SCOPES"],
            )
        return Client(**settings)

    async def _check_root(self) -> None:
        root = self._settings.root
        if not await asyncio.to_thread(root.is_dir):
            raise InvalidArgument(f"folder {str(root)!r} does not exist: use a folder with functions")
        if not await self._catalogue.functions():
            raise InvalidArgument(
                f"no functions found in {str(root)!r}: a function is a folder with a handler.py in it"
            )

    def _url(self, own_address: str | None = None) -> str:
        """Return the URL of the server; *own_address* replaces the host if the server listens on all addresses."""
        host, loopback = self._settings.host, {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not for listening
        host = own_address or loopback[host] if host in loopback else host
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def _assembly(self) -> Assembly:
        return Assembly(
            settings=self._settings,
            url=self._url(),
            functions_url=self._url(self._executor.own_address),
            issuer=self._issuer,
            executor=self._executor,
            builder=self._builder,
            catalogue=self._catalogue,
            page_key=self._page_key,
        )
