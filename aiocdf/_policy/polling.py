"""When to poll running calls.

One request polls all running calls of a function. The gap to the next poll follows the square-root law of optimal
inspection (Keller, Management Science 21:256, 1974): it balances the cost of a poll against the delay with which ends
are seen, and the hazards of all calls add up. A delay weighs less the longer a call took. It weighs more for the last
few calls, because `gather` waits for them, and while calls queue for a place. If little is known of a function, the gap
is at most a fraction of the youngest call's age.
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

# From this much evidence, in calls, a hazard is trusted.
_ENOUGH = 3.0
# The hazard never falls below this many ends in a time as long as the call's age: functions change, and fail early.
_SURPRISE = 0.05
# A delay weighs twice as much when this many calls are left.
_LAST = 4.0
# While calls queue for a place, a delay weighs this much more, however long a call took,
_PLACE = 0.5
# and the floor is multiplied by this.
_HURRY = 0.7
# The gap doubles with each failed poll, at most this many times.
_DOUBLINGS = 6
_SAVED = 1.0
_SLOWED_EVERY = 1.0
# After this many failed polls in a row, of any functions, at most _FAILING_RATE polls a second are sent.
_FAILURES, _FAILING_RATE = 5, 4.0

#: From this many running calls of a function, the floor is fixed; below, it falls with their number if runtimes are known.
BUSY = 20


@attrs.frozen
class Plan:
    """The next poll of a function's running calls."""

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
        ages: Ages of the function's running calls in seconds; at least one.
        runtimes: The runtimes seen so far.
        running: How many calls of the function run; more than *ages* if the plan is for a new call alone.
        functions: How many functions have running calls; they share the budget.
        calls: How many calls of all functions have not ended.
        awaited: When a call of the function ends, a queued call starts in its place.
        round_trip: Seconds that a poll takes; infinite if unknown.
        failures: How many polls of the function in a row got no usable answer.
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
    """The polls a second of the whole project, first come, first served.

    Unused turns of the last second are saved. The rate halves when the service answers 429, and recovers by a tenth of
    its full value a second. While no poll succeeds, the rate is low: more polls would not help.
    """

    rate: float
    _next_turn: float = -math.inf
    _slowed_to: float = 0.0
    _slowed_at: float = -math.inf
    _failures: int = 0

    def ready_at(self) -> float:
        """Return when one more poll may be sent."""
        return self._next_turn

    def take(self, now: float) -> None:
        """Record that a poll is sent."""
        self._next_turn = max(self._next_turn, now - self._saved()) + 1.0 / self._allowed(now)

    @property
    def failing(self) -> bool:
        """Return whether no poll has succeeded for a while."""
        return self._failures >= _FAILURES

    def answered(self) -> None:
        """Record that a poll got an answer."""
        self._failures = 0

    def failed(self, now: float) -> None:
        """Record that a poll got no usable answer."""
        self._failures += 1
        if self._failures == _FAILURES:
            self._next_turn = max(self._next_turn, now)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """Record a 429 for the rate: half the rate, and the next poll not before *retry_after* seconds.

        The rate halves at most once a second: polls that are under way together are rejected together.
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
