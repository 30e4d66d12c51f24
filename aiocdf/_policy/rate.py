"""How many requests a second to send, learned from the requests that the service rejected because of their rate.

The first rejection sets a limit a little below the rate that passed in the last second. Far below the last good rate,
the limit doubles every quarter of a second. Near it, the limit grows with the square of the time: slowly at first, and
fast after a long time without a rejection, as in CUBIC (RFC 9438). The token bucket saves nothing, so requests do not
come in bursts.
"""

from __future__ import annotations

import math
from collections import deque

import attrs

__all__ = ["Rate"]

_SPAN = 1.0
_SHRINK = 0.9
_GROWTH = 0.005
_LEAST = 0.5
# Doublings a second far below the last good rate.
_DOUBLINGS = 4.0
# Keeps the exponent within what a float can hold.
_MOST_DOUBLINGS = 100.0
_LONGEST_PAUSE = 3600.0


@attrs.define
class Rate:
    """The rate at which calls are submitted."""

    _base: float = math.inf
    #: The rate at the last rejection, if any request passed then.
    _good: float = math.inf
    _learned_at: float = -math.inf
    _next: float = -math.inf
    #: When the rate begins to grow: after the pause that follows a rejection.
    _grows_at: float = -math.inf
    #: The times of the requests that passed in the last second.
    _passed: deque[float] = attrs.field(factory=deque)

    @property
    def limited(self) -> bool:
        """Return whether the service has rejected requests because of their rate."""
        return self._base < math.inf

    def ready_at(self) -> float:
        """Return when one more request may be sent."""
        return self._next

    def take(self, now: float) -> None:
        """Record that a request is sent."""
        if self.limited:
            self._next = max(self._next, now) + 1.0 / self._allowed(now)

    def passed(self, now: float) -> None:
        """Record that the service did not reject a request."""
        self._passed.append(now)
        self._trim(now)

    def refused(self, now: float, sent_at: float, retry_after: float | None) -> None:
        """Record a rejection: it lowers the rate, unless the request was sent before the rate was last lowered.

        Args:
            now: The time.
            sent_at: When the rejected request was sent.
            retry_after: Seconds that the service requests to wait; None if it does not.
        """
        if sent_at >= self._learned_at:
            self._trim(now)
            passed = len(self._passed) / _SPAN
            self._base = max(_LEAST, _SHRINK * passed)
            if self._passed and self._passed[-1] >= self._learned_at:
                self._good = passed
            self._learned_at = now
        pause = 1.0 / self._base if retry_after is None else min(retry_after, _LONGEST_PAUSE)
        self._next = self._grows_at = max(self._next, now + pause)

    def _allowed(self, now: float) -> float:
        if not self.limited:
            return math.inf
        near, spent = max(self._base, _SHRINK * self._good), max(0.0, now - self._grows_at)
        doubling = math.log2(near / self._base) / _DOUBLINGS if near < math.inf else math.inf
        if spent < doubling:
            return self._base * math.exp2(min(_DOUBLINGS * spent, _MOST_DOUBLINGS))
        return near * math.exp(min(_GROWTH * (spent - doubling) ** 2, _MOST_DOUBLINGS))

    def _trim(self, now: float) -> None:
        while self._passed and self._passed[0] <= now - _SPAN:
            self._passed.popleft()
