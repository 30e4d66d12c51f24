"""The signals that end a command."""

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
    """Run *work* in an event loop, and return the signal that ended it; None if it ended by itself.

    The first of SIGINT, SIGTERM and SIGHUP cancels *work*. Later ones are ignored until the process ends, because they
    would interrupt the cleanup.

    Args:
        work: The coroutine function to run.
        first: Called on the loop at the first SIGINT, which then does not cancel *work*; the second SIGINT does.
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
        # Not `loop.add_signal_handler`: the loop removes that handler when it closes, some time before the process ends.
        signal.signal(number, end)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
    return caught[0] if caught else None


def _asking_to_end() -> list[signal.Signals]:
    """Return the signals that end the process. SIGHUP is not among them on Windows and if `nohup` ignores it."""
    if sys.platform == "win32" or signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        return [signal.SIGINT, signal.SIGTERM]
    return [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
