"""Starts queued calls: asks admission which one, gets it a nonce, sends its POST, and reads what became of it."""

from __future__ import annotations

import asyncio
import logging
import math
from typing import TYPE_CHECKING, Protocol

from aiocdf import _clock
from aiocdf._engine.record import CallRecord, Stage
from aiocdf._policy import retrying
from aiocdf._policy.throttling import LONGEST_PAUSE, Cause, cause_of
from aiocdf.errors import (
    AiocdfError,
    ApiError,
    BadRequest,
    ConnectError,
    DecodeError,
    NotFound,
    ProtocolError,
    RateLimited,
    ServerError,
    SubmissionUncertain,
    TransportTimeout,
)
from aiocdf.telemetry import CallsThrottled

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf._engine.nonces import Nonces
    from aiocdf._engine.tasks import Tasks
    from aiocdf._policy.admission import Admission
    from aiocdf._wire.http import Response
    from aiocdf.config import Settings
    from aiocdf.models.calls import FunctionCall
    from aiocdf.resources.calls import Calls
    from aiocdf.secret import Secret
    from aiocdf.telemetry import Event

__all__ = ["Submitter"]

_log = logging.getLogger("aiocdf.engine")

_BACKSTOP = 2.0
_AHEAD = 0.25
_WARN_EVERY = 30.0
# A loop may call a timer a clock tick too early, when the window it waits for is still closed.
_TICK = 1e-6


class _Engine(Protocol):
    """The engine, as far as the submitter needs it."""

    def started(self, record: CallRecord, call: FunctionCall, response: Response) -> None:
        """Take over a call that the service accepted."""

    async def refused(self, record: CallRecord, error: ApiError) -> None:
        """Find out why the service refused a call, and end it or queue it again."""


