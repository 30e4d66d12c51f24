"""Assembles the local server from its parts."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import web

from aiocdf.local.api.calls import CallEndpoints
from aiocdf.local.api.documents import document_routes
from aiocdf.local.api.executions import Executions
from aiocdf.local.api.feed import Feed
from aiocdf.local.api.files import FileEndpoints
from aiocdf.local.api.functions import FunctionEndpoints
from aiocdf.local.api.module_schedules import load_module_schedules
from aiocdf.local.api.registry import FunctionRegistry
from aiocdf.local.api.scheduler import Scheduler
from aiocdf.local.api.schedules import ScheduleEndpoints
from aiocdf.local.api.sessions import SessionEndpoints
from aiocdf.local.faults.middleware import FaultInjector
from aiocdf.local.http.application import application
from aiocdf.local.http.connections import Runner
from aiocdf.local.http.hosts import AllowedHosts
from aiocdf.local.identity.oauth import authenticate_bearer, expire_bearer
from aiocdf.local.identity.routes import provider_routes
from aiocdf.local.page.endpoints import PageEndpoints
from aiocdf.local.page.overview import Overview
from aiocdf.local.state.clouds import cloud_of
from aiocdf.local.state.records import Ids

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from contextlib import AsyncExitStack

    from aiohttp.typedefs import Middleware

    from aiocdf.local.http.application import Route
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.page.access import PageKey
    from aiocdf.local.runtime.builder import Builder
    from aiocdf.local.runtime.catalogue import Catalogue
    from aiocdf.local.runtime.executor import Executor
    from aiocdf.local.settings import ServerSettings
    from aiocdf.local.state.store import Store

__all__ = ["Assembly"]

# Seconds for requests to end. They take milliseconds, unless they wait for a client that is gone.
SHUTDOWN_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class Assembly:
    """The parts of a local server, and the code that connects them.

    Args:
        settings: The settings of the server.
        url: The URL of the server.
        functions_url: The URL of the server for the functions that it runs.
        issuer: Issues tokens to clients and users.
        executor: Runs the functions.
        builder: Builds the functions.
        catalogue: The functions of the folder.
        page_key: The key that grants access to the page.
    """

    settings: ServerSettings
    url: str
    functions_url: str
    issuer: Issuer
    executor: Executor
    builder: Builder
    catalogue: Catalogue
    page_key: PageKey

    async def start(self, listeners: Iterable[socket.socket], store: Store, stack: AsyncExitStack) -> Executions:
        """Start the parts and serve. Push the end of each part onto *stack*. Return the running calls."""
        ids, feed, cloud = Ids(await store.last_id()), Feed(), cloud_of(self.settings.cloud)
        registry = FunctionRegistry(catalogue=self.catalogue, store=store, builder=self.builder, cloud=cloud)
        await registry.load()
        await load_module_schedules(self.settings.root, registry=registry, store=store, ids=ids, log=self.settings.log)
        executions = Executions(
            store=store,
            issuer=self.issuer,
            executor=self.executor,
            ids=ids,
            limits=self.settings.limits,
            base_url=self.functions_url,
            project=self.settings.project,
            log=self.settings.log,
            feed=feed,
        )
        scheduler = Scheduler(store=store, registry=registry, executions=executions, log=self.settings.log)
        page = self._page(registry=registry, executions=executions, store=store, ids=ids, feed=feed)

        def schedules_changed() -> None:
            scheduler.wake()
            page.overview.forget_schedules()

        endpoints = (
            SessionEndpoints(store, self.issuer, ids, self.settings.limits),
            FileEndpoints(store, ids, self.settings.limits),
            FunctionEndpoints(
                registry=registry,
                store=store,
                ids=ids,
                limits=self.settings.limits,
                cloud=cloud,
                missing_key=self.settings.missing_key,
            ),
            ScheduleEndpoints(
                registry=registry, store=store, ids=ids, limits=self.settings.limits, on_change=schedules_changed
            ),
            self._calls(registry, executions, store),
            page,
        )
        runner = Runner(
            self._application(route for each in endpoints for route in each.routes()), shutdown_timeout=SHUTDOWN_SECONDS
        )
        stack.push_async_callback(executions.aclose)  # also ends the calls that the last requests started
        stack.push_async_callback(runner.cleanup)
        stack.push_async_callback(executions.aclose)
        stack.push_async_callback(scheduler.aclose)
        stack.callback(feed.close)
        scheduler.start()
        await runner.setup()
        for listener in listeners:
            site = web.SockSite(runner, listener)
            await site.start()
            stack.push_async_callback(site.stop)
        return executions

    def _calls(self, registry: FunctionRegistry, executions: Executions, store: Store) -> CallEndpoints:
        return CallEndpoints(
            registry=registry,
            executions=executions,
            store=store,
            limits=self.settings.limits,
            error_shape=self.settings.error_shape,
        )

    def _application(self, routes: Iterable[Route]) -> web.Application:
        """Return the application with these routes and those of the identity provider and of the documents."""
        provided = provider_routes(self.issuer, self.settings.limits, project=self.settings.project, url=self.url)
        every = [*provided, *document_routes(), *routes]
        return application(
            every,
            hosts=AllowedHosts(listens_at=self.settings.host, names=self.settings.allowed_hosts),
            project=self.settings.project,
            authenticate=functools.partial(authenticate_bearer, issuer=self.issuer),
            # Room for data of the maximum size in any valid encoding.
            body_bytes=6 * self.settings.limits.data_bytes + 1_000_000,
            faults=self._injector(every),
            log=self.settings.log,
        )

    def _page(
        self, *, registry: FunctionRegistry, executions: Executions, store: Store, ids: Ids, feed: Feed
    ) -> PageEndpoints:
        """Return the endpoints of the page."""
        overview = Overview(
            project=self.settings.project,
            registry=registry,
            store=store,
            feed=feed,
            limits=self.settings.limits,
            processes=self.executor.processes,
            log=self.settings.log,
        )
        return PageEndpoints(
            key=self.page_key,
            registry=registry,
            executions=executions,
            store=store,
            ids=ids,
            limits=self.settings.limits,
            feed=feed,
            overview=overview,
        )

    def _injector(self, routes: Iterable[Route]) -> Middleware | None:
        """Return the middleware that injects the configured faults; None if there are none."""
        if self.settings.faults is None:
            return None
        self.settings.faults.check_endpoints([(route.method, route.path) for route in routes])
        expire = functools.partial(expire_bearer, issuer=self.issuer)
        return FaultInjector(
            self.settings.faults, f"/api/v1/projects/{self.settings.project}", expire, self.settings.log
        ).inject
