"""Recovery: whether a POST without a usable answer started its call, from what the service says later.

The service gives two signs. The session of the POST is READY until its nonce is bound, and ACTIVE after that. A nonce
is bound before its call starts. And the list of a function's calls has the start time of each call. Neither sign links
a call to a session, so recovery finds a started call by its start time:

- **A window.** The call started after its POST was sent, and after the session was last seen READY. It started before
  the session was seen ACTIVE, plus the time that a POST takes. Windows are in the service's time, and their ends
  include the uncertainty of its clock.
- **Unknown calls.** Calls that this client knows and calls of schedules are excluded.
- **One assignment.** Each submission that started has one call. A call is adopted only if every possible assignment
  gives it to the same submission. The unknown calls may include calls of other clients, which need no submission.

If the call did not start, the same nonce is sent again while it is fresh. A nonce starts one call, so the old POST and
the new one cannot both start it. First the session must stay READY for some seconds after the POST failed, twice as
long as POSTs take, so that a POST that is still under way can arrive. Later, a new session is safe once the old nonce
has expired.

If the signs allow more than one conclusion, the result is uncertain. A wrong conclusion would be worse.
"""

from __future__ import annotations

import math
from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from aiocdf.models.sessions import SessionStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from aiocdf.errors import AiocdfError
    from aiocdf.models.calls import FunctionCall
    from aiocdf.secret import Secret

__all__ = [
    "DEAD",
    "FRESH",
    "Case",
    "Decision",
    "Listing",
    "Need",
    "NotStarted",
    "Resend",
    "Started",
    "Uncertain",
    "assign",
    "decide",
    "need",
]

# Seconds after a POST failed in which it may still be under way: this many times the longest recent POST, within bounds.
_SETTLING_FACTOR, _LEAST_SETTLING, _MOST_SETTLING = 2.0, 1.0, 5.0
#: Ages of a nonce in seconds: up to FRESH it may be sent, from DEAD on it has surely expired. It lives about a minute.
FRESH, DEAD = 40.0, 120.0
# Seconds from the start of a call until the list of calls shows it for certain.
_VISIBLE = 1.0
# How often the list is read for a call that must be in it.
_LISTS = 4
# Seconds that an ambiguous case waits for the outcomes of other POSTs of the function.
_OTHERS = 10.0
# Seconds until a failed request is sent again: the first gap, doubling up to the last.
_FIRST_GAP, _LAST_GAP = 0.1, 15.0


class Need(StrEnum):
    """What to request next."""

    SESSION = "session"
    CALLS = "calls"


@attrs.frozen
class Resend:
    """The call has not started: the same nonce may be sent again."""


@attrs.frozen
class NotStarted:
    """The call has not started, and never will."""


@attrs.frozen
class Started:
    """This is the call."""

    call: FunctionCall


@attrs.frozen
class Uncertain:
    """It is unknown whether the call started; it may be one of the candidates."""

    candidates: tuple[FunctionCall, ...]
    reason: str


Decision = Resend | NotStarted | Started | Uncertain


@attrs.frozen
class Listing:
    """The calls of a function that started in a time span, as the service listed them."""

    asked_at: float
    calls: tuple[FunctionCall, ...]


@attrs.define(kw_only=True, eq=False)
class Case:
    """A submission in doubt, and the facts about it. Times are of this client's clock unless stated."""

    function_id: int
    #: How the last POST ended.
    error: AiocdfError
    #: None if the session is unknown or not readable.
    session_id: int | None
    #: None if it must not be sent again.
    nonce: Secret | None = attrs.field(repr=False)
    #: When the nonce was requested and when it was received: the service made it in between.
    made_at: float
    made_by: float
    #: When the first POST was sent, or earlier; when the last one failed; when recovery began.
    sent_at: float
    failed_at: float
    since: float
    #: The longest time in seconds that a POST takes.
    post: float
    #: The earliest and latest possible start of the call, in the service's time.
    begun: float
    by: float = math.inf
    #: Why a later POST was refused: the call must not be sent again. None if none was.
    refusal: AiocdfError | None = None
    #: When the session was last requested and READY, and when it was first seen ACTIVE.
    ready_at: float | None = None
    active_at: float | None = None
    #: How many lists did not have the call.
    lists: int = 0
    #: How many requests in a row failed, and when the next may be sent.
    failures: int = 0
    retry_at: float = -math.inf
    #: No handle waits for the outcome.
    closed: bool = False

    @property
    def dead_at(self) -> float:
        """When the nonce has surely expired."""
        return self.made_by + DEAD

    @property
    def settled_at(self) -> float:
        """When a POST that was still under way has arrived for certain."""
        return self.failed_at + min(max(_LEAST_SETTLING, _SETTLING_FACTOR * self.post), _MOST_SETTLING)

    def looked(
        self,
        status: SessionStatus | None,
        asked_at: float,
        answered_at: float,
        clock: tuple[float, float],
    ) -> None:
        """Record the status of the session.

        Args:
            status: None if the service does not know the session.
            asked_at: When it was requested.
            answered_at: When the answer was received.
            clock: The bounds of the service's clock minus this client's, in seconds.
        """
        self.failures = 0
        self.timed(clock)
        if status == SessionStatus.READY:
            self.ready_at = asked_at
            self.begun = max(self.begun, asked_at + clock[0])
        elif status == SessionStatus.ACTIVE:
            self.active_at = answered_at if self.active_at is None else self.active_at
            # The nonce was bound before, and the call has its start time within a POST of that.
            self.by = min(self.by, min(answered_at + self.post, self.dead_at) + clock[1])
        else:
            self.unreadable(clock)

    def unreadable(self, clock: tuple[float, float]) -> None:
        """Record that the session is not readable: only the list of calls can decide."""
        self.session_id, self.failures = None, 0
        self.timed(clock)

    def timed(self, clock: tuple[float, float]) -> None:
        """Set the bounds of the start that were unknown for lack of the service's clock."""
        if self.begun == -math.inf:
            self.begun = self.sent_at + clock[0]
        if self.by == math.inf and self.session_id is None:
            self.by = self.dead_at + clock[1]

    def failed(self, now: float) -> None:
        """Record that a request for this case failed."""
        self.retry_at = now + min(_FIRST_GAP * 2.0 ** min(self.failures, 10), _LAST_GAP)
        self.failures += 1

    def resendable(self, when: float) -> bool:
        """Return whether the same nonce may be sent at *when*."""
        return self.nonce is not None and self.refusal is None and when - self.made_at <= FRESH

    def owns(self, call: FunctionCall) -> bool:
        """Return whether *call* may belong to this submission, by its start time, which is in whole milliseconds."""
        start = call.start_time.timestamp()
        return call.schedule_id is None and self.begun <= start + 0.001 and start <= self.by


