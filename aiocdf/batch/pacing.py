"""When POSTs are sent, so that after a crash each call that started is found by its start time.

A resumed map identifies the calls of interrupted submissions by their possible start times. Each may have started at any time
until the process ended, so only the times of their POSTs distinguish them. It would be best to have one POST under way at a
time. So each POST waits for the answers to those before it, as long as that costs little throughput. When several places become
free at once, the last one is used after all these waits. Together they take at most a twentieth of a call's runtime, so places
are idle for a fortieth of it on average. The first POSTs of a run, when all places are free, wait longer; that costs some
seconds once. If calls are short, more POSTs are under way at once, and fewer of the interrupted ones can be identified.

The delay between a POST and the start of its call is learned from accepted calls. It includes the difference of the two clocks,
so that difference does not have to be known.
"""

from __future__ import annotations

import math
from collections import deque
from statistics import fmean
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pacing", "Slot"]

# How many delays are kept, and how many are needed.
_REMEMBERED, _ENOUGH = 200, 10
# The part of a call's runtime for which all POSTs that wait together wait at most; the runtime to begin with, of how many calls
# it is taken after that; and seconds for which one POST waits at most.
_SHARE, _RUNTIME, _LATELY, _MOST = 0.05, 3.0, 50, 0.250
# The first POSTs of a run: how many, and the maximum wait of each in seconds.
_FIRST, _AT_FIRST = 60, 0.050
# A POST may be faster than all before: by this fraction of the spread of their delays, or by this many seconds.
_FASTER, _SOMEWHAT = 0.25, 0.003
# The time of a commit in seconds, at first and at most; and the factor by which a slow one fades.
_COMMIT, _SLOWEST, _KEPT = 0.005, 0.050, 0.95


@attrs.frozen
class Slot:
    """When a POST is sent, and before which time by the service's clock its call cannot start; None if that is not known."""

    at: float
    starts_after: float | None


class Pacing:
    """Gives each POST its moment. Times are seconds since 1970 by this computer's clock.

    Args:
        delays: Seconds between sending and start of earlier calls, the oldest first.
        runtimes: Seconds that earlier calls ran.
    """

    def __init__(self, delays: Iterable[float] = (), runtimes: Iterable[float] = ()) -> None:
        self._delays: deque[float] = deque(delays, maxlen=_REMEMBERED)
        self._runtimes: deque[float] = deque(runtimes, maxlen=_LATELY)
        self._last = -math.inf
        self._posts = 0
        #: Seconds that it takes to put on disk that a POST is sent.
        self.commit: float = _COMMIT

    def patience(self, now: float, waiting: int) -> float:
        """Return how many seconds the next POST waits for the answers to those before it.

        Args:
            now: The time.
            waiting: How many POSTs wait, with this one.
        """
        runtime = fmean(self._runtimes) if self._runtimes else _RUNTIME
        limit = min(_SHARE * runtime / waiting, _MOST)
        if self._posts < _FIRST:
            limit = max(limit, _AT_FIRST)
        return min(max(0.0, self._last + limit - now), limit)

    def next(self, now: float) -> Slot:
        """Return when to send a POST that has waited."""
        self._last, at = now, now + self.commit
        self._posts += 1
        if len(self._delays) < _ENOUGH:
            return Slot(at, None)
        spread = max(self._delays) - min(self._delays)
        return Slot(at, at + min(self._delays) - max(_FASTER * spread, _SOMEWHAT))

    def committed(self, seconds: float) -> None:
        """Learn how long it took until a POST could be sent."""
        self.commit = min(max(seconds, _KEPT * self.commit), _SLOWEST)

    def accepted(self, sent_from: float, started: float) -> None:
        """Learn when the call started whose slot was at *sent_from*, by the service's clock."""
        self._delays.append(started - sent_from)

    def ended(self, runtime: float) -> None:
        """Learn how many seconds a call ran."""
        self._runtimes.append(runtime)
