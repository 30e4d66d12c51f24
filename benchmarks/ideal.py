"""The makespan of a client without latency, for comparison."""

from __future__ import annotations

import heapq
from collections import defaultdict, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def ideal_makespan(
    calls: Sequence[tuple[int, int, float]], durations: Sequence[float], *, per_function: int, per_project: int
) -> float:
    """Return the seconds that greedy list scheduling takes: a free slot goes at once to the first call that can use it.

    Args:
        calls: Function, key and earliest start in seconds of each, in the order in which they are made.
        durations: Seconds that the call with each key runs.
        per_function: The maximum number of calls that run at once in a function.
        per_project: The maximum number of calls that run at once in the project.
    """
    waiting: defaultdict[int, deque[tuple[int, int]]] = defaultdict(deque)
    free: defaultdict[int, int] = defaultdict(lambda: per_function)
    running: list[tuple[float, int]] = []
    arrivals = deque(enumerate(calls))
    now = 0.0
    while arrivals or running:
        now = min(arrivals[0][1][2] if arrivals else running[0][0], running[0][0] if running else arrivals[0][1][2])
        while running and running[0][0] <= now:
            free[heapq.heappop(running)[1]] += 1
        while arrivals and arrivals[0][1][2] <= now:
            order, (function, key, _) = arrivals.popleft()
            waiting[function].append((order, key))
        while len(running) < per_project:
            startable = [(queue[0], function) for function, queue in waiting.items() if queue and free[function]]
            if not startable:
                break
            (_, key), function = min(startable)
            waiting[function].popleft()
            free[function] -= 1
            heapq.heappush(running, (now + durations[key], function))
    return now