def need(case: Case) -> tuple[Need, float]:
    """Return what to request next for a case, and when."""
    if case.active_at is not None:
        return Need.CALLS, max(case.retry_at, case.active_at + _VISIBLE * 2.0**case.lists)
    if case.session_id is None:
        soon = case.settled_at if case.lists == 0 else math.inf
        return Need.CALLS, max(case.retry_at, min(soon, case.dead_at + _VISIBLE))
    if case.ready_at is None or case.ready_at < case.failed_at:
        when = case.failed_at
    elif case.ready_at < case.settled_at and case.resendable(case.settled_at):
        when = case.settled_at
    else:
        when = max(case.settled_at, case.dead_at)
    return Need.SESSION, max(case.retry_at, when)


def decide(case: Case, now: float, *, patience: float) -> Decision | None:
    """Decide by the session alone; None if it does not decide.

    Args:
        case: The case.
        now: The time.
        patience: Seconds after which recovery gives up.
    """
    ready = case.ready_at if case.active_at is None and case.session_id is not None else None
    if ready is not None and ready >= case.settled_at:
        if ready >= case.dead_at:
            return NotStarted()
        if case.resendable(now):
            return Resend()
    if now - case.since >= max(patience, DEAD + _MOST_SETTLING + _OTHERS):
        return Uncertain((), f"the service did not show it within {now - case.since:.0f} s")
    return None


def assign(
    cases: Sequence[Case], listing: Listing, known: Collection[int], now: float, *, waits: bool
) -> dict[Case, Decision]:
    """Decide by the list of calls.

    Args:
        cases: The cases of one function, whose windows the list covers.
        listing: The list.
        known: Ids of calls that belong to others.
        now: The time.
        waits: Other POSTs of the function are under way or in doubt, and may own some of the calls.

    Returns:
        The decided cases; the others need another request.
    """
    unknown = [call for call in listing.calls if call.id not in known]
    options = {case: [call for call in unknown if case.owns(call)] for case in cases}
    decided: dict[Case, Decision] = {
        case: decision
        for case in cases
        if (decision := _by_absence(case, listing, options[case])) is not None
        and not (options[case] and waits and now - case.settled_at < _OTHERS)
    }
    started = {case: calls for case, calls in options.items() if case.active_at is not None and calls}
    forced = _forced({case: [call.id for call in calls] for case, calls in started.items()})
    for case, calls in started.items():
        if case in forced:
            decided[case] = Started(next(call for call in calls if call.id == forced[case]))
        elif not waits or now - (case.active_at or now) >= _OTHERS:
            decided[case] = Uncertain(
                tuple(calls), f"{len(calls)} calls started at the same time, and any may be this one"
            )
    return decided


def _by_absence(case: Case, listing: Listing, calls: Sequence[FunctionCall]) -> Decision | None:
    """Decide a case whose call is not in the list, or whose session is not readable."""
    if case.active_at is not None:
        if calls or case.lists + 1 < _LISTS:
            return None
        return Uncertain((), "it has started, but the function's calls do not show it")
    if calls:
        return Uncertain(
            tuple(calls), "the session is not readable, and calls of others may have started at the same time"
        )
    return NotStarted() if listing.asked_at >= case.dead_at + _VISIBLE else None


def _forced(options: dict[Case, list[int]]) -> dict[Case, int]:
    """Return the cases that have the same call in every assignment of calls to cases.

    Augmenting paths find one assignment. A case is forced if no path leads to an assignment that gives it another call.
    """
    owners: dict[int, Case] = {}
    if not all(_augment(case, options, owners, set()) for case in options):
        return {}
    return {case: call for call, case in owners.items() if not _alternative(case, call, options, owners)}


def _alternative(case: Case, call: int, options: dict[Case, list[int]], owners: dict[int, Case]) -> bool:
    """Return whether an assignment exists in which *call* does not belong to *case*."""
    others = {case: [other for other in options[case] if other != call]}
    return _augment(case, options | others, {other: owner for other, owner in owners.items() if other != call}, set())


def _augment(case: Case, options: dict[Case, list[int]], owners: dict[int, Case], tried: set[int]) -> bool:
    """Give *case* a call, and move other cases to other calls if needed; return whether that worked."""
    for call in options[case]:
        if call not in tried:
            tried.add(call)
            owner = owners.get(call)
            if owner is None or _augment(owner, options, owners, tried):
                owners[call] = case
                return True
    return False
