"""The overview on the page: functions, schedules and limits."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final

import attrs

from aiocdf.local.api.cron import next_time
from aiocdf.local.api.functions import status_of
from aiocdf.local.state.records import now_ms

if TYPE_CHECKING:
    import logging
    from collections.abc import AsyncIterator, Mapping

    from aiocdf.local.api.feed import Feed
    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.schedules import Schedule
    from aiocdf.local.state.store import Store

__all__ = ["Overview"]

#: Seconds between two readings of the folder while the page is open, because edits of files are not reported.
LOOK_EVERY: Final = 2.0


@attrs.define(kw_only=True, eq=False)
class Overview:
    """Reads the overview. Reports changes to the feed while the page is open.

    Args:
        project: The name of the project.
        registry: All functions.
        store: Stores the schedules.
        feed: Reports changes to readers.
        limits: The limits of the server.
        processes: How many function instances may run at once.
        log: The logger for errors.
    """

    project: str
    registry: FunctionRegistry
    store: Store
    feed: Feed
    limits: Limits
    processes: int
    log: logging.Logger
    _watchers: int = attrs.field(default=0, init=False)
    _watch: asyncio.Task[None] | None = attrs.field(default=None, init=False)
    _schedules: list[Schedule] | None = attrs.field(default=None, init=False)

    async def read(self) -> dict[str, Any]:
        """Return the overview as JSON values."""
        functions = await self.registry.functions()
        if self._schedules is None:
            self._schedules = await self.store.schedules()
        now = now_ms()
        return {
            "project": self.project,
            "functions": [_function(function) for function in functions.values()],
            "schedules": [_schedule(each, now) for each in self._schedules if each.function_id in functions],
            "limits": {
                "callsPerFunction": self.limits.calls_per_function,
                "callsPerProject": self.limits.calls_per_project,
                "processes": self.processes,
                "dataBytes": self.limits.data_bytes,
                "responseBytes": self.limits.response_bytes,
            },
        }

    def forget_schedules(self) -> None:
        """Read the schedules again, because they have changed."""
        self._schedules = None
        self.feed.overview_changed()

    @asynccontextmanager
    async def watched(self) -> AsyncIterator[None]:
        """Check for changes until the end of the `with` block. Concurrent readers share the checks."""
        self._watchers += 1
        if self._watch is None:
            self._watch = asyncio.create_task(self._look(), name="page-overview")
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0 and self._watch is not None:
                watch, self._watch = self._watch, None
                watch.cancel()
                await asyncio.wait([watch])

    async def _look(self) -> None:
        seen: Mapping[str, Any] | None = None
        while True:
            try:
                before, seen = seen, await self.read()
            except Exception:
                self.log.exception("reading the functions and schedules for the page failed")
            else:
                if before != seen:
                    self.feed.overview_changed()
            await asyncio.sleep(LOOK_EVERY)


def _function(function: Function) -> dict[str, Any]:
    return {
        "id": function.id,
        "name": function.external_id or function.deployment.name,
        "status": status_of(function),
        "error": function.build.error,
    }


def _schedule(schedule: Schedule, now: int) -> dict[str, Any]:
    next_run = None
    with suppress(ValueError):
        next_run = next_time(schedule.cron_expression, now)
    return {
        "id": schedule.id,
        "name": schedule.name,
        "functionId": schedule.function_id,
        "cron": schedule.cron_expression,
        "when": schedule.when,
        "nextRun": next_run,
    }
