"""The service's clock, relative to this client's clock.

Each answer bounds the difference of the two clocks on both sides, because the service stamped it between our sending
and our receiving. The bounds of many answers intersect to less than one round trip (Marzullo, 1984).
"""

from __future__ import annotations

import attrs

__all__ = ["ServerTime"]

_NARROWEST = 0.001
# The maximum drift between two clocks, in seconds a second.
_DRIFT = 1e-4


@attrs.define
class ServerTime:
    """Bounds of the service's clock minus this client's, in seconds."""

    _low: float = float("-inf")
    _high: float = float("inf")
    _observed_at: float = float("-inf")

    def observe(self, stamp: float, *, sent_at: float, received_at: float, resolution: float = 0.0) -> None:
        """Record a time that the service stamped on an answer.

        Args:
            stamp: Seconds since 1970, rounded down to *resolution*.
            sent_at: This client's clock just before the request was sent.
            received_at: This client's clock just after the answer was read.
            resolution: The resolution of *stamp*, in seconds.
        """
        low, high = stamp - received_at, stamp + resolution - sent_at
        narrowed = max(self._low, low), min(self._high, high)
        # Bounds that do not intersect mean that a clock was set: the old ones are no longer valid.
        self._low, self._high = narrowed if narrowed[1] - narrowed[0] >= -_NARROWEST else (low, high)
        self._observed_at = received_at

    def observe_date(self, stamp: float | None, *, sent_at: float, received_at: float) -> None:
        """Record the `Date` of an answer, which is in whole seconds; None for an answer without one."""
        if stamp is not None:
            self.observe(stamp, sent_at=sent_at, received_at=received_at, resolution=1.0)

    @property
    def offset(self) -> float | None:
        """The service's clock minus this client's, in seconds; None before the first answer."""
        if self._high == float("inf"):
            return None
        return (self._low + self._high) / 2

    def bounds(self, now: float) -> tuple[float, float] | None:
        """Return the bounds of the service's clock minus this client's, in seconds; None before the first answer."""
        if self._high == float("inf"):
            return None
        drift = _NARROWEST + _DRIFT * max(0.0, now - self._observed_at)
        return self._low - drift, self._high + drift

    def local(self, stamp: float, default: float) -> float:
        """Return the service's time *stamp* in this client's clock, or *default* before the first answer."""
        return default if self.offset is None else stamp - self.offset
