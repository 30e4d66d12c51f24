"""Measures time, turns of the event loop, memory and objects in this process."""

from __future__ import annotations

import asyncio
import gc
import os
import time
import tracemalloc
from collections import Counter
from pathlib import Path

import attrs

#: The modules whose objects a handle must not keep alive.
INNER = ("aiocdf._engine", "aiocdf._http", "aiocdf._reader")


@attrs.frozen
class Took:
    """Seconds by the wall clock, and those of them in which this thread had a processor."""

    wall: float
    own: float


class Stopwatch:
    """Starts when it is created."""

    def __init__(self) -> None:
        self._wall, self._own = time.perf_counter(), time.thread_time()

    def took(self) -> Took:
        """Return the time until now."""
        return Took(time.perf_counter() - self._wall, time.thread_time() - self._own)


class Pulse:
    """Measures each turn of the event loop, which it never lets idle, and the garbage collector's part of the turn."""

    def __init__(self) -> None:
        self._turns: list[tuple[Took, float]] = []
        self._collected = 0.0
        self._turn = self._collection = Stopwatch()
        gc.callbacks.append(self._collecting)
        self._next = asyncio.get_running_loop().call_soon(self._beat)

    def _collecting(self, phase: str, _: dict[str, int]) -> None:
        if phase == "start":
            self._collection = Stopwatch()
        else:
            self._collected += self._collection.took().own

    def _beat(self) -> None:
        self._turns.append((self._turn.took(), self._collected))
        self._turn, self._collected = Stopwatch(), 0.0
        self._next = asyncio.get_running_loop().call_soon(self._beat)

    async def stop(self) -> list[tuple[Took, float]]:
        """Stop, and return what each turn took, with the collector's part of it by the processor's time."""
        await asyncio.sleep(0)  # the turn that has just ended counts
        await asyncio.sleep(0)
        self._next.cancel()
        gc.callbacks.remove(self._collecting)
        return self._turns


def resident() -> int:
    """Return the memory of the process in bytes."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def traced() -> int:
    """Return how many bytes Python's allocators have allocated since the first call of this function."""
    if not tracemalloc.is_tracing():
        tracemalloc.start()
    return tracemalloc.get_traced_memory()[0]


def inner() -> Counter[str]:
    """Count the engine's live objects by type."""
    gc.collect()
    return Counter(type(thing).__name__ for thing in gc.get_objects() if is_inner(thing))


def is_inner(thing: object) -> bool:
    """Return whether the engine or the sender defines the object's type."""
    return str(type(thing).__module__).startswith(INNER)
