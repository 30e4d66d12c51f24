"""The local server: Cognite Functions on this machine, over the same HTTP."""

from __future__ import annotations

import asyncio
import functools
import logging
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import attrs
from aiohttp import web

from aiocdf.config import check_project, is_loopback, of_kind
from aiocdf.errors import ConfigError, InvalidArgument, WrongState
from aiocdf.local.api.calls import CallEndpoints, ErrorShape
from aiocdf.local.api.documents import DocumentEndpoints
from aiocdf.local.api.executions import Executions
from aiocdf.local.api.files import FileEndpoints
from aiocdf.local.api.functions import FunctionEndpoints, MissingKey
from aiocdf.local.api.module_schedules import load_module_schedules
from aiocdf.local.api.registry import FunctionRegistry
from aiocdf.local.api.scheduler import Scheduler
from aiocdf.local.api.schedules import ScheduleEndpoints
from aiocdf.local.api.sessions import SessionEndpoints
from aiocdf.local.faults.fault import Faults
from aiocdf.local.faults.middleware import FaultInjector
from aiocdf.local.http.application import application
from aiocdf.local.http.connections import Runner
from aiocdf.local.http.hosts import AllowedHosts, host_names
from aiocdf.local.http.listening import listen
from aiocdf.local.identity.discovery import DISCOVERY_PATH
from aiocdf.local.identity.issuer import Issuer
from aiocdf.local.identity.oauth import TOKEN_PATH, authenticate_bearer, expire_bearer
from aiocdf.local.identity.routes import provider_routes
from aiocdf.local.runtime.builder import Builder
from aiocdf.local.runtime.catalogue import Catalogue
from aiocdf.local.runtime.executors import LOCAL, make_executor
from aiocdf.local.state.clouds import Cloud, CloudName, cloud_of, limits_of
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import Ids, OAuthClient, User
from aiocdf.local.state.store import Store, open_store
from aiocdf.local.state.tokens import Tokens

if TYPE_CHECKING:
    import os
    import socket
    from collections.abc import Iterable
    from types import TracebackType

    from aiohttp.typedefs import Middleware

    from aiocdf.client import Client
    from aiocdf.local.http.application import Route
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.runtime.executor import Executor

    LoginFlow = Literal["client_credentials", "interactive", "device_code"]

__all__ = ["LocalServer", "serve"]

