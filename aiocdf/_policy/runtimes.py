"""The runtimes of a function's calls, as the hazard of a call of a given age: expected ends a second.

The hazard at an age is the number of calls that ended around that age, divided by the time that calls spent there: the
occurrence/exposure rate of survival analysis. Running calls contribute their time too. Without data the hazard is
1 / age, which fits runtimes of any scale.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate, pairwise
from operator import sub
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outlook", "Runtimes"]

# Ages are counted in classes, each _RATIO times as wide as the one before; the last one has no upper end.
_FIRST = 0.05
_RATIO = 1.07
_STARTS = (0.0, *(_FIRST * _RATIO**place for place in range(240)))
_WIDTHS = (*(end - start for start, end in pairwise(_STARTS)), 0.0)
_YOUNGEST, _OLDEST = 0.02, _STARTS[-1]
# Neighbouring classes are added: this many below and above, until this many calls have ended.
_AROUND = ((4, 2, 50), (2, 1, 200), (1, 1, float("inf")))
# All counts are halved each time this many calls have ended, so that old ones fade.
_REMEMBERED = 4096


@attrs.frozen
class Outlook:
    """The forecast for a running call."""

    #: Expected ends a second.
    hazard: float
    #: How many observed calls support it.
    evidence: float


@attrs.define
class Runtimes:
    """The runtimes of one function's calls that have ended, by classes of age."""

    _ended: list[float] = attrs.field(factory=list)
    #: Seconds that the calls of a class ran within that class.
    _within: list[float] = attrs.field(factory=list)
    _total: int = 0

    @property
    def total(self) -> int:
        """How many ended calls were counted; fewer once old ones fade."""
        return self._total

    def learn(self, runtime: float) -> None:
        """Record a call that ended after *runtime* seconds."""
        _count(self._ended, self._within, [runtime])
        self._total += 1
        if self._total >= _REMEMBERED:
            self._total //= 2
            self._ended = [number / 2 for number in self._ended]
            self._within = [seconds / 2 for seconds in self._within]

    def outlook(self, ages: Sequence[float]) -> list[Outlook]:
        """Return the forecasts for running calls of these ages, in seconds."""
        reached, within = list(self._ended), list(self._within)
        places = _count(reached, within, ages)
        back, ahead = next((back, ahead) for back, ahead, until in _AROUND if self._total < until)
        ends = _around(self._ended + [0.0] * (len(reached) - len(self._ended)), back, ahead)
        watched = _around(_exposures(reached, within), back, ahead)
        return [_outlook(age, ends[place], watched[place]) for place, age in zip(places, ages, strict=True)]


def _outlook(age: float, ends: float, exposure: float) -> Outlook:
    """Combine the counts with a prior of one call with a hazard of 1 / age."""
    age = max(age, _YOUNGEST)
    return Outlook((1.0 + ends) / (age + exposure), ends + exposure / age)


def _count(numbers: list[float], within: list[float], ages: Sequence[float]) -> list[int]:
    """Count calls that reached these ages, and return their classes."""
    # An age compares two clocks, so it may be negative.
    ages = [min(max(age, 0.0), _OLDEST) for age in ages]
    places = [bisect_right(_STARTS, age) - 1 for age in ages]
    missing = [0.0] * (max(places, default=0) + 1 - len(numbers))
    numbers += missing
    within += missing
    for place, age in zip(places, ages, strict=True):
        numbers[place] += 1.0
        within[place] += age - _STARTS[place]
    return places


def _exposures(reached: Sequence[float], within: Sequence[float]) -> list[float]:
    """Return the seconds that calls spent in each class: the whole width for calls that went further."""
    further = [*accumulate(reversed(reached), initial=0.0)][-2::-1]
    return [here + width * more for here, width, more in zip(within, _WIDTHS, further, strict=False)]


def _around(numbers: Sequence[float], back: int, ahead: int) -> list[float]:
    """Return for each class the sum over it and over *back* classes below and *ahead* classes above it."""
    sums = [*([0.0] * back), *accumulate(numbers, initial=0.0)]
    sums += sums[-1:] * ahead
    return list(map(sub, sums[back + 1 + ahead :], sums))
