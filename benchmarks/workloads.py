"""The workloads of the contenders."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Calls to make; the key of each is its index.

    Args:
        durations: How long each call runs, in seconds.
        functions: The number of functions; calls use them in turn.
        spread: The time in seconds over which calls are made at equal intervals; 0 to make all at once.
        fresh: Make one call after the other, each on a client of its own.
        hold: Seconds for which pending calls are kept before the run stops; 0 to await all of them.
        freeze: Whether to call `gc.freeze()` after the calls to hold are made.
        clients: The number of clients, each in its own process, among which the calls are distributed in turn.
        gaps: Whether to measure how long the event loop is blocked.
        token_life: How long an access token is valid, in seconds.
        token_delay: The additional latency of the token endpoint, in seconds.
    """

    durations: tuple[float, ...]
    functions: int
    spread: float = 0.0
    fresh: bool = False
    hold: float = 0.0
    freeze: bool = False
    clients: int = 1
    gaps: bool = False
    token_life: float = 3600.0
    token_delay: float = 0.0

    @property
    def calls(self) -> list[tuple[int, int, float]]:
        """Function, key and moment in seconds of every call."""
        step = self.spread / len(self.durations)
        return [(key % self.functions + 1, key, key * step) for key in range(len(self.durations))]

    def describe(self) -> str:
        """Return a short description."""
        asked = f"made over {self.spread:.0f} s" if self.spread else "one after the other" if self.fresh else "at once"
        shared = f", dealt to {self.clients} clients" if self.clients > 1 else ""
        shortest, longest = min(self.durations), max(self.durations)
        return f"{len(self.durations):,} calls of {shortest:.1f} to {longest:.1f} s, functions: {self.functions}, {asked}{shared}"


def _dealt(seed: int, count: int, draw: Callable[[random.Random], float]) -> tuple[float, ...]:
    """Return the same *count* durations in every run."""
    source = random.Random(seed)
    return tuple(draw(source) for _ in range(count))


def _over(count: int) -> tuple[float, ...]:
    return _dealt(1, count, lambda source: source.uniform(0.5, 3.5))


def _long() -> tuple[float, ...]:
    return _dealt(3, 60, lambda source: source.uniform(25, 45))


WORKLOADS = {
    # About 2 s and all different, so that no poll schedule hits the ends by chance.
    "single": Workload(durations=(1.8, 1.9, 2.0, 2.1, 2.2), functions=1, fresh=True),
    "within": Workload(durations=_dealt(2, 200, lambda source: 3 * source.lognormvariate(0, 0.6)), functions=4),
    "over": Workload(durations=_over(2000), functions=8),
    "long": Workload(durations=_long(), functions=1),
    # The same over more functions, which cannot share polls.
    "sparse": Workload(durations=_long(), functions=4),
    "many": Workload(durations=_over(1000), functions=50),
    "queue": Workload(durations=_over(20_000), functions=8, hold=10.0, gaps=True),
    # The same in a program that excludes existing objects from garbage collection.
    "frozen": Workload(durations=_over(20_000), functions=8, hold=10.0, freeze=True, gaps=True),
    "expiry": Workload(
        durations=_dealt(4, 200, lambda source: source.uniform(0.5, 1.5)),
        functions=4,
        spread=60.0,
        gaps=True,
        token_life=20.0,
        token_delay=0.5,
    ),
    "shared": Workload(durations=_over(2000), functions=8, clients=2),
}