# Requests are answered in milliseconds; one that is not done by then waits for a client that is gone.
SHUTDOWN_SECONDS = 1.0
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
    executor: str = LOCAL,
    rerun_lost: bool = False,
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
        executor: What runs function instances: `local`, or the scheduler of a Dask cluster, as in `dask://host:8786`, or
            `dask+tls://host:8786`. The latter needs the extra `dask`, here and on the workers.
        rerun_lost: Whether a call runs again if its worker is lost in the middle of it; else it ends as Failed.
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
    log = log or logging.getLogger("aiocdf.local")
    limits = limits or limits_of(cloud)
    return LocalServer(
        root=Path(root),
        port=port,
        host=host,
        allowed_hosts=AllowedHosts(listens_at=host, names=host_names(allowed_hosts)),
        project=check_project(project),
        clients=tuple(clients) or (OAuthClient(client_id="local"), OAuthClient(client_id="aiocdf", client_secret=None)),
        users=tuple(users) or (User(name="demo"),),
        cloud=cloud_of(cloud),
        limits=limits,
        error_shape=error_shape,
        missing_key=missing_key,
        state=None if state is None else Path(state),
        fresh=fresh,
        faults=faults,
        executor=make_executor(executor, processes=processes, rerun_lost=rerun_lost, limits=limits, log=log),
        log=log,
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
    _executor: Executor = attrs.field(repr=False)
    _builder: Builder = attrs.field(init=False, repr=False)
    _catalogue: Catalogue = attrs.field(init=False, repr=False)
    _executions: Executions | None = attrs.field(default=None, init=False, repr=False)
    _running: AsyncExitStack | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make clients, users and the folder known."""
        self._issuer = Issuer(Tokens())
        self._builder = Builder(self._executor, self._log)
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
            stack.push_async_callback(self._executor.aclose)
            await self._executor.start()
            stack.push_async_callback(self._builder.aclose)
            await self._check_root()
            # Not in a thread: binding an address waits for nothing, and a cancelled thread would leave a socket open.
            listeners = listen(self._host, self._port)
            for listener in listeners:
                stack.callback(listener.close)
            self._port = listeners[0].getsockname()[1]
            store = await stack.enter_async_context(open_store(self._state, fresh=self._fresh, limits=self._limits))
            await self._compose(listeners, store, stack)
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
    def processes(self) -> int:
        """How many function instances may run at once."""
        return self._executor.processes

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
        client = self._first_client(public=login_flow != "client_credentials")
        common = {
            "CDF_URL": self.url,
            "CDF_PROJECT": self.project,
            "LOGIN_FLOW": login_flow,
            "IDP_CLIENT_ID": client.client_id,
        }
        if client.client_secret is None:
            return common | {
                "PROVIDER": "other",
                "IDP_DISCOVERY_URL": self.url + DISCOVERY_PATH,
                "IDP_SCOPES": f"{self.url}/.default,offline_access",
                "IDP_REDIRECT_URI": "http://127.0.0.1/callback",
            }
        return common | {
            "IDP_TOKEN_URL": self.url + TOKEN_PATH,
            "IDP_CLIENT_SECRET": client.client_secret.reveal(),
            "IDP_SCOPES": f"{self.url}/.default",
        }

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

    def _first_client(self, *, public: bool) -> OAuthClient:
        for client in self._clients:
            if client.public == public:
                return client
        kind = "without a secret, for users to sign in to" if public else "with a secret"
        raise ConfigError(f"this server has no client {kind}: give serve() an OAuthClient {kind}")

    async def _check_root(self) -> None:
        if not await asyncio.to_thread(self._root.is_dir):
            raise InvalidArgument(f"there is no folder {str(self._root)!r} to serve functions from")
        if not await self._catalogue.functions():
            raise InvalidArgument(
                f"there are no functions in {str(self._root)!r}: a function is a folder with a handler.py in it"
            )

    def _url(self, own_address: str | None = None) -> str:
        """Return where the server is reached; `own_address` is of use if it listens at all addresses of this machine."""
        loopback = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not to listen at
        host = own_address or loopback[self._host] if self._host in loopback else self._host
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def _injector(self, routes: Iterable[Route]) -> Middleware | None:
        """Return what makes the faults happen that were asked for."""
        if self._faults is None:
            return None
        self._faults.check_endpoints([(route.method, route.path) for route in routes])
        expire = functools.partial(expire_bearer, issuer=self._issuer)
        return FaultInjector(self._faults, f"/api/v1/projects/{self.project}", expire, self._log).inject

    async def _compose(self, listeners: Iterable[socket.socket], store: Store, stack: AsyncExitStack) -> None:
        """Build the server from its parts, each with its end pushed onto the stack."""
        ids = Ids(await store.last_id())
        registry = FunctionRegistry(catalogue=self._catalogue, store=store, builder=self._builder, cloud=self._cloud)
        await registry.load()
        await load_module_schedules(self._root, registry=registry, store=store, ids=ids, log=self._log)
        self._executions = executions = Executions(
            store=store,
            issuer=self._issuer,
            executor=self._executor,
            ids=ids,
            limits=self._limits,
            base_url=self._url(self._executor.own_address),
            project=self.project,
            log=self._log,
        )
        scheduler = Scheduler(store=store, registry=registry, executions=executions, log=self._log)
        provided = provider_routes(self._issuer, self._limits, project=self.project, url=self._url())
        endpoints = (
            DocumentEndpoints(),
            SessionEndpoints(store, self._issuer, ids, self._limits),
            FileEndpoints(store, ids, self._limits),
            FunctionEndpoints(
                registry=registry,
                store=store,
                ids=ids,
                limits=self._limits,
                cloud=self._cloud,
                missing_key=self._missing_key,
            ),
            ScheduleEndpoints(registry=registry, store=store, ids=ids, limits=self._limits, on_change=scheduler.wake),
            CallEndpoints(
                registry=registry,
                executions=executions,
                store=store,
                limits=self._limits,
                error_shape=self._error_shape,
            ),
        )
        routes = [*provided, *(route for resource in endpoints for route in resource.routes())]
        app = application(
            routes,
            hosts=self._allowed_hosts,
            project=self.project,
            authenticate=functools.partial(authenticate_bearer, issuer=self._issuer),
            # Room for data that is at its limit, however it is spelt.
            body_bytes=6 * self._limits.data_bytes + 1_000_000,
            faults=self._injector(routes),
            log=self._log,
        )
        runner = Runner(app, shutdown_timeout=SHUTDOWN_SECONDS)
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(executions.aclose)
        stack.push_async_callback(scheduler.aclose)
        scheduler.start()
        await runner.setup()
        for listener in listeners:
            site = web.SockSite(runner, listener)
            await site.start()
            stack.push_async_callback(site.stop)
