"""Calls in doubt: opens a case for each, and applies what recovery finds.

`Doubts.find` does the same for submissions of another process, which ended before it knew. An `Interrupted` has what
that process recorded, and the outcome is `NotStarted`, `Started` or `Uncertain`.
"""

from __future__ import annotations

import asyncio
import math
from functools import partial
from typing import TYPE_CHECKING

import attrs

from aiocdf import _clock
from aiocdf._engine.nonces import Nonce
from aiocdf._engine.recovering import Recovering
from aiocdf._engine.tasks import AFTER_CANCEL
from aiocdf._policy import lifecycle
from aiocdf._policy.lifecycle import Event, Queued
from aiocdf._policy.recovery import Case, Need, NotStarted, Resend, Started, Uncertain
from aiocdf._policy.submission import Step, Verdict, judge
from aiocdf._wire import endings
from aiocdf.errors import ClientClosed, ProtocolError
from aiocdf.secret import Secret
from aiocdf.telemetry import CallAccepted

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from aiocdf._engine.following import Following
    from aiocdf._engine.records import CallRecord
    from aiocdf._engine.recovering import Known
    from aiocdf._engine.service import Service
    from aiocdf._engine.submitter import Attempt, InDoubt
    from aiocdf._engine.tasks import Tasks
    from aiocdf._policy.gate import Gate
    from aiocdf._policy.recovery import Decision
    from aiocdf._policy.servertime import ServerTime
    from aiocdf.errors import AiocdfError
    from aiocdf.models.calls import FunctionCall
    from aiocdf.telemetry import Event as TelemetryEvent

    Outcome = NotStarted | Started | Uncertain

__all__ = ["Doubts", "Interrupted"]

# Seconds without an answer after which the same request is sent again, because one may hang ("The tail at scale", Dean
# and Barroso, 2013: hedged requests).
_HEDGE = 0.25


@attrs.frozen(kw_only=True)
class Interrupted:
    """A submission that was recorded when it began, without a record of how it ended."""

    #: The id or external id, as the caller gave it.
    function: int | str
    #: The session whose nonce it sent; None if it is unknown.
    session_id: int | None
    #: By this computer's clock: before its POST was sent, and after; None if only the first is known.
    sent_from: datetime
    sent_until: datetime | None = None
    #: The largest possible adjustment of this computer's clock since then, in seconds.
    clock_error: float = 5.0
    #: The earliest possible start by the service's clock; None to derive it from *sent_from*.
    starts_after: datetime | None = None


