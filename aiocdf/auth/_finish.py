"""Work that completes although its awaiter is cancelled or the event loop is closing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from aiocdf import _clock

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["ended", "finished"]

#: Seconds between two cancellations that are meant as two. Cancel scopes of anyio repeat one in each turn of the loop.
_APART = 0.1

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T]) -> T:
    """Await *work*, also past a cancellation, which then takes effect at its end; a second one cancels the work.

    The provider may already have replaced the refresh token. The new one must then be saved, or the sign-in is lost.
    """
    task = asyncio.get_running_loop().create_task(work, name="aiocdf: to be finished")
    # `asyncio.run` ends by cancelling all tasks that `asyncio.all_tasks` finds, and awaits them. This one it does not
    # find ("Extending" in the documentation of asyncio), but it awaits the task that awaits this one.
    asyncio.tasks._unregister_task(task)  # noqa: SLF001 - documented there
    await ended(task)
    return task.result()


async def ended(task: asyncio.Task[Any]) -> None:
    """Wait until *task* has ended, also past a cancellation; a second one cancels the task."""
    waiting = asyncio.current_task()
    cancelled: asyncio.CancelledError | None = None
    # A caller who is being cancelled already, as by Ctrl-C, cancels for the second time by cancelling this.
    since = _clock.monotonic() if waiting is not None and waiting.cancelling() else None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            now = _clock.monotonic()
            if since is not None and now - since >= _APART:
                task.cancel()
            since, cancelled = now, error
    if cancelled is not None:
        if not task.cancelled():
            task.exception()  # mark as retrieved: the awaiter was cancelled
        raise cancelled
