"""Asks after running calls, one request a function, and says which have ended."""

from __future__ import annotations

import logging
import math
from collections import defaultdict
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from aiocdf import _clock
from aiocdf._policy.polling import Budget, Plan, lost_after_misses, plan
from aiocdf._policy.runtimes import Runtimes
from aiocdf._policy.throttling import LONGEST_PAUSE
from aiocdf._wire.converter import structure
from aiocdf.errors import AiocdfError, ApiError, CallLost, DecodeError, NotFound, RateLimited
from aiocdf.models.calls import CallStatus, FunctionCall

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterable, Sequence

    from aiocdf._engine.record import CallRecord
    from aiocdf._engine.tasks import Tasks
    from aiocdf._wire.http import Response
    from aiocdf.config import Settings
    from aiocdf.resources.calls import Calls
    from aiocdf.resources.functions import Functions

__all__ = ["Poller"]

_log = logging.getLogger("aiocdf.engine")

_CHUNK = 1000
# So many functions are polled together that would be polled within so many seconds.
_TOGETHER, _ALONG = 8, 0.06
_USUAL_LIMIT = 15 * 60.0
_ASK_LIMIT_AFTER = 60.0
_WARN_UNREACHABLE_AFTER = 10.0
# Statuses by which the service refuses to tell, and among them those of a moment, which say nothing of the calls.
_REFUSALS = range(400, 500)
_PASSING = (401, 408, 425, 429)
_UNKNOWN = "the service no longer knows it, or never did. Check the ids; it keeps calls only for a time."


class _Engine(Protocol):
    """The engine, as far as the poller needs it."""

    @property
    def unfinished(self) -> int:
        """How many calls have not ended."""

    def awaits(self, function_id: int) -> bool:
        """Tell whether a queued call starts when one of the function's ends."""

    def observe(self, response: Response) -> None:
        """Learn what time it is at the service."""

    def local_start(self, call: FunctionCall) -> float:
        """Return when a call started, by our clock."""

    def polled(self) -> None:
        """Take note that more is known of when calls will end."""

    def ended(self, record: CallRecord) -> None:
        """Take a call back whose end was seen."""

    def lost(self, record: CallRecord, error: AiocdfError) -> None:
        """Take a call back whose end will not be seen."""


@attrs.define(kw_only=True, eq=False)
class _Watch:
    """The running calls of one function."""

    function_id: int
    runtimes: Runtimes
    due: float = math.inf
    records: dict[int, CallRecord] = attrs.field(factory=dict)
    #: Calls a second that are expected to end.
    ends: float = 0.0
    #: A poll is under way; the next is planned when it is over.
    polling: bool = False
    #: Since when no poll has had an answer.
    silent_since: float | None = None
    warned: bool = False


