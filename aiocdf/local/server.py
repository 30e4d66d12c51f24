"""The local server: Cognite Functions on this machine, over the same HTTP."""

from __future__ import annotations

import asyncio
import functools
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any, Self

import attrs
from aiohttp import web

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
from aiocdf.local.faults.middleware import FaultInjector
from aiocdf.local.http.application import application
from aiocdf.local.http.connections import Runner
from aiocdf.local.http.hosts import AllowedHosts
from aiocdf.local.http.listening import listen
from aiocdf.local.identity.discovery import DISCOVERY_PATH
from aiocdf.local.identity.issuer import Issuer
from aiocdf.local.identity.oauth import TOKEN_PATH, authenticate_bearer, expire_bearer
from aiocdf.local.identity.routes import provider_routes
from aiocdf.local.runtime.builder import Builder
from aiocdf.local.runtime.catalogue import Catalogue
from aiocdf.local.runtime.environments import Environments, default_cache
from aiocdf.local.runtime.pool import WorkerPool
from aiocdf.local.settings import ServerSettings
from aiocdf.local.state.clouds import CloudName, cloud_of, limits_of
from aiocdf.local.state.records import Ids, OAuthClient, User
from aiocdf.local.state.store import Store, open_store
from aiocdf.local.state.tokens import Tokens

