"""What is read for handles: the responses of calls that ended, and what calls print."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf._wire.converter import structure

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from aiocdf.models.calls import LogEntry
    from aiocdf.resources.calls import Calls

__all__ = ["Reader"]

_LOGS_EVERY = 1.0


class Reader:
    """Reads, so many at once.

    Args:
        calls: The resource.
        most: Requests under way at once.
    """

    def __init__(self, calls: Calls, *, most: int) -> None:
        self._calls = calls
        self._places = asyncio.Semaphore(most)

    async def response(self, function_id: int, call_id: int, Output: Any, *, what: str) -> Any:
        """Return what a call returned, as an *Output* unless that is None.

        Args:
            function_id: The call's function.
            call_id: The call, which has ended.
            Output: The type to build.
            what: The response in words, for messages.
        """
        async with self._places:
            value = await self._calls.response(function_id, call_id)
        return value if Output is None else structure(value, Output, what=what)

    async def logs(self, function_id: int, call_id: int, over: Callable[[], bool]) -> AsyncIterator[LogEntry]:
        """Give what a call prints, a line at a time.

        Args:
            function_id: The call's function.
            call_id: The call.
            over: Tells whether what is read from then on is all.
        """
        shown, last = 0, False
        while not last:
            last = over()
            async with self._places:
                entries = await self._calls.logs(function_id, call_id)
            for entry in entries[shown:]:
                yield entry
            shown = max(shown, len(entries))
            if not last:
                await _clock.sleep(_LOGS_EVERY)
