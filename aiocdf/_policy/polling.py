"""When to ask after running calls, and what an answer that lacks one means.

One request asks after all running calls of a function. Its gap to the next follows the square-root law of optimal
inspection (Keller, Management Science 21:256, 1974), in which the hazards of all calls add up: what a poll costs is
weighed against how late news comes. Late news weighs less the longer a call took, and more of the last few, which
whoever gathers calls waits for, and while calls queue for the places that others leave. Where little is known, the gap
is at the most a part of the youngest call's age.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf._policy.runtimes import Runtimes
    from aiocdf.config import Polling

__all__ = ["BUSY", "Budget", "Plan", "plan"]

# Calls' worth of experience from which a hazard is trusted.
_ENOUGH = 3.0
# However much is known, so many ends of one of the calls in a time as long as its age: functions change, and fail early.
_SURPRISE = 0.05
# Late news weighs twice when no more than so many calls are left.
_LAST = 4.0
# While calls queue for the places of others, late news weighs so much more, however long a call took,
_PLACE = 0.5
# and the floor is this part of itself.
_HURRY = 0.7
# Without news, the gap doubles with each poll, up to so many times.
_DOUBLINGS = 6
_SAVED = 1.0
_SLOWED_EVERY = 1.0
# Polls of any function that fail in a row, from which on so many a second are sent.
_FAILURES, _FAILING_RATE = 5, 4.0

#: With so many running calls of a function, the floor holds; with fewer, of a function that is known, it falls with them.
BUSY = 20


@attrs.frozen
class Plan:
    """What is to be done about a function's running calls."""

    #: Seconds from one poll to the next.
    gap: float
    #: Calls a second that are expected to end.
    ends: float


def plan(  # each is a fact
    ages: Sequence[float],
    runtimes: Runtimes,
    *,
    running: int,
    functions: int,
    calls: int,
    awaited: bool,
    round_trip: float,
    failures: int,
    polling: Polling,
    jitter: float,
) -> Plan:
    """Plan the next poll of a function.

    Args:
        ages: Of the function's running calls, in seconds; at least one.
        runtimes: What is known of the function's runtimes.
        running: How many calls of the function run; as many as *ages*, but where one of them is planned for alone.
        functions: How many functions have running calls; they share the budget.
        calls: How many calls the client has that have not ended, of all functions.
        awaited: When one of the function's calls ends, a queued one starts in its place.
        round_trip: Seconds that a poll takes; infinite where that is not known.
        failures: Polls of the function in a row that had no answer that could be used.
        polling: The settings.
        jitter: A random factor, such as one between 0.9 and 1.1.
    """
    outlook = runtimes.outlook(ages)
    aged = [max(age, polling.floor) for age in ages]
    surprise, place = _SURPRISE / len(ages), _PLACE if awaited else 0.0
    weights = (1.0 / math.sqrt(age) + place for age in aged)
    hazards = (call.hazard + surprise / age for age, call in zip(aged, outlook, strict=True))
    late = (1.0 + _LAST / calls) * sum(map(operator.mul, weights, hazards))
    thin = [age for age, call in zip(ages, outlook, strict=True) if call.evidence < _ENOUGH]
    wanted = min(
        math.sqrt(2.0 * polling.poll_cost / late), polling.max_relative_lag * min(thin, default=math.inf), polling.cap
    )
    floor = polling.floor * (_HURRY if awaited else 1.0)
    if not thin and not awaited and running < BUSY:
        floor = min(floor, max(round_trip, floor * running / BUSY))
    gap = max(wanted, floor, functions / polling.budget) * 2.0 ** min(failures, _DOUBLINGS)
    return Plan(
        gap=min(gap, max(polling.cap, functions / polling.budget)) * jitter, ends=sum(call.hazard for call in outlook)
    )


@attrs.define(kw_only=True)
class Budget:
    """Polls a second over the whole project: as many as the service bears, first come first served.

    Turns of the last second that were not taken are saved. The rate halves when the service asks for less, and recovers
    by a tenth of its full value a second. While no poll succeeds it is low: what is asked often cannot help.
    """

    rate: float
    _next_turn: float = -math.inf
    _slowed_to: float = 0.0
    _slowed_at: float = -math.inf
    _failures: int = 0

    def ready_at(self) -> float:
        """Return the time from which one more poll may be sent."""
        return self._next_turn

    def take(self, now: float) -> None:
        """Note that a poll is sent."""
        self._next_turn = max(self._next_turn, now - self._saved()) + 1.0 / self._allowed(now)

    @property
    def failing(self) -> bool:
        """Tell whether no poll has succeeded for a while."""
        return self._failures >= _FAILURES

    def answered(self) -> None:
        """Note that a poll had an answer."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Note that a poll had no answer that could be used."""
        self._failures += 1
        if self._failures == _FAILURES:
            self._next_turn = max(self._next_turn, now)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """Note a rate-429: half the rate from here on, no saved turns, and none before *retry_after* seconds.

        The rate halves once a second: polls that were under way together are refused together.
        """
        if now - self._slowed_at >= _SLOWED_EVERY:
            self._slowed_to = max(self.rate / 64, self._allowed(now) / 2)
            self._slowed_at = now
        self._next_turn = max(self._next_turn, now + (retry_after or 0.0))

    def _saved(self) -> float:
        return 0.0 if self.failing else _SAVED

    def _allowed(self, now: float) -> float:
        allowed = min(self.rate, self._slowed_to + 0.1 * self.rate * (now - self._slowed_at))
        return min(allowed, _FAILING_RATE) if self.failing else allowed
