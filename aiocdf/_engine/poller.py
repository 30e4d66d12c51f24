"""Polls running calls, one request a function, and reports what the service says of them."""

from __future__ import annotations

import logging
import math
from typing import TYPE_CHECKING, Any, TypeGuard

import attrs

from aiocdf import _clock
from aiocdf._policy.answer_times import AnswerTimes
from aiocdf._policy.patience import span
from aiocdf._policy.watch import milliseconds
from aiocdf._wire.converter import read_id, structure
from aiocdf._wire.faults import Misfit
from aiocdf._wire.json import server_date
from aiocdf.errors import AiocdfError, ApiError, DecodeError, RateLimited, TransportTimeout
from aiocdf.models.calls import CallStatus, FunctionCall

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from aiocdf._engine.service import Service
    from aiocdf._policy.schedule import Schedule
    from aiocdf._policy.servertime import ServerTime
    from aiocdf._policy.watch import Followed, Loss, Watch
    from aiocdf.config import Settings

__all__ = ["PollReport", "Poller"]

_log = logging.getLogger("aiocdf.engine")

_CHUNK = 1000
_USUAL_LIMIT = 15 * 60.0
_ASK_LIMIT_AFTER = 60.0
_WARN_AFTER = 10.0
# Pages of a list of calls that are read while polls wait, and seconds until the answer to each must be there.
_PAGES, _LIST_TIMEOUT = 3, 4.0
# Seconds that polls stay away at most at the service's request: calls end meanwhile.
_LONGEST_PAUSE = 600.0


@attrs.define
class PollReport:
    """What came of one poll."""

    function_id: int
    #: Calls that ended, that were attached to, or whose start has moved; with their starts by our clock.
    seen: list[tuple[FunctionCall, float]] = attrs.field(factory=list)
    lost: dict[int, Loss] = attrs.field(factory=dict)
    #: The calls of which the service said something.
    described: set[int] = attrs.field(factory=set)
    #: The service answered, and not only to refuse; and it had not answered any poll for a while.
    answered: bool = False
    recovered: bool = False


