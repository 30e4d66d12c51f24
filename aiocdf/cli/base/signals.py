"""The signals that ask a command to end."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["run_until_signal"]


def run_until_signal(
    work: Coroutine[Any, Any, None], *, first: Callable[[], None] | None = None
) -> signal.Signals | None:
    """Run *work* in an event loop, and return the signal that ended it, if one did.

    The first of SIGINT, SIGTERM and SIGHUP cancels *work*. Any that follow are ignored, from then on to the end of the
    process: they could only cut short its cleaning up.

    Args:
        work: What to run.
        first: Called on the loop at the first SIGINT, which then does not cancel: the second does.
    """
    try:
        return asyncio.run(_run(work, first))
    finally:
        for number in _asking_to_end():
            signal.signal(number, signal.SIG_IGN)


async def _run(work: Coroutine[Any, Any, None], first: Callable[[], None] | None) -> signal.Signals | None:
    loop, task = asyncio.get_running_loop(), asyncio.create_task(work)
    caught: list[signal.Signals] = []
    warned = first is None

    def end(number: int, _: object) -> None:
        nonlocal warned
        if caught or loop.is_closed():
            return
        if first is not None and not warned and number == signal.SIGINT:
            warned = True
            loop.call_soon_threadsafe(first)
            return
        caught.append(signal.Signals(number))
        loop.call_soon_threadsafe(task.cancel)

    for number in _asking_to_end():
        # Not `loop.add_signal_handler`: the loop takes that back as it closes, a while before the process ends.
        signal.signal(number, end)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
    return caught[0] if caught else None


def _asking_to_end() -> list[signal.Signals]:
    """Return the signals to end at. SIGHUP is left out on Windows, which lacks it, and where `nohup` ignores it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
