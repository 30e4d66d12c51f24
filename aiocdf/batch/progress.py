"""How far a durable map is: counts, and how fast they grow."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

import attrs

from aiocdf.batch.statuses import ENDED, InputStatus

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.batch.journal import Identity

__all__ = ["Progress", "Speed", "Summary", "Tally"]

# Seconds over which the rate is taken.
_WINDOW = 30.0


@attrs.frozen(kw_only=True)
class Summary:
    """How many inputs of a durable map have which status."""

    #: What the map is of.
    identity: Identity
    #: How many inputs there are.
    total: int
    #: The number of inputs by status; without those that were not submitted yet.
    counts: Mapping[InputStatus, int]

    @property
    def done(self) -> int:
        """Inputs that have a result, good or bad."""
        return sum(self.counts.get(status, 0) for status in ENDED)

    @property
    def completed(self) -> int:
        """Inputs whose call completed."""
        return self.counts.get(InputStatus.Completed, 0)

    @property
    def failed(self) -> int:
        """Inputs that have a result and did not complete: all from Failed to Invalid."""
        return self.done - self.completed

    @property
    def running(self) -> int:
        """How many inputs have a running call, as far as is known."""
        return self.counts.get(InputStatus.Running, 0)

    @property
    def queued(self) -> int:
        """Inputs that wait: not submitted yet, or being submitted."""
        return self.total - self.done - self.running

    @property
    def complete(self) -> bool:
        """Return whether all inputs completed."""
        return self.completed == self.total


@attrs.frozen(kw_only=True)
class Progress(Summary):
    """The progress of a running durable map."""

    #: Recent results a second; None while unknown.
    rate: float | None
    #: Seconds since this run began.
    elapsed: float
    #: Inputs whose submission an earlier run was cut short in, and of which it is being found out whether they started.
    recovering: int
    #: No more inputs are begun.
    draining: bool

    @property
    def remaining(self) -> float | None:
        """Seconds until all inputs are done at the current rate; None while unknown."""
        left = self.running if self.draining else self.total - self.done
        return left / self.rate if self.rate else None


class Speed:
    """How many inputs get a result a second, taken over the last half minute.

    Args:
        now: When it begins, in seconds of any clock.
    """

    def __init__(self, now: float) -> None:
        self._began = now
        self._done = 0
        self._seen: deque[tuple[float, int]] = deque([(now, 0)])

    def add(self, count: int = 1) -> None:
        """Count results."""
        self._done += count

    def rate(self, now: float) -> float | None:
        """Return the results a second; None where none came."""
        while len(self._seen) > 1 and self._seen[1][0] <= now - _WINDOW:
            self._seen.popleft()
        (since, before), (last, _) = self._seen[0], self._seen[-1]
        if now - last >= 1.0:
            self._seen.append((now, self._done))
        done, seconds = self._done - before, now - since
        return done / seconds if done and seconds > 0 else None


@attrs.define(kw_only=True)
class Tally:
    """Counts inputs by status, as they move."""

    identity: Identity
    total: int
    counts: Counter[InputStatus]
    speed: Speed
    began: float
    recovering: int = 0
    draining: bool = False

    def moved(self, before: InputStatus | None, now: InputStatus | None) -> None:
        """Count an input's move from one status to another; None for not submitted."""
        if before is not None:
            self.counts[before] -= 1
        if now is not None:
            self.counts[now] += 1
            if now in ENDED:
                self.speed.add()

    def progress(self, now: float) -> Progress:
        """Return where things stand."""
        return Progress(
            identity=self.identity,
            total=self.total,
            counts=dict(+self.counts),
            rate=self.speed.rate(now),
            elapsed=now - self.began,
            recovering=self.recovering,
            draining=self.draining,
        )
