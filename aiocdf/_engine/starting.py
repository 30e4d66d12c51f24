"""Queued calls: starts them, and applies the outcomes of attempts."""

from __future__ import annotations

import logging
import math
from collections import deque
from functools import lru_cache, partial
from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf._engine.submitter import Accepted, Again, Attempt, GivenUp, InDoubt, Questioned
from aiocdf._engine.tasks import in_slices
from aiocdf._policy.lifecycle import Event, Queued
from aiocdf._policy.patience import passing, span
from aiocdf._policy.submission import Step
from aiocdf._wire import endings
from aiocdf.errors import AiocdfError, ApiError, RateLimited
from aiocdf.models.functions import Function, FunctionStatus
from aiocdf.telemetry import CallAccepted, CallsThrottled

if TYPE_CHECKING:
    from aiocdf._engine.doubts import Doubts
    from aiocdf._engine.following import Following
    from aiocdf._engine.records import CallRecord
    from aiocdf._engine.recovering import Known
    from aiocdf._engine.resolver import Resolver
    from aiocdf._engine.service import Service
    from aiocdf._engine.submitter import Outcome, Submitter
    from aiocdf._policy.gate import Gate
    from aiocdf._policy.lifecycle import Submitting
    from aiocdf._policy.patience import Patience
    from aiocdf._policy.servertime import ServerTime
    from aiocdf.telemetry.observers import Observers

__all__ = ["Starting"]

_log = logging.getLogger("aiocdf.engine")

# Seconds between two warnings, and until the first warning that the service is not reachable.
_WARN_EVERY, _WARN_UNREACHED_AFTER = 30.0, 1.0


