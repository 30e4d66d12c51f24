"""Work that is brought to its end although nobody wants to wait for it any more."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

__all__ = ["finish"]

#: Seconds that work has from when its caller is cancelled.
_LAST_WORD = 5.0

T = TypeVar("T")


async def finish(work: Coroutine[Any, Any, T]) -> T:
    """Await *work*; when cancelled meanwhile, give it a few seconds to end by itself before it is cancelled too.

    A refresh token that the provider has taken and replaced must be kept, whatever happens here.
    """
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task}, timeout=_LAST_WORD)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)  # what came of it is nobody's any more
        raise
    return task.result()
