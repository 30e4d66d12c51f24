"""One attempt to start a call: gets a nonce, sends a POST, and returns what follows."""

from __future__ import annotations

import asyncio
import math
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock
from aiocdf._engine.nonces import Nonce
from aiocdf._engine.tasks import AFTER_CANCEL
from aiocdf._policy.submission import Next, Step, Verdict, follows, judge, spends
from aiocdf._wire.endings import bug
from aiocdf.errors import (
    AiocdfError,
    AuthError,
    BadRequest,
    ConnectError,
    NotFound,
    ProtocolError,
    RateLimited,
    TransportTimeout,
)
from aiocdf.telemetry import CallPosted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from aiocdf._engine.nonces import Nonces
    from aiocdf._engine.service import Service
    from aiocdf._policy.answer_times import AnswerTimes
    from aiocdf._policy.gate import Gate
    from aiocdf._policy.recovery import Case
    from aiocdf._policy.throttling import Cause
    from aiocdf._wire.http import Response
    from aiocdf.models.calls import FunctionCall
    from aiocdf.secret import Secret
    from aiocdf.telemetry.observers import Observers

__all__ = ["Accepted", "Again", "Attempt", "GivenUp", "InDoubt", "Outcome", "Questioned", "Submitter"]


@attrs.define(kw_only=True, eq=False)
class Attempt:
    """One attempt, and its progress."""

    number: int
    function_id: int
    #: The call's data as JSON text.
    data: bytes
    #: The nonce that the caller gave; None if it gave none.
    own_nonce: Secret | None
    #: The function may run twice without harm.
    repeatable: bool
    #: The number of earlier POSTs that spent a nonce.
    attempts: int
    #: Why an earlier POST may have started the call.
    doubt: AiocdfError | None
    #: The facts about an earlier POST that may have started the call, whose nonce is sent again.
    case: Case | None = None
    #: Awaited before the POST, with the id of its session.
    before_post: Callable[[int | None], Awaitable[None]] | None = None
    #: Returns whether the call may still start: no handle cancelled it.
    wanted: Callable[[], bool]
    #: The nonce that this attempt sends.
    nonce: Nonce | None = None
    step: Step = Step.SESSION
    #: When this step began.
    sent_at: float = attrs.field(factory=_clock.monotonic)


@attrs.frozen
class Accepted:
    """The service accepted the call."""

    call: FunctionCall
    response: Response


@attrs.frozen
class Again:
    """The call goes back into the queue."""

    attempts: int
    doubt: AiocdfError | None
    #: The cause: trouble, or a temporary refusal.
    error: AiocdfError
    #: For a 429, which limit was exceeded.
    cause: Cause | None = None


@attrs.frozen
class Questioned:
    """The service refused the call, and the cause may be the function."""

    error: BadRequest | NotFound


@attrs.frozen
class InDoubt:
    """The POST may have started the call, so recovery has to decide. The call keeps its place."""

    attempts: int
    #: How the POST ended; None if the nonce of an earlier POST is too old to be sent again.
    error: AiocdfError | None
    #: The earliest time of the first request.
    not_before: float = -math.inf


@attrs.frozen
class GivenUp:
    """The call ends here: in doubt after the maximum number of POSTs, refused, or cancelled."""

    attempts: int
    doubt: AiocdfError | None
    #: The cause; None for a call that was cancelled.
    error: AiocdfError | None
    #: Whether this attempt sent a POST.
    posted: bool


Outcome = Accepted | Again | InDoubt | Questioned | GivenUp