class Starting:
    """Starts queued calls, and ends those that cannot start.

    Args:
        gate: Decides which call may start.
        submitter: Makes attempts.
        following: Tracks the calls that the service accepts.
        service: Reads the function of calls that the service refused.
        resolver: Receives a function's new id.
        server_time: The estimate of the service's clock.
        known: Records the calls of this client.
        doubts: Recovers the calls that may have started.
        patience: How long calls wait for trouble to end.
        emit: Receives the events.
    """

    def __init__(
        self,
        *,
        gate: Gate[CallRecord],
        submitter: Submitter,
        following: Following,
        service: Service,
        resolver: Resolver,
        server_time: ServerTime,
        known: Known,
        doubts: Doubts,
        patience: Patience,
        emit: Observers,
    ) -> None:
        self._gate = gate
        self._submitter = submitter
        self._following = following
        self._service = service
        self._resolver = resolver
        self._server_time = server_time
        self._known = known
        self._doubts = doubts
        self._patience = patience
        self._emit = emit
        #: Calls that were refused, by function as they name it, while the cause is looked up.
        self._questioned: dict[int | str, list[tuple[CallRecord, Submitting, ApiError]]] = {}
        # Most queued calls of a function have equal states.
        self.queued = lru_cache(maxsize=1000)(Queued)
        self._warned_at = -math.inf
        #: The cause of the latest rejection with 429.
        self.throttle_cause: str | None = None

    def next(self, now: float) -> tuple[CallRecord, Submitting] | None:
        """Take the next call that may start from the queue; None if there is none."""
        record = self._gate.admit(now)
        if record is None:
            return None
        submitting = record.admit()
        self._gate.breakers.began(submitting.function_id)
        self._gate.spacing.began(submitting.function_id)
        return record, submitting

    async def submit(self, record: CallRecord, submitting: Submitting) -> None:
        """Make one attempt, and apply its outcome."""
        attempt = Attempt(
            number=record.number,
            function_id=submitting.function_id,
            data=record.data,
            own_nonce=record.nonce,
            repeatable=record.repeatable,
            attempts=submitting.attempts,
            doubt=submitting.doubt,
            case=record.case,
            before_post=record.before_post,
            wanted=lambda: not record.unwanted,
        )
        try:
            outcome = await self._submitter.submit(attempt)
        except BaseException as error:
            self._apply(record, submitting, attempt, self._submitter.cut_short(attempt, error))
            raise
        self._patience.answered |= attempt.own_nonce is None and attempt.step is Step.POST  # the session was made
        if isinstance(outcome, Questioned):
            await self._question(record, submitting, outcome.error)
        else:
            self._apply(record, submitting, attempt, outcome)
        if isinstance(outcome, GivenUp) and outcome.error is not None and not passing(outcome.error):
            await self._end_all(outcome.error)
        await self.expire()

    def _apply(self, record: CallRecord, submitting: Submitting, attempt: Attempt, outcome: Outcome) -> None:
        """Apply the outcome of an attempt, unless the call ended because the client was closed."""
        function = submitting.function_id
        if record.ended:
            return
        match outcome:
            case Accepted():
                self._accepted(record, submitting, outcome)
            case Again(attempts, doubt):
                record.move(Event.REQUEUED, Queued(function, attempts, doubt) if attempts else self.queued(function))
                self._gate.admission.enqueue(function, record.number, record)
                self._report(record.number, function, outcome)
            case InDoubt():
                self._doubts.open(record, attempt, outcome)
            case GivenUp(attempts, AiocdfError() as doubt):
                record.uncertain(attempts, doubt)
            case GivenUp(error=None, posted=posted):
                record.drop(Event.CANCELLED if posted else Event.WITHDRAWN)
            case GivenUp(error=AiocdfError() as error) | Questioned(error):
                record.fail(Event.REFUSED, error)

    def _accepted(self, record: CallRecord, submitting: Submitting, outcome: Accepted) -> None:
        """Track a call that the service accepted."""
        call, response = outcome.call, outcome.response
        self._server_time.observe(
            call.start_time.timestamp(), sent_at=response.sent_at, received_at=response.received_at, resolution=0.001
        )
        self._known.accepted(call, response)
        running = record.accept(submitting, call, response.sent_at)
        if self._emit.listening:
            waited = response.received_at - record.created_at
            self._emit(CallAccepted(number=record.number, function_id=call.function_id, call_id=call.id, waited=waited))
        if not call.ended:
            record.expire_after(response.received_at)
        self._following.accepted(record, running, call)

    def _report(self, number: int, function: int, outcome: Again) -> None:
        """Report why a call went back into the queue: to observers each time, to the log from time to time."""
        error, now, breakers = outcome.error, _clock.monotonic(), self._gate.breakers
        self._patience.answered |= isinstance(error, ApiError)
        if isinstance(error, RateLimited) and outcome.cause is not None:
            self.throttle_cause = f"too many {outcome.cause.value}: {error.detail}"
            self._emit(CallsThrottled(number=number, function_id=function, cause=self.throttle_cause))
            why = f"The service answered 429 ({self.throttle_cause}). Schedules and other clients share the limits."
        else:
            since = breakers.project.since or breakers.breaker(function).since or now
            if not self._patience.answered and now - since < _WARN_UNREACHED_AFTER:
                return
            why = f"Requests have failed for {now - since:.0f} s; aiocdf retries {span(self._patience.seconds(error))}: {error}"
        if now - self._warned_at >= _WARN_EVERY:
            self._warned_at = now
            _log.warning(
                "%d calls wait, also of function %s. %s",
                self._gate.admission.queued,
                function,
                why,
                extra={"event": "calls_wait"},
            )

    async def _question(self, record: CallRecord, submitting: Submitting, error: ApiError) -> None:
        """Look up why the service refused a call, once per function: its messages are not documented."""
        self._patience.answered = True
        if record.ended:
            return
        name, function = record.function, submitting.function_id
        if name in self._questioned:
            self._questioned[name].append((record, submitting, error))
            return
        self._questioned[name] = [(record, submitting, error)]
        self._gate.hold(function)
        found: Function | AiocdfError | None = None
        try:
            found = await self._service.function(name)
        except AiocdfError as failure:
            found = failure
        finally:
            try:
                await self._rule(name, function, found)
            finally:
                self._gate.release(function)

    async def _rule(self, name: int | str, function: int, found: Function | AiocdfError | None) -> None:
        """End or move the calls of a function that refused calls.

        A function that was deployed again under the same external id has another id: its calls move there.
        """
        questioned = self._questioned.pop(name)
        queued = deque(record for record in self._gate.admission.waiting(function) if record.function == name)
        if isinstance(found, Function) and found.id != function and isinstance(name, str):
            self._resolver.learn(name, found.id)
            for record, submitting, _ in questioned:
                self._move(record, Event.REQUEUED, Queued(found.id, submitting.attempts, submitting.doubt))
            await in_slices(queued, partial(self._move_queued, to=found.id))
            return
        verdict = _verdict(name, found, questioned[0][2])
        for record, _, error in questioned:
            if not record.ended:
                record.fail(Event.REFUSED, verdict or error)
        if verdict is not None:
            await in_slices(queued, partial(self._give_up, error=verdict))

    def _move(self, record: CallRecord, event: Event, state: Queued) -> None:
        """Queue a call under another id, unless it was cancelled."""
        if record.ended:
            return
        if record.unwanted:
            record.drop(Event.CANCELLED)
        else:
            record.move(event, state)
            self._gate.admission.enqueue(state.function_id, record.number, record)

    def _move_queued(self, record: CallRecord, to: int) -> None:
        if isinstance(record.state, Queued) and record.case is None:
            self._gate.admission.withdraw(record.state.function_id, record.number)
            self._move(record, Event.MOVED, Queued(to, record.state.attempts, record.state.doubt))

    def _give_up(self, record: CallRecord, error: AiocdfError) -> None:
        """End a queued call, which never started, or may have been started by an earlier attempt."""
        match record.state:
            case Queued(function, attempts, doubt):
                self._gate.admission.withdraw(function, record.number)
                if doubt is None:
                    record.fail(Event.REFUSED, error)
                else:
                    record.uncertain(attempts, doubt)

    async def _end_all(self, error: AiocdfError) -> None:
        """End all queued calls: a permanent error such as a wrong secret would be the same for each."""
        admission = self._gate.admission
        queued = deque(record for function in admission.functions for record in admission.waiting(function))
        await in_slices(queued, partial(self._give_up, error=error))

    async def expire(self) -> None:
        """End the calls whose patience with trouble is over."""
        expired = self._gate.expired(_clock.monotonic(), self._patience.seconds)
        if expired:
            await in_slices(deque(expired), lambda each: self._give_up(each[0], _waited_out(*each)))


def _waited_out(record: CallRecord, seconds: float, error: AiocdfError) -> AiocdfError:
    return endings.waited_out(f"{record.which} was not started", seconds, error)


def _verdict(name: int | str, found: Function | AiocdfError | None, error: ApiError) -> AiocdfError | None:
    """Return the error for all calls of a function; None if the cause may be in a single call."""
    if isinstance(found, ApiError) and found.missing:
        return found
    if isinstance(found, Function) and found.status is not FunctionStatus.Ready:
        return endings.not_ready(repr(name) if isinstance(name, str) else str(name), found, error)
    return None
