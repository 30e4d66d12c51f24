"""The local server: Cognite Functions on this machine, over the same HTTP."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import attrs

from aiocdf.config import check_project, is_loopback, of_kind
from aiocdf.errors import ConfigError, InvalidArgument, WrongState
from aiocdf.local.api.calls import ErrorShape
from aiocdf.local.api.functions import MissingKey
from aiocdf.local.assembly import Assembly
from aiocdf.local.faults.fault import Faults
from aiocdf.local.http.hosts import AllowedHosts, host_names
from aiocdf.local.http.listening import listen
from aiocdf.local.identity.client_environment import client_environment, first_client
from aiocdf.local.identity.issuer import Issuer
from aiocdf.local.page.access import PageKey
from aiocdf.local.page.endpoints import PAGE_PATH
from aiocdf.local.runtime.builder import Builder
from aiocdf.local.runtime.catalogue import Catalogue
from aiocdf.local.runtime.environments import Environments, default_cache
from aiocdf.local.runtime.pool import WorkerPool
from aiocdf.local.state.clouds import Cloud, CloudName, cloud_of, limits_of
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import OAuthClient, User
from aiocdf.local.state.store import open_store
from aiocdf.local.state.tokens import Tokens

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable
    from types import TracebackType

    from aiocdf.client import Client
    from aiocdf.local.api.executions import Executions
    from aiocdf.local.runtime.catalogue import Function

    LoginFlow = Literal["client_credentials", "interactive", "device_code"]

__all__ = ["LocalServer", "serve"]

# Builds that take longer, because they install requirements, go on while the server runs.
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
    log: logging.Logger | None = None,
) -> LocalServer:
    """Return a local server of the functions below a folder, to be used with `async with`.

    Args:
        root: The folder: each folder in it with a `handler.py` is a function.
        port: The TCP port; 0 for a free one.
        host: The address to listen at; `localhost` for both loopback addresses. Any other needs `open_to_others`.
        open_to_others: Whether other machines may reach the server. It has no TLS: whoever records the traffic, or gets a
            secret in another way, can run any code as the user who started the server.
        allowed_hosts: Names by which clients reach the server, besides `host`, `localhost` and addresses. Requests for
            any other host are refused, because web pages could send them (DNS rebinding).
        project: The name of the one project.
        clients: Which programs may get tokens; if none are given, `local` with a random secret, and `aiocdf` with none,
            in which users sign in. Both may do everything.
        users: Who may sign in; if none are given, `demo` with a random password, who may do everything.
        cloud: The cloud whose figures hold: `gcp`, `azure` or `aws`. They differ in the size of data, in time and memory.
        limits: What is allowed; the service's limits on that cloud if not given.
        error_shape: What `error` of a failed call is: an `object` with message and trace, or the message as a `string`.
        missing_key: The name of external ids where an answer says which functions are unknown.
        state: The folder whose content the next server goes on with; None for one that is deleted as the server ends.
        fresh: Whether to delete what an earlier server has kept in `state`.
        faults: What goes wrong on purpose; nothing if not given.
        processes: How many function instances may run at once; if not given, one for each 64 MiB of memory, 4 to 250.
        log: Where calls and crashes are told; the logger `aiocdf.local` if not given.

    Raises:
        ConfigError: The project's name cannot be one, the limits are none, a name in `allowed_hosts` is not one, or other
            machines can reach the host, and may not.
        InvalidArgument: There is no such `cloud`, `error_shape` or `missing_key`.
    """
    if not (open_to_others or is_loopback(host.lower())):
        raise ConfigError(
            f"other machines could reach the server at {host!r}, and run code on this one: listen at 127.0.0.1, "
            "or allow it with --open-to-others or serve(open_to_others=True)"
        )
    return LocalServer(
        root=Path(root),
        port=port,
        host=host,
        allowed_hosts=AllowedHosts(listens_at=host, names=host_names(allowed_hosts)),
        project=check_project(project),
        clients=tuple(clients) or (OAuthClient(client_id="local"), OAuthClient(client_id="aiocdf", client_secret=None)),
        users=tuple(users) or (User(name="demo"),),
        cloud=cloud_of(cloud),
        limits=limits or limits_of(cloud),
        error_shape=error_shape,
        missing_key=missing_key,
        state=None if state is None else Path(state),
        fresh=fresh,
        faults=faults,
        processes=processes,
        log=log or logging.getLogger("aiocdf.local"),
    )


def _one_of(choices: Any) -> Any:
    """Return a validator of a field whose value is one of the choices."""

    def validate(_: object, field: attrs.Attribute[Any], value: Any) -> None:
        if value not in get_args(choices):
            name = field.name.lstrip("_")
            raise InvalidArgument(f"{name} must be one of {', '.join(get_args(choices))}, not {value!r}")

    return validate


@attrs.define(kw_only=True, eq=False)
class LocalServer:
    """A local server; made by `serve`, which tells its settings."""

    _root: Path
    _port: int
    _host: str
    _allowed_hosts: AllowedHosts = attrs.field(repr=False)
    project: str
    _clients: tuple[OAuthClient, ...] = attrs.field(repr=False)
    users: tuple[User, ...] = attrs.field(repr=False)
    _limits: Limits = attrs.field(validator=of_kind(Limits))
    _cloud: Cloud
    _error_shape: ErrorShape = attrs.field(validator=_one_of(ErrorShape))
    _missing_key: MissingKey = attrs.field(validator=_one_of(MissingKey))
    _log: logging.Logger = attrs.field(repr=False)
    _state: Path | None
    _fresh: bool
    _faults: Faults | None = attrs.field(validator=attrs.validators.optional(of_kind(Faults)))
    _issuer: Issuer = attrs.field(init=False, repr=False)
    _processes: int | None
    _pool: WorkerPool = attrs.field(init=False, repr=False)
    _builder: Builder = attrs.field(init=False, repr=False)
    _catalogue: Catalogue = attrs.field(init=False, repr=False)
    _page_key: PageKey = attrs.field(factory=PageKey, init=False, repr=False)
    _executions: Executions | None = attrs.field(default=None, init=False, repr=False)
    _running: AsyncExitStack | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make clients, users and the folder known."""
        self._issuer = Issuer(Tokens())
        self._pool = WorkerPool(processes=self._processes)
        self._builder = Builder(self._pool, Environments(default_cache() / "environments"), self._log)
        self._catalogue = Catalogue(self._root, self._builder, self._cloud)
        for client in self._clients:
            self._issuer.add_client(client)
        for user in self.users:
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
        """Listen.

        Raises:
            InvalidArgument: The folder is not there, or has no functions, or there is no such port.
            ConfigError: The address cannot be listened at, the state cannot be kept, or a fault is of no endpoint.
            WrongState: The server was started before.
        """
        if self._running is not None:
            raise WrongState("this server was started before; make another one with serve()")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._pool.aclose)
            stack.push_async_callback(self._builder.aclose)
            await self._check_root()
            # Not in a thread: binding an address waits for nothing, and a cancelled thread would leave a socket open.
            listeners = listen(self._host, self._port)
            for listener in listeners:
                stack.callback(listener.close)
            self._port = listeners[0].getsockname()[1]
            store = await stack.enter_async_context(open_store(self._state, fresh=self._fresh, limits=self._limits))
            self._executions = await self._assembly().start(listeners, store, stack)
            await self._builder.settle(_BUILD_PATIENCE)
            self._running = stack.pop_all()

    async def aclose(self) -> None:
        """Stop listening, end running calls as Failed, and leave no process behind."""
        if self._running is not None:
            await self._running.aclose()

    @property
    def url(self) -> str:
        """Where the server is reached, without a slash at the end."""
        if self._running is None:
            raise WrongState("the server has no address before it is started: use it with `async with`")
        return self._url()

    @property
    def page_url(self) -> str:
        """Where the page is that shows what the server does. Whoever has this address can call functions.

        Raises:
            WrongState: The server is not started.
        """
        return f"{self.url}{PAGE_PATH}#{self._page_key.key.reveal()}"

    @property
    def processes(self) -> int:
        """How many function instances may run at once."""
        return self._pool.processes

    def functions(self) -> tuple[Function, ...]:
        """Return the functions that the server last saw in its folder. Each request that needs them looks again.

        Raises:
            WrongState: It is not started.
        """
        if self._running is None:
            raise WrongState("the server knows no functions before it is started: use it with `async with`")
        return tuple(self._catalogue.last_seen.values())

    def end_waiting_calls(self) -> int:
        """End the calls that were accepted and have not begun as Failed, and return how many these are.

        The client that made them may be gone; the service would run them nevertheless.

        Raises:
            WrongState: The server is not started.
        """
        if self._executions is None:
            raise WrongState("no call waits before the server is started: use it with `async with`")
        return self._executions.end_waiting()

    def add_client(self, client: OAuthClient) -> None:
        """Let one more client get tokens."""
        self._issuer.add_client(client)

    def environment(self, login_flow: LoginFlow = "client_credentials") -> dict[str, str]:
        """Return the environment variables by which clients find the server.

        Args:
            login_flow: How they get tokens: as the first of `clients` that has a secret, or as a user who signs in to the
                first that has none.

        Raises:
            ConfigError: The server has no such client.
            WrongState: It is not started.
        """
        client = first_client(self._clients, public=login_flow != "client_credentials")
        return client_environment(client, url=self.url, project=self.project, login_flow=login_flow)

    def client(self, **overrides: Any) -> Client:
        """Return a client of this server, acting as the first of `clients` that has a secret.

        Args:
            overrides: Arguments of `aiocdf.Client` to use in place of the server's.
        """
        # The server must run without the client: a process that only serves never loads it.
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
        if not await asyncio.to_thread(self._root.is_dir):
            raise InvalidArgument(f"there is no folder {str(self._root)!r} to serve functions from")
        if not await self._catalogue.functions():
            raise InvalidArgument(
                f"there are no functions in {str(self._root)!r}: a function is a folder with a handler.py in it"
            )

    def _url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)  # noqa: S104 - not to listen at
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def _assembly(self) -> Assembly:
        return Assembly(
            root=self._root,
            project=self.project,
            url=self._url(),
            hosts=self._allowed_hosts,
            issuer=self._issuer,
            pool=self._pool,
            builder=self._builder,
            catalogue=self._catalogue,
            cloud=self._cloud,
            limits=self._limits,
            error_shape=self._error_shape,
            missing_key=self._missing_key,
            faults=self._faults,
            page_key=self._page_key,
            log=self._log,
        )
