"""One attempt to send a request, and the proof of whether a byte of it can have left."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import aiohttp
from aiohttp.http import StreamWriter

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter

    from aiocdf._http.connections import Connections
    from aiocdf._wire.http import Request

__all__ = ["Attempt"]


class Attempt:
    """Follows one request through aiohttp, as a middleware of it, on any session.

    The request carries its own headers for access and nothing that the session has for others: no default
    authorization, no netrc entry, no cookie. Plain http, which is for loopback addresses, goes through no proxy.

    Args:
        request: What is sent.
        timeout: Seconds for the connection, and again for the answer.
        connections: Knows which kept connections can be used.
        last: No other connection is tried after this one.
    """

    def __init__(self, request: Request, timeout: float, connections: Connections, *, last: bool) -> None:
        self._request = request
        self._seconds = timeout
        self._connections = connections
        self._last = last
        self._host = urlsplit(request.url).netloc
        self._used_at: float | None = None
        self._connecting = False
        #: The request's headers without those for access, with which aiohttp takes no default `auth=` and no netrc entry.
        self.headers = dict(request.headers)
        self._access = {name: self.headers.pop(name) for name in request.headers if name.lower() == "authorization"}
        self.timeout = asyncio.timeout(timeout)
        self.body = None if request.body is None else _Body(request.body, self)
        #: A byte of the request can have left.
        self.begun = False
        #: The connection could not be used, and nothing was written to it.
        self.stale = False

    def is_unsent(self, error: Exception) -> bool:
        """Tell whether it is proved that no byte left, for an attempt that ended with *error*."""
        if self.begun:
            return False
        # aiohttp refuses bad input and addresses before it asks its middlewares.
        return self._connecting or isinstance(error, ValueError | TypeError | aiohttp.NonHttpUrlClientError)

    def failed(self, error: Exception) -> None:
        """Take note of how it ended, for the next requests to this host."""
        if self.begun and not isinstance(error, TimeoutError):
            self._connections.lost(self._host, self._used_at)

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        """Let *handler* get a connection and send *request* on it."""
        for name in ("Authorization", "Cookie"):
            request.headers.popall(name, None)
        request.headers.update(self._access)
        if not request.is_ssl():
            request.proxy = None
        # The head of a request leaves with the first byte of its body. Without a body, or where the session's own kind
        # of request may do something else, nothing is proved.
        self.begun = self.body is None or type(request) is not aiohttp.ClientRequest
        self._connecting = True
        return await handler(request)

    def begin(self, writer: AbstractStreamWriter) -> None:
        """Take note that the request begins to leave; from here on counts the time for the answer.

        Raises:
            ConnectionResetError: The connection cannot be used; nothing leaves.
        """
        if isinstance(writer, StreamWriter) and writer.output_size == 0:
            self._used_at = self._connections.used_at(writer)
            repeatable = self._last or self._request.repeatable
            if not self._connections.take(writer, self._host, repeatable=repeatable):
                self.stale = True
                raise ConnectionResetError("the server had closed the connection")
        self.begun = True
        if not self.timeout.expired():
            self.timeout.reschedule(asyncio.get_running_loop().time() + self._seconds)


class _Body(aiohttp.Payload):
    """A request's body, which checks the connection at the last moment."""

    def __init__(self, content: bytes, attempt: Attempt) -> None:
        super().__init__(content)
        self._size = len(content)
        self._attempt = attempt

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content as text."""
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the content, and with it the head that waits for it."""
        self._attempt.begin(writer)
        await writer.write(self._value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """Write the content; its length is its own."""
        await self.write(writer)
