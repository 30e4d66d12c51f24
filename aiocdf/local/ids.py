"""Times and ids of the local server."""

from __future__ import annotations

import time

import attrs

__all__ = ["Ids", "now_ms"]

# Ids a millisecond. Large enough to keep up, small enough for ids to stay below 2**53 until the year 2109.
PER_MILLISECOND = 2048


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


@attrs.define
class Ids:
    """Ids that rise with time, also over restarts, so that the order of ids is the order of creation."""

    _last: int = attrs.field(default=0, init=False)

    def take(self) -> int:
        """Return the next id."""
        self._last = max(self._last + 1, now_ms() * PER_MILLISECOND)
        return self._last
