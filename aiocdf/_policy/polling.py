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

__all__ = ["Budget", "Plan", "lost_after_misses", "plan"]

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
_MISSES = 3
_SETTLING = 5.0
_SAVED = 1.0
_SLOWED_EVERY = 1.0


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
    functions: int,
    calls: int,
    awaited: bool,
    polling: Polling,
    jitter: float,
) -> Plan:
    """Plan the next poll of a function.

    Args:
        ages: Of the function's running calls, in seconds; at least one.
        runtimes: What is known of the function's runtimes.
        functions: How many functions have running calls; they share the budget.
        calls: How many calls the client has that have not ended, of all functions.
        awaited: When one of the function's calls ends, a queued one starts in its place.
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
    gap = max(wanted, floor, functions / polling.budget) * jitter
    return Plan(gap=gap, ends=sum(call.hazard for call in outlook))


def lost_after_misses(misses: int, age: float) -> bool:
    """Tell whether a call that polls no longer find is gone: not at once, for a new call may take time to show."""
    return misses >= _MISSES and age >= _SETTLING


@attrs.define(kw_only=True)
class Budget:
    """Polls a second over the whole project: each has a turn, as many as the service bears, first come first served.

    Turns of the last second that nobody took are saved. The rate halves when the service asks for less, and recovers
    by a tenth of its full value a second.
    """

    rate: float
    _next_turn: float = -math.inf
    _slowed_to: float = 0.0
    _slowed_at: float = -math.inf

    def wait(self, now: float) -> float:
        """Take a turn and return the seconds to wait until the poll may be sent."""
        turn = max(self._next_turn, now - _SAVED)
        self._next_turn = turn + 1.0 / self._allowed(now)
        return max(0.0, turn - now)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """Take note of a rate-429: half the rate from here on, no saved turns, and none before *retry_after* seconds.

        The rate halves once a second: polls that were under way together are refused together.
        """
        if now - self._slowed_at >= _SLOWED_EVERY:
            self._slowed_to = max(self.rate / 64, self._allowed(now) / 2)
            self._slowed_at = now
        self._next_turn = max(self._next_turn, now + (retry_after or 0.0))

    def _allowed(self, now: float) -> float:
        return min(self.rate, self._slowed_to + 0.1 * self.rate * (now - self._slowed_at))
