"""The background tasks of one engine, which end with it."""

from __future__ import annotations

import asyncio
import inspect
from contextvars import Context
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from aiocdf import _clock

if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable, Coroutine

__all__ = ["AFTER_CANCEL", "Tasks", "in_slices"]

T = TypeVar("T")

# The number of items in a slice; the loop runs other work between two slices.
_SLICE = 250

#: Seconds to wait after a stray cancellation of a background task: it may be the end of the loop.
AFTER_CANCEL = 1.0


class Tasks:
    """Starts tasks and timers in an empty context, and ends them all.

    Args:
        loop: The loop they run on.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._running: set[asyncio.Task[None]] = set()
        #: Work whose task was cancelled before its first step, and which will start again.
        self._unbegun: set[Coroutine[Any, Any, None]] = set()
        self._closed = False

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run *work* in the background; an exception goes to the loop's exception handler."""
        if self._closed:
            work.close()
            return
        task = self._loop.create_task(_do(work), context=Context())
        self._running.add(task)
        task.add_done_callback(partial(self._ended, work))

    def soon(self, act: Callable[[], None]) -> None:
        """Call *act* in the loop's next iteration."""
        if not self._closed:
            self._loop.call_soon(act, context=Context())

    def at(self, when: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        """Call *act* at the loop's time *when*."""
        return self._loop.call_at(when, act, context=Context())

    def drop(self) -> None:
        """Start nothing from now on."""
        self._closed = True
        while self._unbegun:
            self._unbegun.pop().close()

    def _ended(self, work: Coroutine[Any, Any, None], task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if inspect.getcoroutinestate(work) == inspect.CORO_CREATED:
            # Cancelled before its first step, so its code did not handle the cancellation.
            if self._closed:
                work.close()
            else:
                self._unbegun.add(work)
                self.at(self._loop.time() + AFTER_CANCEL, partial(self._begin_again, work))
        elif not task.cancelled() and (error := task.exception()) is not None:
            self._loop.call_exception_handler(
                {"message": "a background task of aiocdf failed", "exception": error, "task": task}
            )

    def _begin_again(self, work: Coroutine[Any, Any, None]) -> None:
        if work in self._unbegun:
            self._unbegun.discard(work)
            self.spawn(work)

    async def aclose(self) -> None:
        """Cancel the tasks and wait for their ends."""
        self.drop()
        running = list(self._running)
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _do(work: Coroutine[Any, Any, None]) -> None:
    """Await *work*, whose state then shows whether it has begun."""
    await work


async def in_slices(items: deque[T], act: Callable[[T], object]) -> None:
    """Call *act* with each item; the loop runs between slices. After a cancellation, the rest follows at once."""
    try:
        while items:
            for _ in range(min(_SLICE, len(items))):
                act(items.popleft())
            if items:
                await _clock.sleep(0)
    finally:
        while items:
            act(items.popleft())
