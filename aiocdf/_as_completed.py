"""Yields existing handles as their calls end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Self

from aiocdf.errors import InvalidType, WrongState

if TYPE_CHECKING:
    from aiocdf.handle import CallHandle

__all__ = ["AsCompleted"]


class AsCompleted:
    """Yields handles in the order in which their calls end; made by `client.as_completed`.

    Each handle is yielded once, when it is done: its `result()` returns the call or raises. Add more with `add`.
    """

    def __init__(self, handles: Iterable[CallHandle]) -> None:
        self._waiting: set[CallHandle] = set()
        self._ended: asyncio.Queue[CallHandle] = asyncio.Queue()
        #: The number of consumers that wait for a handle now: one of the waiting handles is reserved for each.
        self._promised = 0
        # A single handle is iterable too, because it is awaitable.
        if isinstance(handles, asyncio.Future) or not isinstance(handles, Iterable):
            raise InvalidType(f"as_completed takes a list of handles, not {handles!r}: write [handle] for one")
        for handle in handles:
            self.add(handle)

    def add(self, handle: CallHandle) -> None:
        """Add a handle; a handle that is added twice before it is done is yielded once.

        Raises:
            InvalidType: *handle* is not a handle.
            WrongState: *handle* belongs to another event loop.
        """
        if not isinstance(handle, asyncio.Future):
            raise InvalidType(f"as_completed waits for handles, such as client.call returns, not for {handle!r}")
        if handle.get_loop() is not asyncio.get_running_loop():
            raise WrongState(f"{handle!r} belongs to another event loop: wait for it there, or attach its ref here")
        if handle not in self._waiting:
            self._waiting.add(handle)
            handle.add_done_callback(partial(self._end, handle))

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> CallHandle:
        """Return the next handle that is done."""
        if self._promised == len(self._waiting):
            raise StopAsyncIteration
        self._promised += 1
        try:
            handle = await self._ended.get()
        finally:
            self._promised -= 1
        self._waiting.discard(handle)
        return handle

    def _end(self, handle: CallHandle, _: object) -> None:
        self._ended.put_nowait(handle)
