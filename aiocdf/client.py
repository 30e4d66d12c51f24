"""The client: opens and closes everything, and makes calls."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiocdf._as_completed import AsCompleted
from aiocdf._assembly import open_project
from aiocdf._from_env import client_arguments
from aiocdf._http.sessions import check_session
from aiocdf._http.transport import Transport
from aiocdf._map import map_calls
from aiocdf._project import Project
from aiocdf._secret_check import SecretCheck
from aiocdf._wire.arguments import CallSpec, check_call, check_max_pending, check_retry, check_timeout, secret_fault
from aiocdf._wire.identifiers import check_function
from aiocdf._wire.payload import encode
from aiocdf.auth import Credentials
from aiocdf.bound_function import BoundFunction
from aiocdf.config import Retry, Settings, address_of, check_project, cluster_of, payload_limit
from aiocdf.errors import ClientClosed, InvalidArgument, InvalidType, WrongState
from aiocdf.secret import Secret, hide_arguments
from aiocdf.telemetry import Tally

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Sequence
    from types import TracebackType
    from typing import Self

    import aiohttp

    from aiocdf._assembly import Opened
    from aiocdf.auth import AccessToken
    from aiocdf.handle import CallHandle
    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.functions import Function
    from aiocdf.models.stats import Stats
    from aiocdf.telemetry import Event, Observer

__all__ = ["Client"]

In = TypeVar("In")
Out = TypeVar("Out")
T = TypeVar("T")

_log = logging.getLogger("aiocdf.client")


class Client(Project):
    """Makes calls of Cognite Functions into futures.

    Args:
        project: The project's name as it stands in URLs.
        credentials: How to get access tokens, such as `ClientCredentials` or `BearerToken`.
        base_url: The service's address, such as one that `aiocdf serve` prints.
        cluster: The cluster's name, such as `westeurope-1`, instead of an address.
        settings: Limits and intervals.
        session: An aiohttp session to send on, which stays the caller's to close; None for one of the client's own.
        observers: Told what happens, each with one event at a time; see `aiocdf.telemetry`.
        transport: What sends requests, for tests; None for one on aiohttp.

    Raises:
        ConfigError: The project's name or the address cannot be used, or an address is plain http and not loopback.
        InvalidType: Another argument is of the wrong kind.
    """

    _opened: Opened | None = None  # also while `__init__` has not come so far

    @hide_arguments  # of which one may be a bare secret by mistake
    def __init__(  # each is a fact about one client
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
            raise InvalidType("observers must be callables: write observers=[...] for one, too")
        if transport is not None and (isinstance(transport, type) or not isinstance(transport, Transport)):
            raise InvalidType(f"transport must be an object with open, send and aclose, not {type(transport).__name__}")
        if transport is not None and session is not None:
            raise InvalidArgument("give either session or transport: a transport has connections of its own")
        self.project = check_project(project)
        self.base_url = address_of(base_url, cluster)
        self.settings = settings or Settings()
        self._cluster = cluster_of(self.base_url)
        self._payload_limit = self.settings.payload_limit or payload_limit(self._cluster)
        self._credentials = credentials
        self._session = session
        self._transport = transport
        self._observers = observers
        self._closed = False
        self._tally = Tally()
        self._secret_check = SecretCheck()

    @classmethod
    @hide_arguments
    def from_env(cls, **overrides: Any) -> Self:
        """Make a client of what environment variables say, and an `aiocdf.toml` in the working directory.

        The reference lists the variables. In the file, or in one that AIOCDF_CONFIG names, they are in lower case; the
        environment counts for more. The file in the working directory cannot decide where a secret from elsewhere goes.

        Args:
            overrides: Arguments of `Client`, which count for more than both.

        Raises:
            ConfigError: Something is missing; the message names the variables. Or an argument cannot be used, or the
                file is not to be trusted.
            InvalidType: An argument is of the wrong kind.
        """
        return cls(**client_arguments(overrides))

    async def start(self) -> None:
        """Open the client on the running loop; `async with` does it too. No request is sent.

        Raises:
            WrongState: It is open already.
            ClientClosed: It was closed; make a new one.
        """
        if self._closed:
            raise ClientClosed("this client was closed and cannot be opened again: make a new one")
        if self._opened is not None:
            raise WrongState("this client is open already")
        self._opened = await open_project(
            self.project,
            self.base_url,
            credentials=self._credentials,
            settings=self.settings,
            session=self._session,
            transport=self._transport,
            emit=self._emit,
            encode=self._encode,
        )

    async def login(self) -> AccessToken:
        """Sign in now instead of with the first request, and again when a sign-in is over; the token tells for how long.

        Raises:
            AuthError: There is no token to be had; the message says what to do.
        """
        return await self._ready().source.login()

    async def logout(self) -> None:
        """End the sign-in of a user, here and at the identity provider, and forget the token.

        Raises:
            AuthError: The provider could not be told; here, the sign-in is over nevertheless.
        """
        await self._ready().source.logout()

    async def aclose(self) -> None:
        """Close the client: queued calls never start, running ones go on at the service, handles end with `ClientClosed`."""
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

    def call(
        self,
        function: int | str | Function,
        data: object = None,
        *,
        nonce: str | Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
    ) -> CallHandle:
        """Call a function: the call starts now, awaited or not, and the handle is its future.

        Args:
            function: An id, an external id, or a `Function`. External ids are looked up once.
            data: What `handle()` gets as its `data`: a mapping, or an attrs, dataclass or TypedDict value. Everyone who
                may read the project's calls can read it, so secrets do not belong in it.
            nonce: Of a session of your own, made within the last minute; None to have one made.
            timeout: Seconds from its start at the service after which the handle ends with `WaitExpired`.
            retry: `True` if the function may run twice without harm: when it is not known whether a POST started the
                call, it is sent again at once. A `Retry` also calls the function again after it failed.

        Raises:
            UsageError: Something of this cannot be; nothing was sent. For `data`, the message names the JSON path.
            ClientClosed: The client is closed.
        """
        if fault := secret_fault(nonce, "nonce"):
            del nonce  # a secret in bytes must not stand among the locals of a traceback
            raise fault
        nonce = None if nonce is None else Secret(nonce)  # first, and in the same variable, so that no local shows it
        return self._call(function, data, nonce=nonce, timeout=timeout, retry=retry)

    def _call(
        self,
        function: int | str | Function,
        data: object = None,
        *,
        nonce: Secret | None = None,
        timeout: float | None = None,
        retry: bool | Retry = False,
        before_post: Callable[[int | None], Awaitable[None]] | None = None,
    ) -> CallHandle:
        """Call a function as `call` does. *before_post* gets the id of each POST's session; its error ends the call."""
        engine = self._ready().engine
        encoded, _ = self._encode(data)
        spec = CallSpec(
            function=check_function(function),
            data=encoded,
            nonce=nonce,
            timeout=check_timeout(timeout),
            retry=check_retry(retry, nonce),
            before_post=before_post,
        )
        return engine.call(spec)

    @overload
    def attach(self, function: CallRef | str) -> CallHandle: ...

    @overload
    def attach(self, function: int | str | Function, call_id: int) -> CallHandle: ...

    def attach(self, function: int | str | Function | CallRef, call_id: int | None = None) -> CallHandle:
        """Return a handle on a call that was started before, by this process or another; this does no I/O.

        Args:
            function: The call's function; or, without *call_id*, a `CallRef` or its `token`.
            call_id: The call's id.

        Raises:
            UsageError: Something of this cannot be, or the reference is to another project.
            ClientClosed: The client is closed.
        """
        engine = self._ready().engine
        return engine.attach(*check_call(function, call_id, cluster=self._cluster, project=self.project))

    @overload
    def function(self, function: int | str | Function) -> BoundFunction[object, Any]: ...

    @overload
    def function(self, function: int | str | Function, Input: type[In]) -> BoundFunction[In, Any]: ...

    @overload
    def function(self, function: int | str | Function, *, Output: type[Out]) -> BoundFunction[object, Out]: ...

    @overload
    def function(
        self, function: int | str | Function, Input: type[In], Output: type[Out]
    ) -> BoundFunction[In, Out]: ...

    def function(
        self,
        function: int | str | Function,
        Input: type[Any] | None = None,
        Output: type[Any] | None = None,
    ) -> BoundFunction[Any, Any]:
        """Return a function as something to call: `await fn(data)` is the value, `fn.call(data)` the handle.

        Args:
            function: An id, an external id, or a `Function`.
            Input: The type of its data; other data is refused.
            Output: The type to build from what it returns; None for plain JSON values.
        """
        return BoundFunction(call=self.call, function=check_function(function), input=Input, output=Output)

    def as_completed(self, handles: Iterable[CallHandle]) -> AsCompleted:
        """Give handles in the order in which their calls end, as an async iterator.

        Args:
            handles: Of this client. Each comes out once, done: its `result()` gives the call or raises. More may be
                added while it runs.

        Raises:
            InvalidType: It is one handle, or something else that is no handles; for one, write `[handle]`.
        """
        return AsCompleted(handles)

    def map(
        self,
        function: int | str | Function,
        items: Iterable[T] | AsyncIterable[T],
        *,
        Output: type[Any] | None = None,
        ordered: bool = False,
        return_exceptions: bool = False,
        max_pending: int | None = None,
    ) -> AsyncIterator[tuple[T, Any]]:
        """Call a function with each of *items*, and give each item with what the function returned.

        Inputs are taken as there is room for their calls, so that they may be endless. What the inputs raise is raised
        after the results of the calls that were made. Leaving the loop early lets go of the calls under way: those in
        the queue never start.

        Args:
            function: An id, an external id, or a `Function`.
            items: The data of each call, from any iterable or async iterable.
            Output: The type to build from what the function returns; None for plain JSON values.
            ordered: Give results in the order of the inputs, not as they come.
            return_exceptions: Give the errors of calls in place of their values, instead of raising the first.
            max_pending: How many calls may have been made whose results were not taken yet; None for twice what the
                project may run.

        Raises:
            UsageError: Something of this cannot be.
        """
        name, most = check_function(function), check_max_pending(max_pending)
        self._ready()
        return map_calls(
            lambda item: self.call(name, item),
            items,
            kind=Output,
            ordered=ordered,
            return_exceptions=return_exceptions,
            max_pending=most or 2 * self.settings.project_limit,
            readers=self.settings.max_concurrent_reads,
        )

    def stats(self) -> Stats:
        """Return what this client has done so far, in numbers."""
        return self._ready().engine.stats(
            requests=self._tally.requests, retries=self._tally.retries, throttled=self._tally.throttled
        )

    def __del__(self) -> None:
        """Warn if the client was not closed."""
        if self._opened is not None:
            warnings.warn(f"{self!r} was never closed: await its aclose()", ResourceWarning, source=self, stacklevel=2)

    def __repr__(self) -> str:
        """Tell where the client points and whether it is open."""
        if "_closed" not in vars(self):
            return "<Client: not made yet>"  # a report of an error on the way may show it
        state = "open" if self._opened else "closed" if self._closed else "not started"
        return f"<Client of project {self.project} at {self.base_url}: {state}>"

    def _encode(self, data: object) -> tuple[bytes, Any]:
        """Return *data* as JSON text and as the plain object; warn if it looks as if it held a secret."""
        encoded, plain = encode(data, limit=self._payload_limit)
        if self.settings.warn_secrets:
            self._secret_check.warn(plain)
        return encoded, plain

    def _ready(self) -> Opened:
        """Return what is open, or say why nothing is."""
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
            raise WrongState("this client was opened on another event loop: make one for each loop")
        return self._opened

    def _emit(self, event: Event) -> None:
        """Count, and tell the observers; a fault of theirs is theirs alone."""
        self._tally.count(event)
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # noqa: BLE001 - whatever it is, calls go on
                _log.exception("observer %r failed on %s", observer, type(event).__name__)
