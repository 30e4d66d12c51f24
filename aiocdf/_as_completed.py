"""Calls that one has, as they end."""

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
    """Gives handles in the order in which their calls end; made by `client.as_completed`.

    Each handle comes out once, done: its `result()` gives the call or raises. More may be added while it runs.
    """

    def __init__(self, handles: Iterable[CallHandle]) -> None:
        self._waiting: set[CallHandle] = set()
        self._ended: asyncio.Queue[CallHandle] = asyncio.Queue()
        #: How many loops wait for a handle at this moment: each of those that wait is promised one.
        self._promised = 0
        # A handle alone is iterable, too: that is how it is awaited.
        if isinstance(handles, asyncio.Future) or not isinstance(handles, Iterable):
            raise InvalidType(f"as_completed takes a list of handles, not {handles!r}: write [handle] for one")
        for handle in handles:
            self.add(handle)

    def add(self, handle: CallHandle) -> None:
        """Wait for one more; one that is waited for already still comes out once.

        Raises:
            InvalidType: It is not a handle.
            WrongState: It belongs to another event loop.
        """
        if not isinstance(handle, asyncio.Future):
            raise InvalidType(f"as_completed waits for handles, such as client.call returns, not for {handle!r}")
        if handle.get_loop() is not asyncio.get_running_loop():
            raise WrongState(f"{handle!r} belongs to another event loop: wait for it there, or attach to its ref here")
        if handle not in self._waiting:
            self._waiting.add(handle)
            handle.add_done_callback(partial(self._end, handle))

    def __aiter__(self) -> Self:
        """Return itself."""
        return self

    async def __anext__(self) -> CallHandle:
        """Return the handle whose call ended next."""
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