class Poller:
    """Polls all functions with running calls on one timer.

    Args:
        engine: Who is told.
        calls: The resource.
        functions: Asked for the time limit of functions when a call runs long.
        settings: How often, and how patient.
        tasks: What the polls run in.
    """

    def __init__(
        self, engine: _Engine, *, calls: Calls, functions: Functions, settings: Settings, tasks: Tasks
    ) -> None:
        self._engine = engine
        self._calls = calls
        self._functions = functions
        self._settings = settings
        self._tasks = tasks
        self._budget = Budget(rate=settings.polling.budget)
        self._watches: dict[int, _Watch] = {}
        #: Of every function that was called: what was learned outlives the calls.
        self._runtimes: defaultdict[int, Runtimes] = defaultdict(Runtimes)
        self._timer: asyncio.TimerHandle | None = None
        self._armed_for: float | None = None
        self._time_limit = settings.time_limit
        self._asked_limit = False
        #: Polls sent so far.
        self.polls = 0

    @property
    def records(self) -> list[CallRecord]:
        """The calls that are followed."""
        return [record for watch in self._watches.values() for record in watch.records.values()]

    @property
    def ends(self) -> float:
        """Calls a second that are expected to end, over all functions."""
        return sum(watch.ends for watch in self._watches.values())

    def find(self, function_id: int, call_id: int) -> CallRecord | None:
        """Return the record that follows a call already, if there is one."""
        watch = self._watches.get(function_id)
        return watch.records.get(call_id) if watch else None

    def watch(self, record: CallRecord, *, new: bool) -> None:
        """Follow a call from now on: one that is not *new* is asked after at once, a new one when it is worth it."""
        assert record.function_id is not None  # noqa: S101 - for the type checker
        assert record.call_id is not None  # noqa: S101
        watch = self._watches.get(record.function_id)
        if watch is None:
            watch = self._watches[record.function_id] = _Watch(
                function_id=record.function_id, runtimes=self._runtimes[record.function_id]
            )
        watch.records[record.call_id] = record
        now = _clock.monotonic()
        if not new:
            watch.due = min(watch.due, now)
        elif watch.due > now + self._settings.polling.floor:  # no plan is sooner
            watch.due = min(watch.due, now + self._planned(watch, [0.0]).gap)
        self._arm()

    def forget(self, record: CallRecord) -> None:
        """Follow a call no longer."""
        assert record.function_id is not None  # noqa: S101 - for the type checker
        assert record.call_id is not None  # noqa: S101
        watch = self._watches.get(record.function_id)
        if watch is None or watch.records.pop(record.call_id, None) is None:
            return
        if not watch.records and not watch.polling:
            del self._watches[record.function_id]
            self._arm()

    def close(self) -> None:
        """Ask no more."""
        if self._timer is not None:
            self._timer.cancel()
        for watch in self._watches.values():
            watch.records.clear()  # for polls that are under way, and would plan the next
        self._watches.clear()

    def _arm(self) -> None:
        """Set the one timer to the function that is due first."""
        due = min((watch.due for watch in self._watches.values() if not watch.polling), default=None)
        if due == self._armed_for:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._armed_for = due
        self._timer = None if due is None else self._tasks.at(due, self._tick)

    def _tick(self) -> None:
        """Poll the functions that are due, and a few that soon will be: what is done together costs less time."""
        self._timer = self._armed_for = None
        now = _clock.monotonic()
        idle = sorted((watch for watch in self._watches.values() if not watch.polling), key=attrgetter("due"))
        for place, watch in enumerate(idle):
            if watch.due > now + (_ALONG if place < _TOGETHER else 0.0):
                break
            watch.polling = True
            self._tasks.spawn(self._poll(watch))
        self._arm()

    async def _poll(self, watch: _Watch) -> None:
        """Ask after all calls of a function, and plan the next time."""
        at_least, sent_at = 0.0, _clock.monotonic()
        try:
            sent_at = await self._turn()
            ids = list(watch.records)  # with those of calls that were accepted while we waited
            for first in range(0, len(ids), _CHUNK):
                if first:
                    sent_at = await self._turn()
                at_least = max(at_least, await self._ask(watch, ids[first : first + _CHUNK]))
            self._review(watch)
        except Exception as error:
            # A fault of ours, or of what the caller's own session calls, must not make waits without an end.
            self._silent(watch, AiocdfError(f"a fault of aiocdf: {error!r}"))
            raise
        finally:
            # Even after a fault of ours: calls that nobody asks after would never end.
            self._plan(watch, sent_at, at_least)

    async def _turn(self) -> float:
        """Wait until the budget lets one more poll through, and return the time."""
        wait = self._budget.wait(_clock.monotonic())
        if wait:
            await _clock.sleep(wait)
        return _clock.monotonic()

    def _plan(self, watch: _Watch, sent_at: float, at_least: float) -> None:
        """Set the time of a function's next poll, if it has calls left."""
        watch.polling = False
        if watch.records:
            now = _clock.monotonic()
            planned = self._planned(watch, [now - record.since for record in watch.records.values()])
            watch.ends = planned.ends
            # From poll to poll: the time that the answer took is part of the gap.
            watch.due = max(sent_at + planned.gap, now + at_least)
        else:
            self._watches.pop(watch.function_id, None)
        self._arm()
        self._engine.polled()

    def _planned(self, watch: _Watch, ages: Sequence[float]) -> Plan:
        """Ask the policy when calls of these ages are to be asked after."""
        return plan(
            ages,
            watch.runtimes,
            functions=len(self._watches),
            calls=self._engine.unfinished,
            awaited=self._engine.awaits(watch.function_id),
            polling=self._settings.polling,
            jitter=_clock.jitter(0.9, 1.1),
        )

    async def _ask(self, watch: _Watch, ids: Sequence[int]) -> float:
        """Send one poll and read its answer; return the seconds the service wants to be left alone."""
        self.polls += 1
        try:
            items, response = await self._calls.poll(watch.function_id, ids)
        except RateLimited as error:
            pause = min(error.retry_after or 0.0, LONGEST_PAUSE)
            self._budget.throttled(_clock.monotonic(), pause)
            self._silent(watch, error)
            return pause
        except AiocdfError as error:
            self._unanswered(watch, ids, error)
            return 0.0
        self._engine.observe(response)
        known = self._read(watch, items)
        self._missed(watch, [call_id for call_id in ids if call_id not in known], None)
        watch.silent_since, watch.warned = None, False
        return 0.0

    def _read(self, watch: _Watch, items: Iterable[Any]) -> set[int]:
        """Take in what an answer says; return the ids it speaks of."""
        known = set()
        for item in items:
            call_id = item.get("id") if isinstance(item, dict) else None
            if not isinstance(call_id, int) or (record := watch.records.get(call_id)) is None:
                continue
            known.add(call_id)
            record.misses = 0
            # Most calls still run, and we knew that: nothing to build.
            if record.call is None or item.get("status") != CallStatus.Running:
                self._take(record, item)
        return known

    def _take(self, record: CallRecord, item: dict[str, Any]) -> None:
        """Take in what the service says of one call."""
        try:
            call = structure(item, FunctionCall, what=f"poll of {record.which}")
        except DecodeError as error:
            self._lose(record, error)
            return
        record.seen(call, started_at=self._engine.local_start(call))
        if call.ended:
            if call.runtime is not None:
                self._runtimes[call.function_id].learn(call.runtime)
            self.forget(record)
            self._engine.ended(record)

    def _unanswered(self, watch: _Watch, ids: Sequence[int], error: AiocdfError) -> None:
        """Take note of a poll without an answer that can be used; that alone ends no call."""
        if isinstance(error, ApiError) and error.status in _REFUSALS and error.status not in _PASSING:
            named = [item.get("id") for item in error.missing]
            self._missed(watch, [call_id for call_id in ids if call_id in named] or ids, error)
        else:
            self._silent(watch, error)

    def _silent(self, watch: _Watch, error: AiocdfError) -> None:
        """Take note that a poll told nothing, and give the function's calls up when none has for long."""
        now = _clock.monotonic()
        watch.silent_since = now if watch.silent_since is None else watch.silent_since
        silence = now - watch.silent_since
        if silence >= self._settings.unreachable_after:
            for record in list(watch.records.values()):
                reason = f"no poll had an answer that could be used for {silence:.0f} s: {error}"
                self._lose(record, self._lost(record, reason, error))
        elif silence >= _WARN_UNREACHABLE_AFTER and not watch.warned:
            watch.warned = True
            _log.warning(
                "function %s: no poll had an answer that could be used for %.0f s (%s). Its %d calls are followed for %.0f s more.",
                watch.function_id,
                silence,
                error,
                len(watch.records),
                self._settings.unreachable_after - silence,
            )

    def _missed(self, watch: _Watch, ids: Iterable[int], cause: AiocdfError | None) -> None:
        """Take note that the service did not tell of calls it should know."""
        now = _clock.monotonic()
        for call_id in ids:
            record = watch.records.get(call_id)
            if record is None:
                continue
            record.misses += 1
            if lost_after_misses(record.misses, now - record.since):
                reason = f"the service would not tell of it: {cause}" if cause else _UNKNOWN
                is_known = cause is not None and not isinstance(cause, NotFound)
                self._lose(record, self._lost(record, reason, cause, is_known=is_known))

    def _review(self, watch: _Watch) -> None:
        """Give up on calls that have outrun the functions' time limit and still run, by what the service says."""
        now = _clock.monotonic()
        oldest = min((record.since for record in watch.records.values()), default=now)
        if now - oldest > _ASK_LIMIT_AFTER and self._time_limit is None and not self._asked_limit:
            self._asked_limit = True
            self._tasks.spawn(self._ask_limit())
        limit = (self._time_limit or _USUAL_LIMIT) + self._settings.grace
        if now - oldest <= limit:
            return
        for record in list(watch.records.values()):
            if now - record.since > limit:
                reason = f"it still counts as running {limit:.0f} s after its start, past every time limit"
                self._lose(record, self._lost(record, reason, None))

    async def _ask_limit(self) -> None:
        """Learn how long functions may run; without an answer the usual limit stands."""
        try:
            minutes = (await self._functions.limits()).timeout_minutes
        except AiocdfError as error:
            _log.info("the functions' time limit could not be read, so %.0f s stand: %s", _USUAL_LIMIT, error)
        else:
            self._time_limit = minutes * 60.0 if minutes else None

    def _lose(self, record: CallRecord, error: AiocdfError) -> None:
        self.forget(record)
        self._engine.lost(record, error)

    def _lost(self, record: CallRecord, reason: str, cause: AiocdfError | None, *, is_known: bool = True) -> CallLost:
        again = f" client.attach({str(record.ref)!r}) takes it up again." if is_known else ""
        error = CallLost(
            f"{record.which} was lost after {record.elapsed:.0f} s: {reason.rstrip('.')}.{again}",
            call=record.call,
            ref=record.ref,
        )
        error.__cause__ = cause
        return error
