"""When POSTs are sent, so that after a crash each call that started is found by its start time.

Calls that were being submitted when the process was killed are told apart by when they can have started. All of them may have
until the end of the process, so what tells them apart is when each was sent. The best is that only one POST is under way at a
time. So each waits for the answers to those before it, but no longer than costs little throughput. When several places become
free at once, the last of them is taken after all the waits before it. These together take a twentieth of a call's runtime at
most, so that places are idle for a fortieth of it on average. The first POSTs of a run, which find all places free, wait longer:
that costs some seconds once. Where calls are short, more POSTs are under way at once, and fewer of those that a crash cuts short
can be told apart.

How long after its sending a call starts is learned from those that were accepted. That figure holds the difference of the two
clocks too, so that neither has to be known.
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

# Delays that are remembered, and from how many on they say anything.
_REMEMBERED, _ENOUGH = 200, 10
# The part of a call's runtime for which all POSTs that wait together wait at most; the runtime to begin with, of how many calls
# it is taken after that; and seconds for which one POST waits at most.
_SHARE, _RUNTIME, _LATELY, _MOST = 0.05, 3.0, 50, 0.250
# So many POSTs are the first of a run, and each waits so many seconds at most.
_FIRST, _AT_FIRST = 60, 0.050
# A POST may be faster than any before: by so much of what their delays differ by, or by so many seconds.
_FASTER, _SOMEWHAT = 0.25, 0.003
# Seconds that a commit takes, to begin with and at most; and what of a slow one is remembered at the next.
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
