"""Recovery: whether a POST without a usable answer started its call, from what the service says afterwards.

The service gives two signs. The session of the POST is READY until its nonce is bound, and ACTIVE from then on, and a nonce is
bound before its call starts. And the list of a function's calls has a start time for each. Neither says which call belongs to
which session, so a started call is found by its start time:

- **A window.** The call started after its POST was sent, and after the session was last seen READY. It started before the
  session was seen ACTIVE, give or take the time that a POST takes. Windows are in the service's time. Their ends carry the
  uncertainty of its clock.
- **Unknown calls.** Calls that this client knows, and calls of schedules, belong to others.
- **One assignment.** Each submission that started has one call. A call is adopted only if it stands beside the same submission
  in every assignment that fits. Calls of other clients may be among the unknown ones, and need no submission.

A call that did not start is sent again with the same nonce, if that is fresh. A nonce is good for one call, so the
old POST and the new one cannot both start it. Before that the session must be READY for some seconds after the POST
failed, in which a POST that is still under way arrives: twice as long as POSTs take. Later, a new session is safe once the old nonce is surely dead.

What cannot be told is said to be uncertain. A wrong answer is worse.
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

# Seconds after a POST failed in which it may still be under way: so many times the longest POST of late, and between these.
_SETTLING_FACTOR, _LEAST_SETTLING, _MOST_SETTLING = 2.0, 1.0, 5.0
#: Seconds of a nonce's age up to which it may be sent, and from which it is surely dead: the service gives it about a minute.
FRESH, DEAD = 40.0, 120.0
# Seconds from a call's start until the list of calls surely shows it.
_VISIBLE = 1.0
# So often the list is asked for a call that must be there.
_LISTS = 4
# Seconds that an ambiguous case waits for what becomes of other POSTs of the function.
_OTHERS = 10.0
# Seconds until a request is sent again that failed: doubling from the first to the last.
_FIRST_GAP, _LAST_GAP = 0.1, 15.0


class Need(StrEnum):
    """What has to be asked next."""

    SESSION = "session"
    CALLS = "calls"


@attrs.frozen
class Resend:
    """The call has not started: the same nonce may be sent again."""


@attrs.frozen
class NotStarted:
    """The call has not started, and cannot start any more."""


@attrs.frozen
class Started:
    """This is the call."""

    call: FunctionCall


@attrs.frozen
class Uncertain:
    """It cannot be told; the call may be one of these."""

    candidates: tuple[FunctionCall, ...]
    reason: str


Decision = Resend | NotStarted | Started | Uncertain


@attrs.frozen
class Listing:
    """The calls of a function that started in some time, as the service listed them."""

    asked_at: float
    calls: tuple[FunctionCall, ...]


@attrs.define(kw_only=True, eq=False)
class Case:
    """A submission in doubt, and what is known of it. Times are ours, unless they say otherwise."""

    function_id: int
    #: How the last POST ended.
    error: AiocdfError
    #: None where the session is not known or cannot be read.
    session_id: int | None
    #: None where it cannot be sent again.
    nonce: Secret | None = attrs.field(repr=False)
    #: When the nonce was asked for, and when it was there: it was made in between.
    made_at: float
    made_by: float
    #: When the first POST was sent, or before; when the last one failed; since when the service is asked.
    sent_at: float
    failed_at: float
    since: float
    #: Seconds that a POST takes at most.
    post: float
    #: The service's time before which the call cannot have started, and after which it cannot have.
    begun: float
    by: float = math.inf
    #: A later POST was refused: the call is not to be sent again.
    refusal: AiocdfError | None = None
    #: When the session was last asked for and READY, and when it was first seen ACTIVE.
    ready_at: float | None = None
    active_at: float | None = None
    #: Lists without the call.
    lists: int = 0
    #: Requests in a row that failed, and when the next may be sent.
    failures: int = 0
    retry_at: float = -math.inf
    #: Nobody waits for the outcome any more.
    closed: bool = False

    @property
    def dead_at(self) -> float:
        """When the nonce is surely dead."""
        return self.made_by + DEAD

    @property
    def settled_at(self) -> float:
        """When a POST that was still under way has arrived."""
        return self.failed_at + min(max(_LEAST_SETTLING, _SETTLING_FACTOR * self.post), _MOST_SETTLING)

    def looked(
        self,
        status: SessionStatus | None,
        asked_at: float,
        answered_at: float,
        clock: tuple[float, float],
    ) -> None:
        """Note the status of the session.

        Args:
            status: None where the service does not know the session.
            asked_at: When it was asked for.
            answered_at: When the answer was there.
            clock: The bounds of the service's clock minus ours.
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
        """Note that the session cannot be read: the list of calls has to do."""
        self.session_id, self.failures = None, 0
        self.timed(clock)

    def timed(self, clock: tuple[float, float]) -> None:
        """Take in what is known of the service's clock, where nothing was known when it was needed."""
        if self.begun == -math.inf:
            self.begun = self.sent_at + clock[0]
        if self.by == math.inf and self.session_id is None:
            self.by = self.dead_at + clock[1]

    def failed(self, now: float) -> None:
        """Note that a request for this case failed."""
        self.retry_at = now + min(_FIRST_GAP * 2.0 ** min(self.failures, 10), _LAST_GAP)
        self.failures += 1

    def resendable(self, when: float) -> bool:
        """Tell whether the same nonce may be sent at that time."""
        return self.nonce is not None and self.refusal is None and when - self.made_at <= FRESH

    def owns(self, call: FunctionCall) -> bool:
        """Tell whether *call* may be this submission's, by its start time, of which the service gives milliseconds."""
        start = call.start_time.timestamp()
        return call.schedule_id is None and self.begun <= start + 0.001 and start <= self.by


