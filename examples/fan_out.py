"""Spread many calls over four functions, check every answer, and show the cost.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    python examples/fan_out.py          # 200 calls
    python examples/fan_out.py 1000
"""

from __future__ import annotations

import argparse
import asyncio
import collections
import itertools
import sys
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import aiocdf


class Job(NamedTuple):
    """One call to make, and its expected answer."""

    function: str
    data: dict[str, Any]
    is_right: Callable[[Any], bool]


def job(n: int) -> Job:
    """Return the n-th job: the four functions in turn, each time with different data."""
    match n % 4:
        case 0:
            return Job("double", {"x": n}, lambda value: value == {"value": 2 * n})
        case 1:
            data = {"year": 2012 + n // 4 % 4, "seed": n}
            return Job("daily_statistics", data, lambda value: value["count"] == 366 - bool(data["year"] % 4))
        case 2:
            values = [float(index % 7) for index in range(300)]
            values[30 + n % 270] = 100.0
            found = {"index": 30 + n % 270, "value": 100.0}
            return Job("anomalies", {"values": values}, lambda value: found.items() <= value["anomalies"][0].items())
        case _:
            plant = {"samples": 200 + n % 100, "seed": n}
            return Job("pump_availability", plant, lambda value: value["samples"] == plant["samples"])


def show_progress(handles: list[aiocdf.CallHandle]) -> None:
    """Show a line on the terminal that counts the finished calls."""
    done = itertools.count(1)

    def count_one(handle: asyncio.Future[aiocdf.FunctionCall]) -> None:
        if not handle.cancelled() and not isinstance(handle.exception(), aiocdf.ClientClosed):
            print(f"\r{next(done)} of {len(handles)} calls finished", end="", file=sys.stderr, flush=True)

    for handle in handles:
        handle.add_done_callback(count_one)


async def main(count: int) -> int:
    """Make `count` calls, and return how many answers are wrong."""
    todo = [job(n) for n in range(count)]
    async with aiocdf.Client.from_env() as client:
        began = time.perf_counter()
        handles = [client.call(task.function, data=task.data) for task in todo]
        if sys.stderr.isatty():
            show_progress(handles)
        try:
            values = await asyncio.gather(*(handle.response() for handle in handles))
        finally:
            if sys.stderr.isatty():
                print(file=sys.stderr)
        took = time.perf_counter() - began
        stats = client.stats()

    right = collections.Counter(task.function for task, value in zip(todo, values, strict=True) if task.is_right(value))
    for function, calls in collections.Counter(task.function for task in todo).items():
        print(f"{function}: {calls} calls, {right[function]} right")
    print(f"{count} calls in {took:.2f} s, {stats.requests / count:.2f} requests per call")
    print(stats)
    return count - right.total()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Spread calls over four functions.")
    parser.add_argument("count", nargs="?", type=int, default=200, help="how many calls (default 200)")
    calls = parser.parse_args().count
    if calls < 1:
        parser.error(f"count must be at least 1, not {calls}")
    try:
        wrong = asyncio.run(main(calls))
    except KeyboardInterrupt:
        sys.exit("stopped; calls that have started continue on the service")
    except aiocdf.AiocdfError as error:
        sys.exit(f"stopped: {error}")
    if wrong:
        sys.exit(f"{wrong} answers are wrong")
