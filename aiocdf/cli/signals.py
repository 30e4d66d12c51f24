"""The signals that ask a command to end."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run_until_signal"]


def run_until_signal(work: Coroutine[Any, Any, None]) -> signal.Signals | None:
    """Run *work* in an event loop, and return the signal that ended it, if one did.

    The first of SIGINT, SIGTERM and SIGHUP cancels *work*. Any that follow are ignored: they could only cut short the
    work's own cleaning up.
    """
    return asyncio.run(_run(work))


async def _run(work: Coroutine[Any, Any, None]) -> signal.Signals | None:
    task = asyncio.create_task(work)
    caught: list[signal.Signals] = []

    def end(number: signal.Signals) -> None:
        if not caught:
            caught.append(number)
            task.cancel()

    for number in _asking_to_end():
        asyncio.get_running_loop().add_signal_handler(number, end, number)
    try:
        await task
    except asyncio.CancelledError:
        if not caught:
            raise
    return caught[0] if caught else None


def _asking_to_end() -> list[signal.Signals]:
    """Return the signals to end at; SIGHUP not if it is ignored, for that is what `nohup` asks for."""
    hangup = [] if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else [signal.SIGHUP]
    return [signal.SIGINT, signal.SIGTERM, *hangup]