class Submitter:
    """Makes attempts, of which many may run at once, and reports each outcome to the gate.

    Args:
        service: Starts the calls.
        nonces: Makes the nonces.
        gate: Receives the outcomes.
        posts: Sets the time limit of a POST.
        attempts: The maximum number of POSTs for a call that may itself be the cause of their failures.
        emit: Receives an event for each POST.
    """

    def __init__(
        self,
        service: Service,
        nonces: Nonces,
        gate: Gate[Any],
        posts: AnswerTimes,
        *,
        attempts: int,
        emit: Observers,
    ) -> None:
        self._service = service
        self._nonces = nonces
        self._gate = gate
        self._posts = posts
        self._attempts = attempts
        self._emit = emit
        #: By function, the event for which a POST waits: the end of another POST.
        self._answered: dict[int, asyncio.Event] = {}

    async def submit(self, attempt: Attempt) -> Outcome:
        """Get a nonce, send the POST once, and return what follows."""
        try:
            if attempt.case is not None and not attempt.case.resendable(_clock.monotonic()):
                return InDoubt(attempt.attempts, None)
            attempt.nonce = nonce = await self._nonce(attempt)
            failure = await self._prepare(attempt, nonce)
            await self._keep_apart(attempt.function_id)
            if failure is not None or not attempt.wanted():
                self._give_back(attempt, nonce)
                self._gate.admission.put_back(attempt.function_id)
                return GivenUp(attempt.attempts, attempt.doubt, failure, posted=False)
            attempt.step, attempt.sent_at = Step.POST, _clock.monotonic()
            self._gate.spacing.sends(attempt.function_id, attempt.sent_at)
            return await self._post(attempt, nonce)
        except AiocdfError as error:
            return self._failed(attempt, error, judge(error, attempt.step))
        finally:
            self._gate.spacing.ended(attempt.function_id, attempt.sent_at if attempt.step is Step.POST else None)
            self._gate.breakers.done(attempt.function_id)
            if (waiting := self._answered.pop(attempt.function_id, None)) is not None:
                waiting.set()

    def cut_short(self, attempt: Attempt, error: BaseException) -> Outcome:
        """Return what follows from an attempt that a bug or a stray cancellation interrupted."""
        now, not_before = _clock.monotonic(), -math.inf
        if isinstance(error, asyncio.CancelledError):
            cause: AiocdfError = ProtocolError("the task that submitted it was cancelled")
            self._gate.breakers.project.pause(cause, now, AFTER_CANCEL)
            verdict, not_before = Verdict.TROUBLE, now + AFTER_CANCEL
        else:
            cause, verdict = bug(error), Verdict.REFUSED
        outcome = self._placed(
            attempt, self._next(attempt, cause, Verdict.DOUBT if attempt.step is Step.POST else verdict)
        )
        return attrs.evolve(outcome, not_before=not_before) if isinstance(outcome, InDoubt) else outcome

    async def _nonce(self, attempt: Attempt) -> Nonce:
        if attempt.own_nonce is not None:
            return Nonce(attempt.own_nonce, attempt.sent_at, attempt.sent_at)
        case = attempt.case
        if case is not None and case.nonce is not None:
            return Nonce(case.nonce, case.made_at, case.made_by, case.session_id)
        return await self._nonces.fresh()

    async def _prepare(self, attempt: Attempt, nonce: Nonce) -> AiocdfError | None:
        """Await the caller's `before_post`; return its error, which ends the call."""
        if attempt.before_post is not None and attempt.wanted():
            try:
                await attempt.before_post(nonce.session_id)
            except Exception as error:  # noqa: BLE001 - the caller's code may raise anything
                failure = error if isinstance(error, AiocdfError) else AiocdfError(f"not sent: {error!r}")
                failure.__cause__ = failure.__cause__ if failure is error else error
                return failure
        return None

    async def _keep_apart(self, function: int) -> None:
        """Wait until the POST of another call of the function has certainly started that call."""
        while (wait := self._gate.spacing.wait(function, _clock.monotonic())) > 0.0:
            answered = self._answered.setdefault(function, asyncio.Event())
            with suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await answered.wait()

    def _give_back(self, attempt: Attempt, nonce: Nonce) -> None:
        """Put an unspent nonce back into the stock, unless the caller gave it or a case needs it."""
        if attempt.own_nonce is None and attempt.case is None:
            self._nonces.give_back(nonce)

    async def _post(self, attempt: Attempt, nonce: Nonce) -> Outcome:
        if self._emit.listening:
            self._emit(CallPosted(number=attempt.number, function_id=attempt.function_id))
        within = self._posts.limit(len(attempt.data))
        try:
            call, response = await self._service.start(attempt.function_id, attempt.data, nonce.secret, within=within)
        except (RateLimited, ConnectError):
            self._give_back(attempt, nonce)
            raise
        except TransportTimeout:
            self._posts.unanswered()
            raise
        self._posts.answered(response.received_at - response.sent_at)
        self._gate.accepted(attempt.function_id, _clock.monotonic(), attempt.sent_at)
        return Accepted(call, response)

    def _failed(self, attempt: Attempt, error: AiocdfError, verdict: Verdict) -> Outcome:
        """Report a failed attempt to the gate, and return what follows."""
        gate, function, now = self._gate, attempt.function_id, _clock.monotonic()
        if isinstance(error, RateLimited):
            if attempt.step is Step.POST:
                jitter = _clock.jitter(1.0, 1.2)
                cause = gate.turned_away(function, error, now, attempt.sent_at, jitter=jitter)
            else:
                cause = gate.too_fast(function, error, now, attempt.sent_at)
            return self._next(attempt, error, verdict, cause)
        jitter = _clock.jitter(0.9, 1.1)
        in_doubt = verdict is Verdict.DOUBT
        if attempt.step is Step.SESSION or isinstance(error, AuthError | ConnectError):
            if verdict is Verdict.TROUBLE:
                gate.breakers.way_failed(error, now, attempt.sent_at, jitter=jitter)
        elif verdict is Verdict.TROUBLE or in_doubt:
            gate.breakers.post_failed(function, error, now, attempt.sent_at, in_doubt=in_doubt, jitter=jitter)
        else:
            gate.answered(function, now, attempt.sent_at)
        return self._placed(attempt, self._next(attempt, error, verdict))

    def _placed(self, attempt: Attempt, outcome: Outcome) -> Outcome:
        """Free the place of a call that did not start; a call that may have started keeps it."""
        if not isinstance(outcome, InDoubt):
            self._gate.admission.put_back(attempt.function_id)
        return outcome

    def _next(self, attempt: Attempt, error: AiocdfError, verdict: Verdict, cause: Cause | None = None) -> Outcome:
        """Return what follows; a doubt from an earlier attempt stays."""
        posted = attempt.step is Step.POST
        attempts = attempt.attempts + (posted and spends(verdict, error))
        doubt = error if verdict is Verdict.DOUBT else attempt.doubt
        following = follows(
            verdict,
            error,
            attempts=attempts,
            most=self._attempts,
            repeatable=attempt.repeatable,
            own_nonce=attempt.own_nonce is not None,
            in_doubt=attempt.case is not None,
        )
        if following is Next.AGAIN and attempt.wanted():
            return Again(attempts, doubt, error, cause)
        if following is Next.RECOVER and attempt.wanted():
            return InDoubt(attempts, error)
        if (
            doubt is None
            and verdict is Verdict.REFUSED
            and attempt.step is Step.POST
            and isinstance(error, BadRequest | NotFound)
        ):
            return Questioned(error)
        return GivenUp(attempts, doubt, None if following is Next.AGAIN else error, posted=posted)
