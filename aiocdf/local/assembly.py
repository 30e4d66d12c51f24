"""How the local server is put together from its parts."""

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
from aiocdf.local.identity.oauth import authenticate_bearer, expire_bearer
from aiocdf.local.identity.routes import provider_routes
from aiocdf.local.page.endpoints import PageEndpoints
from aiocdf.local.page.overview import Overview
from aiocdf.local.state.records import Ids

if TYPE_CHECKING:
    import logging
    import socket
    from collections.abc import Iterable
    from contextlib import AsyncExitStack
    from pathlib import Path

    from aiohttp.typedefs import Middleware

    from aiocdf.local.api.calls import ErrorShape
    from aiocdf.local.api.functions import MissingKey
    from aiocdf.local.faults.fault import Faults
    from aiocdf.local.http.application import Route
    from aiocdf.local.http.hosts import AllowedHosts
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.page.access import PageKey
    from aiocdf.local.runtime.builder import Builder
    from aiocdf.local.runtime.catalogue import Catalogue
    from aiocdf.local.runtime.pool import WorkerPool
    from aiocdf.local.state.clouds import Cloud
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.store import Store

__all__ = ["Assembly"]

# Requests are answered in milliseconds; one that is not done by then waits for a client that is gone.
SHUTDOWN_SECONDS: Final = 1.0


@attrs.frozen(kw_only=True)
class Assembly:
    """What a local server is made of.

    Args:
        root: The folder of the functions.
        project: The name of the one project.
        url: The server's address.
        hosts: The hosts for which requests are answered.
        issuer: Knows clients and users.
        pool: Runs the functions.
        builder: Builds the functions.
        catalogue: The functions of the folder.
        cloud: The cloud whose figures hold.
        limits: What is allowed.
        error_shape: What `error` of a failed call is.
        missing_key: The name of external ids where an answer says which functions are unknown.
        faults: What goes wrong on purpose.
        page_key: Who may use the page.
        log: Where calls and crashes are told.
    """

    root: Path
    project: str
    url: str
    hosts: AllowedHosts
    issuer: Issuer
    pool: WorkerPool
    builder: Builder
    catalogue: Catalogue
    cloud: Cloud
    limits: Limits
    error_shape: ErrorShape
    missing_key: MissingKey
    faults: Faults | None
    page_key: PageKey
    log: logging.Logger

    async def start(self, listeners: Iterable[socket.socket], store: Store, stack: AsyncExitStack) -> Executions:
        """Build the parts and serve, each part with its end pushed onto the stack; return what runs the calls."""
        ids, feed = Ids(await store.last_id()), Feed()
        registry = FunctionRegistry(catalogue=self.catalogue, store=store, builder=self.builder, cloud=self.cloud)
        await registry.load()
        await load_module_schedules(self.root, registry=registry, store=store, ids=ids, log=self.log)
        executions = Executions(
            store=store,
            issuer=self.issuer,
            pool=self.pool,
            ids=ids,
            limits=self.limits,
            base_url=self.url,
            project=self.project,
            log=self.log,
            feed=feed,
        )
        scheduler = Scheduler(store=store, registry=registry, executions=executions, log=self.log)
        page = self._page(registry=registry, executions=executions, store=store, ids=ids, feed=feed)

        def schedules_changed() -> None:
            scheduler.wake()
            page.overview.forget_schedules()

        endpoints = (
            SessionEndpoints(store, self.issuer, ids, self.limits),
            FileEndpoints(store, ids, self.limits),
            FunctionEndpoints(
                registry=registry,
                store=store,
                ids=ids,
                limits=self.limits,
                cloud=self.cloud,
                missing_key=self.missing_key,
            ),
            ScheduleEndpoints(registry=registry, store=store, ids=ids, limits=self.limits, on_change=schedules_changed),
            CallEndpoints(
                registry=registry,
                executions=executions,
                store=store,
                limits=self.limits,
                error_shape=self.error_shape,
            ),
            page,
        )
        runner = Runner(
            self._application(route for each in endpoints for route in each.routes()), shutdown_timeout=SHUTDOWN_SECONDS
        )
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

    def _application(self, routes: Iterable[Route]) -> web.Application:
        """Return what answers requests: at these routes, and those of the identity provider and of the documents."""
        provided = provider_routes(self.issuer, self.limits, project=self.project, url=self.url)
        every = [*provided, *document_routes(), *routes]
        return application(
            every,
            hosts=self.hosts,
            project=self.project,
            authenticate=functools.partial(authenticate_bearer, issuer=self.issuer),
            # Room for data that is at its limit, however it is spelt.
            body_bytes=6 * self.limits.data_bytes + 1_000_000,
            faults=self._injector(every),
            log=self.log,
        )

    def _page(
        self, *, registry: FunctionRegistry, executions: Executions, store: Store, ids: Ids, feed: Feed
    ) -> PageEndpoints:
        """Return what answers at the page."""
        overview = Overview(
            project=self.project,
            registry=registry,
            store=store,
            feed=feed,
            limits=self.limits,
            processes=self.pool.processes,
            log=self.log,
        )
        return PageEndpoints(
            key=self.page_key,
            registry=registry,
            executions=executions,
            store=store,
            ids=ids,
            limits=self.limits,
            feed=feed,
            overview=overview,
        )

    def _injector(self, routes: Iterable[Route]) -> Middleware | None:
        """Return what makes the faults happen that were asked for."""
        if self.faults is None:
            return None
        self.faults.check_endpoints([(route.method, route.path) for route in routes])
        expire = functools.partial(expire_bearer, issuer=self.issuer)
        return FaultInjector(self.faults, f"/api/v1/projects/{self.project}", expire, self.log).inject
