"""Splits requests for more items than one request may have."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, TypeVar

from aiocdf.errors import DecodeError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

__all__ = ["in_chunks", "in_order"]

K = TypeVar("K")
V = TypeVar("V")

# The maximum number of concurrent requests.
_MOST = 4


async def in_chunks(items: Iterable[K], size: int, send: Callable[[Sequence[K]], Awaitable[Iterable[V]]]) -> list[V]:
    """Send items in chunks, a few requests at once, and return the results in the order of the chunks.

    The first request that fails cancels the others.

    Args:
        items: The items; duplicates are sent once.
        size: The maximum number of items in one request.
        send: Sends one chunk and returns its results.

    Raises:
        AiocdfError: The error of the first request that failed.
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
    """Return the values that were found, in the order of *names*.

    Args:
        names: The requested names.
        found: The values of the answer, by name.
        what: The kind of object, for the message.
        ignore_unknown: Whether to omit names without a value.

    Raises:
        DecodeError: A name has no value, although the service answered without an error.
    """
    values = []
    for name in names:
        if name in found:
            values.append(found[name])
        elif not ignore_unknown:
            raise DecodeError(f"the answer does not have {what} {name}", path="$.items")
    return values