def need(case: Case) -> tuple[Need, float]:
    """Return what has to be asked next for a case, and when."""
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
    """Decide by the session alone; None where it does not tell.

    Args:
        case: The case.
        now: The time.
        patience: Seconds for which the service is asked.
    """
    ready = case.ready_at if case.active_at is None and case.session_id is not None else None
    if ready is not None and ready >= case.settled_at:
        if ready >= case.dead_at:
            return NotStarted()
        if case.resendable(now):
            return Resend()
    if now - case.since >= max(patience, DEAD + _MOST_SETTLING + _OTHERS):
        return Uncertain((), f"the service did not tell within {now - case.since:.0f} s")
    return None


def assign(
    cases: Sequence[Case], listing: Listing, known: Collection[int], now: float, *, waits: bool
) -> dict[Case, Decision]:
    """Decide by the list of calls; a case that is left out is to be asked about again.

    Args:
        cases: The cases of one function, of which the list holds the windows.
        listing: The list.
        known: Ids of calls that belong to others.
        now: The time.
        waits: POSTs of the function are under way, or in doubt beside these, that may own some of the calls.
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
            decided[case] = Uncertain(tuple(calls), f"{len(calls)} calls started at the time, and any may be this one")
    return decided


def _by_absence(case: Case, listing: Listing, calls: Sequence[FunctionCall]) -> Decision | None:
    """Decide what a list says that lacks the call, or of a case whose session cannot be read."""
    if case.active_at is not None:
        if calls or case.lists + 1 < _LISTS:
            return None
        return Uncertain((), "it has started, but the function's calls do not show it")
    if calls:
        return Uncertain(tuple(calls), "the session cannot be read, and calls of others may have started at the time")
    return NotStarted() if listing.asked_at >= case.dead_at + _VISIBLE else None


def _forced(options: dict[Case, list[int]]) -> dict[Case, int]:
    """Return the cases that have the same call in every assignment of a call to each case.

    One assignment is found by augmenting paths. A case is forced if no path leads to another assignment without its call.
    """
    owners: dict[int, Case] = {}
    if not all(_augment(case, options, owners, set()) for case in options):
        return {}
    return {case: call for call, case in owners.items() if not _alternative(case, call, options, owners)}


def _alternative(case: Case, call: int, options: dict[Case, list[int]], owners: dict[int, Case]) -> bool:
    """Tell whether there is an assignment in which *call* is not this case's; another may have it."""
    others = {case: [other for other in options[case] if other != call]}
    return _augment(case, options | others, {other: owner for other, owner in owners.items() if other != call}, set())


def _augment(case: Case, options: dict[Case, list[int]], owners: dict[int, Case], tried: set[int]) -> bool:
    """Give *case* a call, and others another where that makes room for it."""
    for call in options[case]:
        if call not in tried:
            tried.add(call)
            owner = owners.get(call)
            if owner is None or _augment(owner, options, owners, tried):
                owners[call] = case
                return True
    return False