if TYPE_CHECKING:
    import logging
    import os
    import socket
    from collections.abc import Callable, Iterable
    from types import TracebackType

    from aiohttp.typedefs import Middleware

    from aiocdf.client import Client
    from aiocdf.local.faults.fault import Faults
    from aiocdf.local.http.application import Route
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.settings import LoginFlow
    from aiocdf.local.state.limits import Limits

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
    log: logging.Logger | None = None,
) -> LocalServer:
    """Return a local server of the functions below a folder, to be used with `async with`.

    The arguments are the fields of `ServerSettings`, which explains them.

    Raises:
        ConfigError: An argument has a wrong value, or other machines could reach the server.
        InvalidArgument: There is no such `cloud`, `error_shape` or `missing_key`.
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
        log=log,
    )
    return LocalServer(settings)


@attrs.define(eq=False)
class LocalServer:
    """A local server; made by `serve`.

    Args:
        settings: What it does, and how it is reached.
    """

    _settings: ServerSettings
    _port: int = attrs.field(init=False, repr=False)
    _issuer: Issuer = attrs.field(init=False, repr=False)
    _pool: WorkerPool = attrs.field(init=False, repr=False)
    _builder: Builder = attrs.field(init=False, repr=False)
    _catalogue: Catalogue = attrs.field(init=False, repr=False)
    _executions: Executions | None = attrs.field(default=None, init=False, repr=False)
    _running: AsyncExitStack | None = attrs.field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Make clients, users and the folder known."""
        settings = self._settings
        self._issuer = Issuer(Tokens())
        self._pool = WorkerPool(processes=settings.processes)
        self._builder = Builder(self._pool, Environments(default_cache() / "environments"), settings.log)
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
        """Listen.

        Raises:
            InvalidArgument: The folder is not there, or has no functions, or there is no such port.
            ConfigError: The server cannot listen at the address, the state cannot be kept, or a fault names an endpoint that does not exist.
            WrongState: The server was started before.
        """
        if self._running is not None:
            raise WrongState("this server was started before; make another one with serve()")
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._pool.aclose)
            stack.push_async_callback(self._builder.aclose)
            await self._check_root()
            # Not in a thread: binding an address waits for nothing, and a cancelled thread would leave a socket open.
            listeners = listen(self._settings.host, self._settings.port)
            for listener in listeners:
                stack.callback(listener.close)
            self._port = listeners[0].getsockname()[1]
            store = await stack.enter_async_context(
                open_store(self._settings.state, fresh=self._settings.fresh, limits=self._settings.limits)
            )
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
    def project(self) -> str:
        """The name of its one project."""
        return self._settings.project

    @property
    def users(self) -> tuple[User, ...]:
        """Who may sign in."""
        return self._settings.users

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
        for client in self._settings.clients:
            if client.public == public:
                return client
        kind = "without a secret, for users to sign in to" if public else "with a secret"
        raise ConfigError(f"this server has no client {kind}: give serve() an OAuthClient {kind}")

    async def _check_root(self) -> None:
        root = self._settings.root
        if not await asyncio.to_thread(root.is_dir):
            raise InvalidArgument(f"there is no folder {str(root)!r} to serve functions from")
        if not await self._catalogue.functions():
            raise InvalidArgument(
                f"there are no functions in {str(root)!r}: a function is a folder with a handler.py in it"
            )

    def _url(self) -> str:
        host = self._settings.host
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 - not to listen at
        return f"http://[{host}]:{self._port}" if ":" in host else f"http://{host}:{self._port}"

    def _injector(self, routes: Iterable[Route]) -> Middleware | None:
        """Return what makes the faults happen that were asked for."""
        if self._settings.faults is None:
            return None
        self._settings.faults.check_endpoints([(route.method, route.path) for route in routes])
        expire = functools.partial(expire_bearer, issuer=self._issuer)
        return FaultInjector(
            self._settings.faults, f"/api/v1/projects/{self.project}", expire, self._settings.log
        ).inject

    def _routes(
        self, store: Store, ids: Ids, registry: FunctionRegistry, executions: Executions, wake: Callable[[], None]
    ) -> list[Route]:
        settings, limits = self._settings, self._settings.limits
        endpoints = (
            DocumentEndpoints(),
            SessionEndpoints(store, self._issuer, ids, limits),
            FileEndpoints(store, ids, limits),
            FunctionEndpoints(
                registry=registry,
                store=store,
                ids=ids,
                limits=limits,
                cloud=cloud_of(settings.cloud),
                missing_key=settings.missing_key,
            ),
            ScheduleEndpoints(registry=registry, store=store, ids=ids, limits=limits, on_change=wake),
            CallEndpoints(
                registry=registry,
                executions=executions,
                store=store,
                limits=limits,
                error_shape=settings.error_shape,
            ),
        )
        provided = provider_routes(self._issuer, limits, project=self.project, url=self._url())
        return [*provided, *(route for resource in endpoints for route in resource.routes())]

    async def _compose(self, listeners: Iterable[socket.socket], store: Store, stack: AsyncExitStack) -> None:
        """Build the server from its parts, each with its end pushed onto the stack."""
        settings, cloud = self._settings, cloud_of(self._settings.cloud)
        ids = Ids(await store.last_id())
        registry = FunctionRegistry(catalogue=self._catalogue, store=store, builder=self._builder, cloud=cloud)
        await registry.load()
        await load_module_schedules(settings.root, registry=registry, store=store, ids=ids, log=settings.log)
        self._executions = executions = Executions(
            store=store,
            issuer=self._issuer,
            pool=self._pool,
            ids=ids,
            limits=settings.limits,
            base_url=self._url(),
            project=self.project,
            log=settings.log,
        )
        scheduler = Scheduler(store=store, registry=registry, executions=executions, log=settings.log)
        routes = self._routes(store, ids, registry, executions, scheduler.wake)
        app = application(
            routes,
            hosts=AllowedHosts(listens_at=settings.host, names=settings.allowed_hosts),
            project=self.project,
            authenticate=functools.partial(authenticate_bearer, issuer=self._issuer),
            # Room for data that is at its limit, however it is spelt.
            body_bytes=6 * settings.limits.data_bytes + 1_000_000,
            faults=self._injector(routes),
            log=settings.log,
        )
        runner = Runner(app, shutdown_timeout=SHUTDOWN_SECONDS)
        stack.push_async_callback(executions.aclose)  # ends also the calls that requests under way have started
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(executions.aclose)
        stack.push_async_callback(scheduler.aclose)
        scheduler.start()
        await runner.setup()
        for listener in listeners:
            site = web.SockSite(runner, listener)
            await site.start()
            stack.push_async_callback(site.stop)