class Submitter:
    """Keeps as many calls running as the service lets us, with a few workers.

    Args:
        engine: Who is told.
        admission: What decides.
        calls: The resource.
        nonces: Where nonces come from.
        settings: How many workers, and how patient.
        tasks: What the workers run in.
        emit: Told when the service turns calls away.
    """

    def __init__(  # one argument a collaborator
        self,
        engine: _Engine,
        *,
        admission: Admission[CallRecord],
        calls: Calls,
        nonces: Nonces,
        settings: Settings,
        tasks: Tasks,
        emit: Callable[[Event], None],
    ) -> None:
        self._engine = engine
        self._admission = admission
        self._calls = calls
        self._nonces = nonces
        self._settings = settings
        self._tasks = tasks
        self._emit = emit
        self._workers = 0
        self._waking = False
        self._closed = False
        self._ends = 0.0
        self._paused_until = 0.0
        self._backstop: asyncio.TimerHandle | None = None
        self._warned_at = float("-inf")
        self.throttle_cause: str | None = None

    def enqueue(self, record: CallRecord) -> None:
        """Queue a call whose function's id is known."""
        assert record.function_id is not None  # noqa: S101 - for the type checker
        record.stage = Stage.QUEUED
        self._admission.enqueue(record.function_id, record.number, record)
        self.wake()

    def wake(self) -> None:
        """Look for calls that may start, as soon as the loop comes round: many reasons at once make one look."""
        if not self._waking:
            self._waking = True
            self._tasks.soon(self._look)

    def expect(self, ends: float) -> None:
        """Have nonces in hand for the queued calls whose turn comes soon.

        Args:
            ends: Running calls a second that are expected to end, each of which lets another start.
        """
        self._ends = ends
        self.wake()

    def close(self) -> None:
        """Start nothing any more."""
        self._closed = True
        if self._backstop is not None:
            self._backstop.cancel()

    def _look(self) -> None:
        """Give work to idle workers, and have nonces made for them and for those that come soon."""
        self._waking = False
        if self._closed:
            return
        given = 0
        while self._workers < self._settings.max_concurrent_submissions and (record := self._next()) is not None:
            self._workers += 1
            given += 1
            self._tasks.spawn(self._work(record))
        soon = math.ceil(self._ends * _AHEAD)
        if self._workers == self._settings.max_concurrent_submissions:
            soon += self._admission.startable(self._workers)
        if not self._paused(_clock.monotonic()):
            # The workers take theirs when they come round: from what is in hand, which is to last for others too.
            self._nonces.prepare(given + min(soon, self._settings.max_concurrent_submissions, self._admission.queued))
        self._arm_backstop()

    def _next(self) -> CallRecord | None:
        now = _clock.monotonic()
        record = None if self._paused(now) else self._admission.admit(now)
        if record is not None:
            record.stage = Stage.SUBMITTING
        return record

    def _arm_backstop(self) -> None:
        """Look again when a window opens by itself: others share the limits, and their calls end unseen."""
        now = _clock.monotonic()
        when = self._admission.reopens_at(now)
        if self._paused(now) and self._admission.queued:
            when = self._paused_until
        if self._backstop is not None:
            self._backstop.cancel()
        self._backstop = None if when is None else self._tasks.at(when + _TICK, self.wake)

    def _paused(self, now: float) -> bool:
        return now < self._paused_until

    async def _work(self, record: CallRecord) -> None:
        """Submit one call after the other until none may start."""
        following: CallRecord | None = record
        try:
            while following is not None:
                self.wake()
                await self._submit(following)
                following = self._next()
        except asyncio.CancelledError:
            self.close()  # only the end of the client, or of its loop, cancels us
            raise
        except Exception as error:
            # A fault of ours must not leave a handle waiting for ever.
            if following is not None:
                self._drop(following, AiocdfError(f"{following.which} ended by a fault of aiocdf: {error!r}"))
            raise
        finally:
            self._workers -= 1
            self.wake()

    async def _submit(self, record: CallRecord) -> None:
        """Make attempts until the call has started, or failed, or is back in the queue."""
        while (nonce := await self._nonce(record)) is not None:
            record.attempts += 1
            wait = await self._attempt(record, nonce)
            if wait is None:
                return
            await _clock.sleep(wait)

    async def _nonce(self, record: CallRecord) -> Secret | None:
        """Return a nonce for the next attempt; None if there is none, or nobody wants the call any more."""
        assert record.function_id is not None  # noqa: S101 - it could not have been queued
        try:
            nonce = await self._nonces.fresh() if record.nonce is None else record.nonce
        except RateLimited as error:
            self._turned_away(record, error, Cause.RATE)
        except AiocdfError as error:
            self._drop(record, error)
        else:
            if not record.abandoned:
                return nonce
            self._admission.put_back(record.function_id)
            record.withdrawn()
        return None

    async def _attempt(self, record: CallRecord, nonce: Secret) -> float | None:
        """Send the POST once; return the seconds until another attempt, None if there is none to be made."""
        assert record.function_id is not None  # noqa: S101 - it could not have been queued
        try:
            call, response = await self._calls.start(record.function_id, record.data, nonce)
        except RateLimited as error:
            function_use, project_use = self._admission.use(record.function_id)
            cause = cause_of(error.detail, function_use=function_use, project_use=project_use)
            self._turned_away(record, error, cause)
            return None
        except AiocdfError as error:
            return await self._failed(record, error)
        self._engine.started(record, call, response)
        return None

    async def _failed(self, record: CallRecord, error: AiocdfError) -> float | None:
        """Return the seconds until another attempt; or give up, after a look at why if the service refused."""
        wait, function = self._wait(record, error), record.function_id
        if wait is None and isinstance(error, BadRequest | NotFound) and function is not None:
            await self._engine.refused(record, error)
            self._admission.put_back(function)
        elif wait is None:
            self._drop(record, _uncertain(record, error) if _ambiguous(error) else error)
        return wait

    def _wait(self, record: CallRecord, error: AiocdfError) -> float | None:
        """Return how long to wait before another attempt, or None to give up."""
        retry = self._settings.retrying
        unstarted = isinstance(error, ConnectError | ServerError) or _nonce_died(record, error)
        return retrying.delay(
            retrying.Outcome(
                attempt=record.attempts,
                repeatable=record.repeatable,
                retryable=record.repeatable if _ambiguous(error) else unstarted,
                retry_after=error.retry_after if isinstance(error, ApiError) else None,
            ),
            attempts=retry.attempts,
            base=retry.base,
            cap=retry.cap,
            jitter=_clock.jitter(0.0, 1.0),
        )

    def _drop(self, record: CallRecord, error: AiocdfError) -> None:
        """End a call that did not start, or that we cannot follow."""
        assert record.function_id is not None  # noqa: S101 - it could not have been queued
        self._admission.put_back(record.function_id)
        record.fail(error)

    def _turned_away(self, record: CallRecord, error: RateLimited, cause: Cause) -> None:
        """Queue the call again in its old place: 429 is no failure of the call."""
        assert record.function_id is not None  # noqa: S101
        function, now = record.function_id, _clock.monotonic()
        reopen = now + min((error.retry_after or _BACKSTOP) * _clock.jitter(1.0, 1.5), LONGEST_PAUSE)
        if cause is Cause.RATE:
            self._admission.put_back(function)
            self._paused_until = max(self._paused_until, reopen)
        else:
            self._admission.turned_away(function, now, whole_project=cause is Cause.PROJECT, reopen=reopen)
        record.attempts = 0
        self._report(function, cause, now, error)
        if record.abandoned:
            record.withdrawn()
        else:
            self.enqueue(record)

    def _report(self, function: int, cause: Cause, now: float, error: RateLimited) -> None:
        """Tell of the throttling, in the log not more than twice a minute."""
        self.throttle_cause = f"too many {cause.value}: {error.detail}"
        self._emit(CallsThrottled(function_id=function, cause=self.throttle_cause))
        if now - self._warned_at < _WARN_EVERY:
            return
        self._warned_at = now
        _log.warning(
            "function %s: the service turned a call away (%s). It stays queued, with %d others; "
            "schedules and other clients share the limits.",
            function,
            self.throttle_cause,
            self._admission.queued,
        )


def _ambiguous(error: AiocdfError) -> bool:
    """Tell whether a POST that ended so may have started the call all the same."""
    if isinstance(error, ServerError):
        return not error.retryable
    return isinstance(error, TransportTimeout | ProtocolError | DecodeError)


def _uncertain(record: CallRecord, error: AiocdfError) -> SubmissionUncertain:
    again = (
        f"It was sent {record.attempts} times. Look for it among the function's calls."
        if record.repeatable
        else "It was not sent again because it could run twice. Look for it among the function's calls, or pass "
        "retry=True if the function may run twice."
    )
    uncertain = SubmissionUncertain(f"{record.which} may or may not have started: {error} {again}")
    uncertain.__cause__ = error
    return uncertain


def _nonce_died(record: CallRecord, error: AiocdfError) -> bool:
    """Tell whether the service refused our nonce: the call has not started, and a new nonce may do."""
    return record.nonce is None and isinstance(error, BadRequest) and "nonce" in error.detail.lower()
