"""Polls running calls with one request per function, and reports their states."""

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
# The maximum number of pages of a list of calls to read while polls wait, and the time limit of each in seconds.
_PAGES, _LIST_TIMEOUT = 3, 4.0
# The longest pause of polls that the service can request, in seconds: calls end during it.
_LONGEST_PAUSE = 600.0


@attrs.define
class PollReport:
    """The result of one poll."""

    function_id: int
    #: Calls that ended, were attached, or have another start time; with their starts by this client's clock.
    seen: list[tuple[FunctionCall, float]] = attrs.field(factory=list)
    lost: dict[int, Loss] = attrs.field(factory=dict)
    #: The ids of calls that the answer describes.
    described: set[int] = attrs.field(factory=set)
    #: Whether the service answered the poll, and whether it had not answered any poll for a while.
    answered: bool = False
    recovered: bool = False


class Poller:
    """Polls functions and reads the answers.

    Args:
        service: Reads the states of calls, and the time limit of functions if a call runs long.
        schedule: The tracked calls, and the measurements from answers.
        settings: The time limits.
        server_time: The estimate of the service's clock.
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
        #: Functions whose silence is in the log already.
        self._warned: set[int] = set()
        #: Polls sent so far.
        self.polls = 0

    async def poll(self, function_id: int) -> PollReport:
        """Read the states of all running calls of a function."""
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
        """Report a poll that a bug or a stray cancellation interrupted: it counts as a poll without an answer."""
        report = PollReport(function_id)
        watch = self._schedule.watches.get(function_id)
        if watch is not None:
            self._schedule.budget.failed(_clock.monotonic())
            self._on_no_answer(watch, error, report)
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
        unread = self._apply_all(watch, items, report)
        described = {call_id for call_id in report.described if call_id not in unread}
        report.lost |= watch.missed([call_id for call_id in ids if call_id not in described], passed, unread)

    def _apply_all(self, watch: Watch, items: Iterable[Any], report: PollReport) -> dict[int, DecodeError]:
        """Apply an answer to the calls, and return the errors of those that are not readable."""
        unread: dict[int, DecodeError] = {}
        for item in items:
            call_id = _id_of(item)
            if call_id is None or (call := watch.calls.get(call_id)) is None:
                continue
            report.described.add(call_id)
            # Most calls still run, as before: there is nothing to build.
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
                self._apply(watch, call, described, report)
        return unread

    def _apply(self, watch: Watch, call: Followed, described: FunctionCall, report: PollReport) -> None:
        """Apply the service's description of a call."""
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
            self._on_no_answer(watch, error, report)

    def _on_no_answer(self, watch: Watch, error: AiocdfError, report: PollReport) -> None:
        """Apply a poll without a usable answer, and log a warning if there was none for long."""
        now, patience = _clock.monotonic(), self._settings.patience or math.inf
        report.lost |= watch.silence(error, now, patience)
        silence = now - (now if watch.silent_since is None else watch.silent_since)
        if silence < _WARN_AFTER:
            self._warned.discard(watch.function_id)
        elif watch.function_id not in self._warned:
            self._warned.add(watch.function_id)
            _log.warning(
                "function %s: no poll has had a usable answer for %.0f s (%s). aiocdf keeps polling its %d calls, %s.",
                watch.function_id,
                silence,
                error,
                len(watch.calls),
                span(patience - silence),
                extra={"event": "polls_fail"},
            )

    async def _review(self, watch: Watch, report: PollReport) -> None:
        """Verify a refusal before calls are lost because of it, and give up calls that exceeded their time limit."""
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
        """Look up calls that no answer described in the list of calls; without the whole list, polling continues."""
        ids, watch.unheard = watch.unheard, []
        try:
            listed, _ = await self._service.started(watch.function_id, pages=_PAGES, within=_LIST_TIMEOUT)
        except AiocdfError as error:
            _log.info("the calls of function %s were not all listed: %s", watch.function_id, error)
        else:
            report.lost |= watch.unlisted(ids, {call.id for call in listed})

    async def _verify(self, watch: Watch, report: PollReport) -> None:
        """Read one of the calls by itself: if that works, the refusals were not about the calls."""
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
        """Read how long functions may run; without an answer, the usual limit applies."""
        try:
            minutes = (await self._service.limits()).timeout_minutes
        except AiocdfError as error:
            _log.info(
                "the time limit of functions was not read, so aiocdf assumes %.0f s: %s",
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
    """Return the id of a call in an answer, in any form that the service may use; None if it has none."""
    try:
        return read_id(item.get("id")) if isinstance(item, dict) else None
    except Misfit:
        return None
