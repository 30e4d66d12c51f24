"""Starts calls when their schedules are due."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs

from aiocdf.local.api.cron import next_time
from aiocdf.local.api.functions import status_of
from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import now_ms

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterable

    from aiocdf.local.api.executions import Executions
    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.state.records import Session
    from aiocdf.local.state.schedules import Schedule
    from aiocdf.local.state.store import Store

__all__ = ["Scheduler", "due", "refusal"]

#: The maximum delay of a scheduled call in milliseconds, such as after the machine was suspended.
LATEST: Final = 60_000
#: The maximum interval in seconds between two readings of the clock, because the user can set it.
LONGEST_SLEEP: Final = 30.0
#: The service's own message in the log of a call without a valid session.
NO_TOKEN: Final = (
    "Could not fetch a valid token or a valid API key. Unable to instantiate a CogniteClient. "
    "Please verify your credentials."
)


def due(schedules: Iterable[Schedule], since: int, now: int) -> tuple[list[tuple[Schedule, int]], int | None]:
    """Return the due schedules with their due times, and the next due time of the other schedules.

    All times are epoch milliseconds.

    Args:
        schedules: All schedules.
        since: When the server started. Times before it are skipped.
        now: The present time.
    """
    found, later = [], []
    for schedule in schedules:
        after = max(schedule.last_scheduled or schedule.created_time, since, now - LATEST)
        at = next_time(schedule.cron_expression, after)
        if at is not None and at <= now:
            found.append((schedule, at))
        elif at is not None:
            later.append(at)
    return found, min(later, default=None)


def refusal(function: Function, session: Session | None, now: int) -> str | None:
    """Return why a schedule's call cannot run; None if it can.

    A session created with `oneshotTokenExchange` is not renewed. It ends when its token expires.
    """
    if status_of(function) != "Ready":
        return f"Function {function.id} is not ready to be called: its status is {status_of(function)}"
    expired = session is not None and session.type == "ONESHOT_TOKEN_EXCHANGE" and session.expiration_time <= now
    if session is None or session.status != "ACTIVE" or expired:
        return NO_TOKEN
    return None


@attrs.define(kw_only=True, eq=False)
class Scheduler:
    """Starts calls until it is closed.

    Args:
        store: Stores schedules and sessions.
        registry: All functions.
        executions: Runs the calls.
        log: The logger for schedules that started no call.
        clock: Returns the time in epoch milliseconds.
    """

    _store: Store
    _registry: FunctionRegistry
    _executions: Executions
    _log: logging.Logger
    _clock: Callable[[], int] = now_ms
    _changed: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _task: asyncio.Task[None] | None = attrs.field(default=None, init=False)

    def start(self) -> None:
        """Start the scheduler."""
        self._task = asyncio.create_task(self._run(), name="schedules")

    def wake(self) -> None:
        """Read the schedules again, because they have changed."""
        self._changed.set()

    async def aclose(self) -> None:
        """Stop starting calls."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        since = self._clock()
        while True:
            self._changed.clear()
            try:
                seconds = await self._start_due(since)
            except Exception:  # noqa: BLE001 - an error, such as a full disk, must not stop all schedules
                self._log.exception("reading or starting schedules failed")
                seconds = LONGEST_SLEEP
            await self._sleep(seconds)

    async def _start_due(self, since: int) -> float:
        """Start the due schedules. Return the seconds until the next one is due."""
        now = self._clock()
        found, next_due = due(await self._store.schedules(), since, now)
        for schedule, at in found:
            await self._store.update_schedule(attrs.evolve(schedule, last_scheduled=at))
            await self._fire(schedule, at)
        if found:
            return 0.0
        return LONGEST_SLEEP if next_due is None else (next_due - now) / 1000

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(min(seconds, LONGEST_SLEEP)):
                await self._changed.wait()
        except TimeoutError:
            pass

    async def _fire(self, schedule: Schedule, at: int) -> None:
        try:
            function = await self._registry.settled(await self._registry.function(schedule.function_id))
            await self._call(schedule, function, at)
        except Problem as problem:
            self._log.warning("schedule %s (%s) started no call: %s", schedule.id, schedule.name, problem)
        except Exception:  # noqa: BLE001 - an error in one schedule must not stop the others
            self._log.exception("schedule %s (%s) started no call", schedule.id, schedule.name)

    async def _call(self, schedule: Schedule, function: Function, at: int) -> None:
        """Start the call of a schedule. A call that cannot run is stored as Failed."""
        session = next(iter(await self._store.sessions([schedule.session_id])), None)
        reason = refusal(function, session, self._clock())
        if reason is None and session is not None:
            try:
                await self._executions.start_scheduled(function, session, schedule, at)
                return
            except Problem as problem:
                reason = str(problem)
        await self._executions.refuse_scheduled(function, schedule, at, reason or NO_TOKEN)
