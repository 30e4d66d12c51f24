"""The common part of all contenders: read a task, do it, and report the measurements.

A contender's process prints `ready` once its imports are done, reads one line of JSON and prints another.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

_BEAT = 0.005


class Caller(Protocol):
    """A contender's open client."""

    async def call(self, function: int, key: int) -> Any:
        """Call a function with `{"key": key}`, wait for its end, and return its response."""

    def pend(self, function: int, key: int) -> asyncio.Future[Any]:
        """Make the same call in the cheapest way that leaves it pending and allows awaiting it later."""


class Concurrent:
    """A contender whose pending calls are tasks."""

    async def call(self, function: int, key: int) -> Any:
        """Make a call; see `Caller`."""
        raise NotImplementedError

    def pend(self, function: int, key: int) -> asyncio.Future[Any]:
        """Make a call in a task."""
        return asyncio.ensure_future(self.call(function, key))


class Heart:
    """Measures how long the event loop was blocked, with and without the time in which it waited for a processor."""

    def __init__(self) -> None:
        self._longest = self._longest_own = self._at = 0.0
        self._loop = asyncio.get_running_loop()
        self._waits = os.open("/proc/thread-self/schedstat", os.O_RDONLY)
        self._began = time.perf_counter()
        self._beat(self._began, self._waited())

    def _waited(self) -> float:
        """Return the seconds that this thread has been ready to run and waited for a processor."""
        return int(os.pread(self._waits, 100, 0).split()[1]) / 1e9

    def _beat(self, last: float, waited_before: float) -> None:
        now, waited = time.perf_counter(), self._waited()
        gap = now - last - _BEAT
        own = gap - (waited - waited_before)
        self._longest = max(self._longest, gap)
        if own > self._longest_own:
            self._longest_own, self._at = own, now - self._began
        self._timer = self._loop.call_later(_BEAT, self._beat, now, waited)

    def stop(self) -> dict[str, float]:
        """Stop, and return the measurements in seconds."""
        self._timer.cancel()
        os.close(self._waits)
        return {"gap": self._longest, "gap_own": self._longest_own, "gap_at": self._at}


def contend(client: Callable[[str], AbstractAsyncContextManager[Caller]]) -> None:
    """Run the contender: open a client on the given address, make the calls, and print the measurements.

    Args:
        client: Opens the contender's client on the service's address.
    """
    imported = time.process_time()
    print("ready", flush=True)
    task = json.loads(sys.stdin.readline())
    # Unlike lists, tuples of numbers do not add to the garbage collector's pauses.
    task["calls"] = [tuple(call) for call in task["calls"]]
    began = time.time()
    found = asyncio.run(_run(client, task))
    cpu = time.process_time()
    print(json.dumps(found | {"cpu": cpu - imported, "cpu_with_imports": cpu, "began": began}), flush=True)


def _run(
    client: Callable[[str], AbstractAsyncContextManager[Caller]], task: Any
) -> Coroutine[Any, Any, dict[str, Any]]:
    if task["hold"]:
        return _hold(client, task)
    if task["fresh"]:
        return _one_by_one(client, task)
    return _all(client, task)


async def _all(client: Callable[[str], AbstractAsyncContextManager[Caller]], task: Any) -> dict[str, Any]:
    """Make all calls on one client, each at its time, and await all responses."""
    async with client(task["url"]) as caller:
        heart = Heart() if task["gaps"] else None
        began = time.perf_counter()

        async def timed(function: int, key: int, moment: float) -> Any:
            if moment:
                await asyncio.sleep(began + moment - time.perf_counter())
            return await caller.call(function, key)

        values = await asyncio.gather(*(timed(*call) for call in task["calls"]), return_exceptions=True)
        wall = time.perf_counter() - began
        found = heart.stop() if heart else {}
    ends = {call[1]: _end(value, call[1]) for value, call in zip(values, task["calls"], strict=True)}
    wrong = {key: end for key, end in ends.items() if end != "right"}
    return {"wall": wall, "wrong": len(wrong), "ends": wrong, "example": repr(list(wrong.items())[:1]), **found}


async def _one_by_one(client: Callable[[str], AbstractAsyncContextManager[Caller]], task: Any) -> dict[str, Any]:
    """Make each call on a new client. The time to open and close it is included."""
    walls, wrong = [], 0
    for function, key, _ in task["calls"]:
        began = time.perf_counter()
        async with client(task["url"]) as caller:
            wrong += not _is_right(await caller.call(function, key), key)
        walls.append(time.perf_counter() - began)
    return {"wall": sum(walls), "walls": walls, "wrong": wrong}


async def _hold(client: Callable[[str], AbstractAsyncContextManager[Caller]], task: Any) -> dict[str, Any]:
    """Make all calls, and measure their cost while they are pending."""
    (first, first_key, _), *calls = task["calls"]
    async with client(task["url"]) as caller:
        await caller.call(first, first_key)  # the cost of the first call is not part of the cost per call
        gc.collect()
        before, began = _resident(), time.perf_counter()
        pending = [caller.pend(function, key) for function, key, _ in calls]
        made = time.perf_counter() - began
        if task["freeze"]:
            gc.freeze()
        await asyncio.sleep(0)
        heart = Heart()
        await asyncio.sleep(task["hold"])
        found = heart.stop()
        taken = _resident() - before
        open_calls = sum(not future.done() for future in pending)
        for future in pending:
            future.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    data = sum(len(json.dumps({"key": key})) for _, key, _ in calls)
    return {"wall": made, "wrong": 0, "pending": open_calls, "bytes": (taken - data) / len(pending), **found}


def _resident() -> int:
    """Return the memory of the process in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def _end(value: Any, key: int) -> str:
    """Return the outcome of a call: `right`, `wrong`, or the type of its error."""
    if isinstance(value, BaseException):
        return type(value).__name__
    return "right" if _is_right(value, key) else "wrong"


def _is_right(value: Any, key: int) -> bool:
    return bool(value == {"key": key, "twice": 2 * key})
