"""When to ask after running calls, and what an answer that lacks one means.

One request asks after all running calls of a function. The gap to the next one is the smaller of two: the square-root
law of optimal inspection (Keller, Management Science 21:256, 1974), in which the hazards of all calls add up, and a part
of the youngest call's age, which bounds how late the end of any call is seen in proportion to its runtime.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.config import Polling

__all__ = ["Budget", "gap", "lost_after_misses"]

_YOUNGEST = 1e-3
_MISSES = 3
_SETTLING = 5.0


def gap(ages: Iterable[float], *, functions: int, polling: Polling, jitter: float) -> float:
    """Return the seconds until the next poll of a function.

    Args:
        ages: Of the function's running calls, in seconds; at least one.
        functions: How many functions have running calls; they share the budget.
        polling: The settings.
        jitter: A random factor, such as one between 0.9 and 1.1.
    """
    hazard, youngest = 0.0, math.inf
    for age in ages:
        # Nothing known of its runtime: of all the calls that reach an age, as many end before e times that age
        # whatever the age is, so that the hazard falls as 1 / age.
        hazard += 1.0 / max(age, _YOUNGEST)
        youngest = min(youngest, age)
    floor = max(polling.floor, functions / polling.budget)
    wanted = min(math.sqrt(2.0 * polling.kappa / hazard), polling.rho * youngest)
    return max(min(wanted, polling.cap), floor) * jitter


def lost_after_misses(misses: int, age: float) -> bool:
    """Tell whether a call that polls no longer find is gone: not at once, for a new call may take time to show."""
    return misses >= _MISSES and age >= _SETTLING


@attrs.define(kw_only=True)
class Budget:
    """Polls a second over the whole project: a token bucket that halves its rate when the service asks for less."""

    rate: float
    _tokens: float = attrs.field(default=attrs.Factory(lambda self: max(1.0, self.rate), takes_self=True))
    _allowed: float = attrs.field(default=attrs.Factory(lambda self: self.rate, takes_self=True))
    _now: float = 0.0

    def wait(self, now: float) -> float:
        """Take one poll out of the budget and return the seconds to wait until it may be sent."""
        self._refill(now)
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._allowed)

    def throttled(self, now: float, retry_after: float | None) -> None:
        """Take note of a rate-429: half the rate from here on, and none before *retry_after* seconds."""
        self._refill(now)
        self._allowed = max(self.rate / 64, self._allowed / 2)
        self._tokens = min(self._tokens, 0.0) - (retry_after or 0.0) * self._allowed

    def _refill(self, now: float) -> None:
        """Let the bucket fill, and the rate recover by a tenth of its full value a second."""
        passed = max(0.0, now - self._now) if self._now else 0.0
        self._now = now
        self._tokens = min(max(1.0, self._allowed), self._tokens + passed * self._allowed)
        self._allowed = min(self.rate, self._allowed + 0.1 * self.rate * passed)
