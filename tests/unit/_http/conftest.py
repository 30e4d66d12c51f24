"""Servers on loopback that do with a connection whatever a test wants, and a look at what a traceback shows."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from typing import TYPE_CHECKING

import attrs
import pytest

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable


@attrs.define
class Wire:
    """A server: where it is, and each request that it read."""

    port: int = 0
    seen: list[bytes] = attrs.field(factory=list, repr=False)
    connections: int = 0
    scheme: str = "http"

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        """Read one request to its end; empty where the client has gone."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""
        length = next(
            (int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")), 0
        )
        request = head + await reader.readexactly(length)
        self.seen.append(request)
        return request


@pytest.fixture
async def listen() -> AsyncIterator[Callable[..., Awaitable[Wire]]]:
    """Starts servers whose every connection a handler gets."""
    async with contextlib.AsyncExitStack() as stack:

        async def start(handler: object, *, tls: ssl.SSLContext | None = None) -> Wire:
            wire = Wire(scheme="https" if tls else "http")
            tasks: set[asyncio.Task[None]] = set()

            async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
                wire.connections += 1
                tasks.add(asyncio.current_task())
                with contextlib.suppress(ConnectionError, asyncio.CancelledError):
                    await handler(wire, reader, writer)
                writer.close()

            server = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
            wire.port = server.sockets[0].getsockname()[1]

            async def stop() -> None:
                server.close()
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)

            stack.push_async_callback(stop)
            return wire

        yield start


@pytest.fixture
def leaks() -> Callable[[BaseException], bool]:
    """Whether an error report with the locals of an exception, of its cause and of its context, would hold a secret."""

    def look(error: BaseException) -> bool:
        return "s3cr3t" in "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    return look
