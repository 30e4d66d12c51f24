"""Shielding work from a cancellation for a short time."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["shielded_with_grace"]

#: Seconds that the work may still take after its caller is cancelled.
_GRACE = 5.0

T = TypeVar("T")


async def shielded_with_grace(work: Coroutine[Any, Any, T]) -> T:
    """Await *work*. On cancellation, give it a few seconds of grace to end, then cancel it too.

    The provider may already have replaced the refresh token. The new one must then be saved, or the sign-in is lost.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_GRACE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # what came of it is nobody's any more
        raise
    return task.result()