class Poller:
    """Polls functions, and reads the answers.

    Args:
        service: Asked for the state of calls, and for the time limit of functions when a call runs long.
        schedule: What is followed, and what answers say of it.
        settings: How patient it is.
        server_time: What is known of the service's clock.
    """

    def __init__(
        self,
        *,
        service: Service,
        schedule: Schedule,
        settings: Settings,
        server_time: ServerTime,
    ) -> None:
        self._service = service
        self._schedule = schedule
        self._settings = settings
        self._server_time = server_time
        self._time_limit = settings.time_limit
        self._ask_limit_at = -math.inf
        self._answers = AnswerTimes(settings.request_timeout)
        #: Functions of whose silence the log has been told.
        self._warned: set[int] = set()
        #: Polls sent so far.
        self.polls = 0

    async def poll(self, function_id: int) -> PollReport:
        """Ask for the state of all running calls of a function."""
        watch = self._schedule.watches[function_id]
        report = PollReport(function_id)
        watch.polled(_clock.monotonic())
        ids = list(watch.calls)
        for first in range(0, len(ids), _CHUNK):
            if first:
                self._schedule.budget.take(_clock.monotonic())
            await self._ask(watch, ids[first : first + _CHUNK], report)
        await self._review(watch, report)
        return report

    def cut_short(self, function_id: int, error: AiocdfError) -> PollReport:
        """Report a poll that a bug or a stray cancellation cut short: it counts as one without an answer."""
        report = PollReport(function_id)
        watch = self._schedule.watches.get(function_id)
        if watch is not None:
            self._schedule.budget.failed(_clock.monotonic())
            self._on_silence(watch, error, report)
        return report

    async def _ask(self, watch: Watch, ids: Sequence[int], report: PollReport) -> None:
        """Send one poll and read its answer."""
        self.polls += 1
        try:
            items, response = await self._service.poll(watch.function_id, ids, within=self._answers.limit())
        except AiocdfError as error:
            if isinstance(error, TransportTimeout):
                self._answers.unanswered()
            self._on_error(watch, ids, error, report)
            return
        sent_at, received_at = response.sent_at, response.received_at
        self._answers.answered(received_at - sent_at)
        self._server_time.observe_date(server_date(response), sent_at=sent_at, received_at=received_at)
        report.recovered |= self._schedule.answered(received_at - sent_at, _clock.monotonic())
        report.answered = True
        passed = watch.answered(_clock.monotonic())
        unread = self._read(watch, items, report)
        described = {call_id for call_id in report.described if call_id not in unread}
        report.lost |= watch.missed([call_id for call_id in ids if call_id not in described], passed, unread)

    def _read(self, watch: Watch, items: Iterable[Any], report: PollReport) -> dict[int, DecodeError]:
        """Take in what an answer says of calls; return what was wrong with those that cannot be read."""
        unread: dict[int, DecodeError] = {}
        for item in items:
            call_id = _id_of(item)
            if call_id is None or (call := watch.calls.get(call_id)) is None:
                continue
            report.described.add(call_id)
            # Most calls still run, and we knew that: nothing to build.
            if call.still_runs(item):
                call.missing = None
                continue
            try:
                described = structure(
                    item, FunctionCall, what=f"poll of call {call_id} of function {watch.function_id}"
                )
            except DecodeError as error:
                unread[call_id] = error
            else:
                call.missing = None
                self._take(watch, call, described, report)
        return unread

    def _take(self, watch: Watch, call: Followed, described: FunctionCall, report: PollReport) -> None:
        """Take in what the service says of a call."""
        start = milliseconds(described.start_time)
        if call.start != start:
            call.since = self._server_time.local(described.start_time.timestamp(), _clock.monotonic())
            call.start = start if described.status is CallStatus.Running else None
        if described.ended and described.runtime is not None:
            watch.runtimes.learn(described.runtime)
        report.seen.append((described, call.since))

    def _on_error(self, watch: Watch, ids: Sequence[int], error: AiocdfError, report: PollReport) -> None:
        """Apply a poll that failed."""
        now = _clock.monotonic()
        if isinstance(error, RateLimited):
            self._schedule.budget.throttled(now, min(error.retry_after or 0.0, _LONGEST_PAUSE))
            if error.retry_after is not None:
                watch.paused()
                return
        self._schedule.budget.failed(now)
        if _refuses(error):
            report.lost |= watch.refuse(ids, error, now)
        else:
            self._on_silence(watch, error, report)

    def _on_silence(self, watch: Watch, error: AiocdfError, report: PollReport) -> None:
        """Take in a poll without an answer that can be used, with a warning in the log once it has been long."""
        now, patience = _clock.monotonic(), self._settings.patience or math.inf
        report.lost |= watch.silence(error, now, patience)
        silence = now - (now if watch.silent_since is None else watch.silent_since)
        if silence < _WARN_AFTER:
            self._warned.discard(watch.function_id)
        elif watch.function_id not in self._warned:
            self._warned.add(watch.function_id)
            _log.warning(
                "function %s: no poll had an answer that could be used for %.0f s (%s). Its %d calls are polled on, %s.",
                watch.function_id,
                silence,
                error,
                len(watch.calls),
                span(patience - silence),
                extra={"event": "polls_fail"},
            )

    async def _review(self, watch: Watch, report: PollReport) -> None:
        """Verify a refusal before calls are given up for it, and give up calls that have outrun their time limit."""
        if watch.refused is not None and report.lost:
            await self._verify(watch, report)
        now = _clock.monotonic()
        if watch.oldest(now) > _ASK_LIMIT_AFTER and self._time_limit is None and now >= self._ask_limit_at:
            self._ask_limit_at = now + _ASK_LIMIT_AFTER
            await self._ask_limit()
        limit = (self._time_limit or _USUAL_LIMIT) + self._settings.grace
        if watch.oldest(now) > limit:
            ended = {call.id for call, _ in report.seen if call.ended}
            overrun = watch.overrun(now, limit)
            report.lost = {call_id: loss for call_id, loss in overrun.items() if call_id not in ended} | report.lost
        if watch.unheard:
            await self._search(watch, report)

    async def _search(self, watch: Watch, report: PollReport) -> None:
        """Look for calls that no answer has described in the list of calls; without a whole list they are polled on."""
        ids, watch.unheard = watch.unheard, []
        try:
            listed, _ = await self._service.started(watch.function_id, pages=_PAGES, within=_LIST_TIMEOUT)
        except AiocdfError as error:
            _log.info("the calls of function %s could not all be listed: %s", watch.function_id, error)
        else:
            report.lost |= watch.unlisted(ids, {call.id for call in listed})

    async def _verify(self, watch: Watch, report: PollReport) -> None:
        """Ask for one of the calls by itself: where that works, the refusals say nothing of the calls."""
        call_id = next(iter(report.lost))
        try:
            call = await self._service.call(watch.function_id, call_id)
        except AiocdfError as error:
            if _refuses(error):
                return
        else:
            report.seen.append((call, watch.calls[call_id].since))
            report.answered = True
        report.lost.clear()
        watch.refused = None

    async def _ask_limit(self) -> None:
        """Learn how long functions may run; without an answer the usual limit stands."""
        try:
            minutes = (await self._service.limits()).timeout_minutes
        except AiocdfError as error:
            _log.info(
                "the functions' time limit could not be read, so %.0f s stand: %s",
                _USUAL_LIMIT,
                error,
                extra={"event": "time_limit_not_read"},
            )
        else:
            self._time_limit = minutes * 60.0 if minutes else None


def _refuses(error: AiocdfError) -> TypeGuard[ApiError]:
    """Return whether the service refused the poll; some 4xx statuses are temporary, and are not refusals."""
    return isinstance(error, ApiError) and 400 <= error.status < 500 and error.status not in (401, 408, 425, 429)


def _id_of(item: object) -> int | None:
    """Return the id of a call in an answer, as it is read everywhere; None where there is none."""
    try:
        return read_id(item.get("id")) if isinstance(item, dict) else None
    except Misfit:
        return None
