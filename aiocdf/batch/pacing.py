"""When POSTs are sent, so that after a crash each call that started is found by its start time.

Calls that were being submitted when the process was killed are told apart by when they can have started. All of them may have
until the end of the process, so what tells them apart is when each was sent. POSTs are therefore sent a little apart: by as
much as the way to the service takes longer at times.

That costs no throughput. The distance stays below the time that passes from one call to the next anyway, so that what limits
the calls is what limited them before; where they follow one another closely, fewer can be told apart.

How long after its sending a call starts is learned from those that were accepted. That figure holds the difference of the two
clocks too, so that neither has to be known.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Pacing", "Slot"]

# Delays that are remembered, and from how many on they say anything.
_REMEMBERED, _ENOUGH = 200, 10
# Seconds between two POSTs, at most.
_MOST = 0.050
# So many calls tell how fast they follow one another, and what part of the time between two POSTs is kept apart at most.
_LATELY, _SHARE = 50, 0.7
# A POST may be faster than any before: by so much of what their delays differ by, or by so many seconds.
_FASTER, _SOMEWHAT = 0.25, 0.003
# The part of the delays that the distance between two POSTs covers.
_COVERED = 0.95
# Seconds that a commit takes, to begin with; and what of a slow one is remembered at the next.
_COMMIT, _KEPT = 0.005, 0.95


@attrs.frozen
class Slot:
    """When a POST is sent, and before which time by the service's clock its call cannot start; None if that is not known."""

    at: float
    starts_after: float | None


class Pacing:
    """Gives each POST its moment.

    Args:
        delays: Seconds between sending and start of earlier calls, the oldest first.
    """

    def __init__(self, delays: Iterable[float] = ()) -> None:
        self._delays: deque[float] = deque(delays, maxlen=_REMEMBERED)
        self._sent: deque[float] = deque(maxlen=_LATELY)
        self._last = 0.0
        #: Seconds that it takes to put on disk that a POST is sent.
        self.commit = _COMMIT

    def next(self, now: float) -> Slot:
        """Return when to send the next POST.

        Args:
            now: Seconds since 1970 by this computer's clock.
        """
        if self._last > now + 1.0:
            self._last = now  # the clock was set back
        self._last = at = max(now + self.commit, self._last + self.interval)
        if len(self._delays) < _ENOUGH:
            return Slot(at, None)
        return Slot(at, at + min(self._delays) - self._slack)

    def committed(self, seconds: float) -> None:
        """Learn how long it took until a POST could be sent."""
        self.commit = min(max(seconds, _KEPT * self.commit), _MOST)

    def accepted(self, sent_from: float, started: float) -> None:
        """Learn when the call started whose slot was at *sent_from*."""
        self._sent.append(sent_from)
        self._delays.append(started - sent_from)

    @property
    def interval(self) -> float:
        """Seconds between two POSTs."""
        wanted = _MOST if len(self._delays) < _ENOUGH else min(self._spread + self._slack, _MOST)
        if len(self._sent) < _LATELY:
            return wanted
        usual = (max(self._sent) - min(self._sent)) / (_LATELY - 1)
        return min(wanted, _SHARE * usual)

    @property
    def _spread(self) -> float:
        ordered = sorted(self._delays)
        return ordered[int(_COVERED * (len(ordered) - 1))] - ordered[0]

    @property
    def _slack(self) -> float:
        return max(_FASTER * self._spread, _SOMEWHAT)
