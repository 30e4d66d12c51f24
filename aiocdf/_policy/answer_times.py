"""How long to wait for the answer to a request that is cheap to repeat.

A request without an answer delays others: a POST delays the next calls of its function, a poll delays all of them. So
the wait follows the recent answer times. It doubles with each request that gets no answer, as TCP's retransmission
timer does (RFC 6298, sections 2 and 5.5).
"""

from __future__ import annotations

__all__ = ["AnswerTimes"]

# The wait is this many times the longest recent answer, at least _SHORTEST seconds; _UNKNOWN before the first answer.
_FACTOR, _SHORTEST, _UNKNOWN = 4.0, 2.0, 10.0
# The factor by which each faster answer reduces the longest one.
_DECAY = 0.99
# The slowest upload to allow for, in bytes a second.
_BYTES = 100_000
# Keeps the exponent within what a float can hold.
_MOST_DOUBLINGS = 10


class AnswerTimes:
    """Learns how long the answers to one kind of request take.

    Args:
        most: Seconds to wait at most.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._unanswered = 0
        #: Seconds of the longest recent answer; None before the first.
        self.longest: float | None = None

    def limit(self, size: int = 0) -> float:
        """Return how many seconds to wait for the answer to a request of *size* bytes."""
        usual = _UNKNOWN if self.longest is None else max(_SHORTEST, _FACTOR * self.longest)
        usual *= 2.0**self._unanswered
        return min(usual + size / _BYTES, self._most)

    def answered(self, seconds: float) -> None:
        """Record an answer that took *seconds*."""
        self._unanswered = 0
        self.longest = max(_DECAY * (self.longest or 0.0), seconds)

    def unanswered(self) -> None:
        """Record that no answer came in time."""
        self._unanswered = min(self._unanswered + 1, _MOST_DOUBLINGS)
