"""Server-sent events (HTML standard, section 9.2)."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs
from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["EventStream", "streaming"]

#: Seconds to wait for a reader to receive an event. After that, the connection is closed.
WRITE_SECONDS: Final = 20.0
#: After this many seconds without news, a comment is sent to detect a lost reader.
QUIET_SECONDS: Final = 15.0
HEADERS: Final = {"Cache-Control": "no-store", "Content-Type": "text/event-stream; charset=utf-8"}


@attrs.frozen
class EventStream:
    """Sends events to one reader."""

    response: web.StreamResponse

    async def send(self, event: str, data: str) -> None:
        """Send an event with one line of data, and wait until the reader has room for the next."""
        await self._write(f"event: {event}\ndata: {data}\n\n".encode())

    async def wait(self, news: asyncio.Event) -> None:
        """Wait for news, and keep the connection alive during the wait."""
        while not news.is_set():
            try:
                async with asyncio.timeout(QUIET_SECONDS):
                    await news.wait()
            except TimeoutError:
                await self._write(b":\n\n")
        news.clear()

    async def _write(self, text: bytes) -> None:
        async with asyncio.timeout(WRITE_SECONDS):
            await self.response.write(text)


@asynccontextmanager
async def streaming(request: web.Request) -> AsyncIterator[EventStream]:
    """Start the response to a request. If the reader is gone or does not read, the block ends without an error."""
    response = web.StreamResponse(headers=HEADERS)
    with suppress(ConnectionError, TimeoutError):
        await response.prepare(request)
        yield EventStream(response)