class Doubts:
    """Finds out which calls started after a POST without a usable answer.

    Args:
        gate: Counts their places.
        following: Tracks the calls that are found.
        service: Reads sessions and calls.
        known: The calls of this client.
        server_time: The estimate of the service's clock.
        attempts: The maximum number of POSTs for a call that may itself be the cause of their failures.
        patience: Seconds until recovery gives up; None for no limit.
        request_timeout: Seconds after which a request has no answer.
        emit: Receives the events.
        tasks: Runs the requests.
        changed: Called after places became free, calls may start, or calls were found running.
    """

    def __init__(
        self,
        *,
        gate: Gate[CallRecord],
        following: Following,
        service: Service,
        known: Known,
        server_time: ServerTime,
        attempts: int,
        patience: float | None,
        request_timeout: float,
        emit: Callable[[TelemetryEvent], None],
        tasks: Tasks,
        changed: Callable[[], None],
    ) -> None:
        self._gate = gate
        self._following = following
        self._known = known
        self._server_time = server_time
        self._attempts = attempts
        self._request_timeout = request_timeout
        self._emit = emit
        self._tasks = tasks
        self._changed = changed
        self._recovering: Recovering[CallRecord | asyncio.Future[Outcome]] = Recovering(
            service=service,
            known=known,
            patience=patience,
            under_way=lambda function: gate.breakers.breaker(function).under_way,
            looked=self._looked,
        )
        self._searches: set[asyncio.Future[Outcome]] = set()
        self._timers: dict[Need, asyncio.TimerHandle] = {}
        #: The requests under way, each with the timer that sends the request again without an answer.
        self._asking: dict[Need, asyncio.TimerHandle] = {}
        self._closed = False

    def open(self, record: CallRecord, attempt: Attempt, outcome: InDoubt) -> None:
        """Open a case for a call, or continue its case.

        Args:
            record: The call.
            attempt: The attempt after which it is unknown whether the call started.
            outcome: How it ended.
        """
        case = record.case or self._case(attempt)
        record.case = case
        if outcome.error is not None:
            self._failed(case, outcome.error)
        case.retry_at = max(case.retry_at, outcome.not_before)
        record.move(Event.DOUBTED, lifecycle.Recovering(case.function_id, outcome.attempts, case.error))
        self._recovering.add(case, record, new=outcome.error is not None)
        self.arm()

    def arm(self, not_before: float = 0.0) -> None:
        """Set a timer for the next request for sessions, and one for the next lists of calls."""
        for what in Need:
            if self._closed or what in self._asking:
                continue
            if (timer := self._timers.pop(what, None)) is not None:
                timer.cancel()
            if (due := self._recovering.due_at(what)) is not None:
                when = max(due, not_before, _clock.monotonic())
                self._timers[what] = self._tasks.at(when, partial(self._due, what))

    def _due(self, what: Need) -> None:
        self._asking[what] = self._tasks.at(_clock.monotonic() + _HEDGE, partial(self._hedge, what))
        self._tasks.spawn(self._recover(what))

    def _hedge(self, what: Need) -> None:
        del self._asking[what]
        self.arm()

    async def _recover(self, what: Need) -> None:
        """Read the signs for calls in doubt; the decisions may free places, or queue calls."""
        not_before = _clock.monotonic() + AFTER_CANCEL
        try:
            await self._ask(what)
            not_before = 0.0
        finally:
            if (timer := self._asking.pop(what, None)) is not None:
                timer.cancel()
            self.arm(not_before)
            self._changed()

    async def _ask(self, what: Need) -> None:
        for found in await self._recovering.ask(what):
            if isinstance(found.owner, asyncio.Future):
                self._resolve(found.owner, found.decision)
            elif isinstance(found.owner.state, lifecycle.Recovering):
                self._apply(found.owner, found.owner.state, found.case, found.decision)

    def find(
        self, interrupted: Sequence[Interrupted], functions: Mapping[int | str, int], known: Collection[int]
    ) -> list[asyncio.Future[Outcome]]:
        """Find out which submissions of another process started; cancelling a future stops its search.

        Args:
            interrupted: All of them, because one assignment of calls to submissions decides them together.
            functions: The ids of their functions.
            known: Ids of calls that belong to others.

        Returns:
            One future for each; they raise `ClientClosed` if the client is closed first.
        """
        loop = asyncio.get_running_loop()
        searches: list[asyncio.Future[Outcome]] = []
        for case in [self._interrupted(each, functions[each.function]) for each in interrupted]:
            search: asyncio.Future[Outcome] = loop.create_future()
            search.add_done_callback(partial(self._found, case))
            searches.append(search)
            self._searches.add(search)
            self._gate.spacing.doubted(case.function_id)
            self._recovering.add(case, search, new=True, others=known)
        self.arm()
        return searches

    def _found(self, case: Case, search: asyncio.Future[Outcome]) -> None:
        case.closed = True
        self._searches.discard(search)

    def close(self) -> None:
        """Stop all requests, and end the searches."""
        self._closed = True
        for timer in (*self._timers.values(), *self._asking.values()):
            timer.cancel()
        for search in self._searches:
            search.set_exception(ClientClosed("the client was closed before it found out whether the call started"))
            search.exception()

    def _looked(self, case: Case) -> None:
        """Allow POSTs of a function again: one at a time, if answers of started calls get lost."""
        self._gate.spacing.looked(case.function_id)
        if case.ready_at is None:
            self._gate.spacing.started()

    def _case(self, attempt: Attempt) -> Case:
        """Open a case for the POST of an attempt."""
        now = _clock.monotonic()
        nonce = attempt.nonce or Nonce(Secret(""), now, now)
        return Case(
            function_id=attempt.function_id,
            error=ProtocolError("the POST had no answer"),
            session_id=nonce.session_id,
            nonce=nonce.secret if nonce.session_id is not None else None,
            made_at=nonce.made_at,
            made_by=nonce.made_by,
            sent_at=attempt.sent_at,
            failed_at=now,
            since=now,
            post=self._known.posts,
            begun=attempt.sent_at + self._known.clock()[0],
        )

    def _failed(self, case: Case, error: AiocdfError) -> None:
        """Record how a POST ended, and space the function's next POSTs from it."""
        match judge(error, Step.POST):
            case Verdict.REFUSED:
                case.refusal = error
            case Verdict.AGAIN:
                case.nonce = None  # the service rejects it
            case _:
                case.error = error
        case.failed_at = case.since = _clock.monotonic()
        case.retry_at = -math.inf
        self._gate.spacing.doubted(case.function_id)

    def _interrupted(self, each: Interrupted, function_id: int) -> Case:
        now = _clock.monotonic()
        zero = now - _clock.wall()
        sent_at = zero + each.sent_from.timestamp() - each.clock_error
        if each.sent_until is None:
            until = min(now, zero + each.sent_from.timestamp() + self._request_timeout + each.clock_error)
        else:
            until = min(now, zero + each.sent_until.timestamp() + each.clock_error)
        starts_after = -math.inf if each.starts_after is None else each.starts_after.timestamp()
        return Case(
            function_id=function_id,
            error=ProtocolError("the process that sent it ended"),
            session_id=each.session_id,
            nonce=None,
            made_at=-math.inf,
            made_by=until,
            sent_at=sent_at,
            failed_at=until,
            since=now,
            post=self._known.posts,
            begun=max(sent_at + self._known.clock()[0], starts_after),
        )

    def _resolve(self, search: asyncio.Future[Outcome], decision: Decision) -> None:
        if isinstance(decision, Started):
            self._known.add(decision.call)
        if not search.done() and not isinstance(decision, Resend):
            search.set_result(decision)

    def _apply(self, record: CallRecord, state: lifecycle.Recovering, case: Case, decision: Decision) -> None:
        """Apply the decision on a call."""
        match decision:
            case Started(call):
                self._started(record, state, case, call)
            case Uncertain(candidates, reason):
                record.uncertain(state.attempts, state.doubt, candidates, reason)
            case Resend():
                self._recovering.keep(case)
                self._requeue(record, state, state.doubt)
            case NotStarted():
                record.case = None
                self._not_started(record, state, case)

    def _started(self, record: CallRecord, state: lifecycle.Recovering, case: Case, call: FunctionCall) -> None:
        """Track a call that was found."""
        now = _clock.monotonic()
        since = self._server_time.local(call.start_time.timestamp(), now)
        self._known.add(call)
        self._gate.admission.accepted(state.function_id, now, case.failed_at)
        running = record.accept(state, call, since)
        waited = now - record.created_at
        self._emit(CallAccepted(number=record.number, function_id=call.function_id, call_id=call.id, waited=waited))
        if not call.ended:
            record.expire_after(since)
        self._following.accepted(record, running, call)

    def _not_started(self, record: CallRecord, state: lifecycle.Recovering, case: Case) -> None:
        """Queue a call that did not start again, unless it was refused or has no attempts left."""
        healthy = self._gate.breakers.breaker(state.function_id).since is None
        error = case.refusal
        if error is None and (record.nonce is not None or (state.attempts >= self._attempts and healthy)):
            error = case.error
        if error is None:
            self._requeue(record, state, None)
        else:
            self._gate.admission.put_back(state.function_id)
            record.fail(Event.REFUSED, endings.not_started(record.which, error))

    def _requeue(self, record: CallRecord, state: lifecycle.Recovering, doubt: AiocdfError | None) -> None:
        self._gate.admission.put_back(state.function_id)
        record.move(Event.CLEARED, Queued(state.function_id, state.attempts, doubt))
        self._gate.admission.enqueue(state.function_id, record.number, record)
