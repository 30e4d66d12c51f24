"""How long to wait for the answer to a request that costs little to give up.

A request without an answer holds others up: a POST its function's next ones, a poll all calls of its function. So the wait
follows the answers seen lately, and doubles with each request that had none, as the retransmission timer of TCP does
(RFC 6298, sections 2 and 5.5).
"""

from __future__ import annotations

__all__ = ["AnswerTimes"]

# Times the longest answer of late, and seconds at least; seconds before the first answer.
_FACTOR, _SHORTEST, _UNKNOWN = 4.0, 2.0, 10.0
# What is left of the longest answer with each one that took less.
_DECAY = 0.99
# Bytes of a request that are sent in a second at least.
_BYTES = 100_000
# Doublings, beyond which every wait is at its longest.
_MOST_DOUBLINGS = 10


class AnswerTimes:
    """Learns how long the answers to one kind of request take.

    Args:
        most: Seconds to wait at most.
    """

    def __init__(self, most: float) -> None:
        self._most = most
        self._unanswered = 0
        #: Seconds that an answer took lately, at most; None before the first.
        self.longest: float | None = None

    def limit(self, size: int = 0) -> float:
        """Return the seconds to wait for the answer to a request of *size* bytes."""
        usual = _UNKNOWN if self.longest is None else max(_SHORTEST, _FACTOR * self.longest)
        usual *= 2.0**self._unanswered
        return min(usual + size / _BYTES, self._most)

    def answered(self, seconds: float) -> None:
        """Note an answer that took so long."""
        self._unanswered = 0
        self.longest = max(_DECAY * (self.longest or 0.0), seconds)

    def unanswered(self) -> None:
        """Note that no answer came in time."""
        self._unanswered = min(self._unanswered + 1, _MOST_DOUBLINGS)
