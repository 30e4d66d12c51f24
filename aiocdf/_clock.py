"""Now, sleep and jitter: the only module of the client that uses `time` and `random`.

`monotonic` is the running loop's clock, so a loop with virtual time controls all of them.
"""

from __future__ import annotations

import asyncio
import random
import time

__all__ = ["jitter", "monotonic", "sleep", "uptime", "wall"]


def monotonic() -> float:
    """Return the running event loop's time in seconds; it never jumps."""
    return asyncio.get_running_loop().time()


def wall() -> float:
    """Return the seconds since 1970 by this computer's clock, which may jump."""
    return time.time()


def uptime() -> float:
    """Return the seconds since this computer was started, the same for all its processes; it never jumps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


async def sleep(seconds: float) -> None:
    """Sleep for *seconds* of the loop's time."""
    await asyncio.sleep(seconds)


def jitter(low: float, high: float) -> float:
    """Return a random number between *low* and *high*, so that many clients do not act at the same time."""
    return random.uniform(low, high)  # noqa: S311 - spreads load, guards nothing
