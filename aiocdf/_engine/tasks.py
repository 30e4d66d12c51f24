"""The background tasks of one engine, which end with it."""

from __future__ import annotations

import asyncio
from contextvars import Context
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["Tasks"]


class Tasks:
    """Starts tasks and timers that know nothing of the caller's context, and ends them all.

    Args:
        loop: The loop they run on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in the background; an exception of its own goes to the loop's handler."""
        if self._closed:
            work.close()
            return
        task = self._loop.create_task(work, context=Context())
        self._running.add(task)
        task.add_done_callback(self._ended)

    def soon(self, act: Callable[[], None]) -> None:
        """Call *act* when the loop comes round."""
        if not self._closed:
            self._loop.call_soon(act, context=Context())

    def at(self, when: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Call *act* at the loop's time *when*."""
        return self._loop.call_at(when, act, context=Context())

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler(
                {"message": "a background task of aiocdf failed", "exception": error, "task": task}
            )

    async def aclose(self) -> None:
        """Cancel what runs and wait until it has ended."""
        self._closed = True
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
