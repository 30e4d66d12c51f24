"""What is known of how long a function's calls run, as the hazard of a call that has run so long already.

The hazard at an age is how many calls ended around that age over how long calls were watched at it: the occurrence and
exposure rate of survival analysis, to which the calls that still run contribute as well. Before anything is known it is
1 / age, as for runtimes of any scale.
"""

from __future__ import annotations

import math
from functools import cache
from itertools import accumulate
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Outlook", "Runtimes"]

# Ages are counted in classes, each this much longer than the one before; neighbours are looked at together.
_FIRST = 0.05
_RATIO = 1.15
_BACK, _AHEAD = 2, 1
_LOG_RATIO = math.log(_RATIO)
_YOUNGEST = 0.02
# What was learned long ago counts half once so many calls have ended since.
_REMEMBERED = 4096


@attrs.frozen
class Outlook:
    """What to expect of a call that still runs."""

    #: Ends a second.
    hazard: float
    #: How many calls' worth of experience that rests on.
    evidence: float


@attrs.define
class Runtimes:
    """The runtimes of one function's calls that have ended, by classes of age."""

    _ended: list[float] = attrs.field(factory=list)
    #: Seconds that the calls of a class ran within that class.
    _within: list[float] = attrs.field(factory=list)
    _total: int = 0

    def learn(self, runtime: float) -> None:
        """Take note of a call that ended after *runtime* seconds."""
        where = _class(runtime)
        _count(self._ended, self._within, where, runtime)
        self._total += 1
        if self._total >= _REMEMBERED:
            self._total //= 2
            self._ended = [number / 2 for number in self._ended]
            self._within = [seconds / 2 for seconds in self._within]

    def outlook(self, ages: Sequence[float]) -> list[Outlook]:
        """Return what to expect of calls that still run at these ages, in seconds."""
        reached, within = list(self._ended), list(self._within)
        places = [_class(age) for age in ages]
        for place, age in zip(places, ages, strict=True):
            _count(reached, within, place, age)
        # Of each class: the seconds in it of calls that came no further, and its whole width for those that did.
        further = [*[*accumulate(reversed(reached))][::-1][1:], 0.0]
        exposures = [
            here + _width(place) * more for place, (here, more) in enumerate(zip(within, further, strict=True))
        ]
        known = {place: self._around(place, exposures) for place in set(places)}
        return [_outlook(age, *known[place]) for place, age in zip(places, ages, strict=True)]

    def _around(self, place: int, exposures: Sequence[float]) -> tuple[float, float]:
        """Return the ends, and the seconds watched, in a class and its neighbours."""
        low, high = max(0, place - _BACK), place + _AHEAD + 1
        return sum(self._ended[low:high]), sum(exposures[low:high])


def _outlook(age: float, ends: float, exposure: float) -> Outlook:
    """Weigh experience against the one call that is always assumed, which ends at the rate of 1 / age."""
    age = max(age, _YOUNGEST)
    return Outlook((1.0 + ends) / (age + exposure), ends + exposure / age)


def _count(numbers: list[float], within: list[float], place: int, age: float) -> None:
    """Add a call that came as far as a class."""
    missing = place + 1 - len(numbers)
    if missing > 0:
        numbers += [0.0] * missing
        within += [0.0] * missing
    numbers[place] += 1.0
    # Two clocks are compared here, and by rounding alone an age may come out below 0 or below its class.
    within[place] += max(0.0, age - _start(place))


def _class(age: float) -> int:
    """Return the class of an age."""
    return 0 if age < _FIRST else 1 + int(math.log(age / _FIRST) / _LOG_RATIO)


@cache
def _start(place: int) -> float:
    """Return the age at which a class begins."""
    return 0.0 if place == 0 else float(_FIRST * _RATIO ** (place - 1))


def _width(place: int) -> float:
    return _start(place + 1) - _start(place)
