"""Requests for more items than the service takes with one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from aiocdf.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

__all__ = ["in_chunks", "in_order"]

K = TypeVar("K")
V = TypeVar("V")

# Requests under way at once.
_MOST = 4


async def in_chunks(items: Iterable[K], size: int, send: Callable[[Sequence[K]], Awaitable[Iterable[V]]]) -> list[V]:
    """Send items in chunks, a few requests at once, and return what comes back, in the order of the chunks.

    The first request that fails ends the others.

    Args:
        items: What to send; each goes once, also if it is there twice.
        size: Items that one request takes.
        send: Sends one chunk.

    Raises:
        AiocdfError: What the first failing request raised.
    """
    unique = list(dict.fromkeys(items))
    places = asyncio.Semaphore(_MOST)

    async def one(chunk: Sequence[K]) -> Iterable[V]:
        async with places:
            return await send(chunk)

    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(unique[at : at + size])) for at in range(0, len(unique), size)]
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [value for task in tasks for value in task.result()]


def in_order(names: Iterable[K], found: Mapping[K, V], *, what: str, ignore_unknown: bool) -> list[V]:
    """Return what was found in the order of *names*, one for each of them.

    Args:
        names: What was asked for.
        found: What came, by name.
        what: The kind of thing, for the message.
        ignore_unknown: Leave out what did not come.

    Raises:
        DecodeError: Something did not come, although the service did not refuse.
    """
    values = []
    for name in names:
        if name in found:
            values.append(found[name])
        elif not ignore_unknown:
            raise DecodeError(f"the answer leaves out {what} {name}", path="$.items")
    return values
