"""One attempt to send a request, which proves whether a byte of it may have been sent."""

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
    """An aiohttp middleware that tracks one request, on any session.

    The request has its own authorization. It gets none of the session's: no default authorization, no netrc entry, no
    cookie. Plain http, which is for loopback addresses, does not use a proxy.

    Args:
        request: The request.
        timeout: Seconds for the connection, and again for the answer.
        connections: Knows which kept connections are usable.
        last: Whether this is the last connection to try.
    """

    def __init__(self, request: Request, timeout: float, connections: Connections, *, last: bool) -> None:
        self._request = request
        self._seconds = timeout
        self._connections = connections
        self._last = last
        self._host = urlsplit(request.url).netloc
        self._used_at: float | None = None
        self._connecting = False
        #: The headers without the authorization. The middleware adds it later, so that aiohttp does not reject a default `auth=`.
        self.headers = dict(request.headers)
        self._access = {name: self.headers.pop(name) for name in request.headers if name.lower() == "authorization"}
        self.timeout = asyncio.timeout(timeout)
        self.body = None if request.body is None else _Body(request.body, self)
        #: A byte of the request may have been sent.
        self.begun = False
        #: The connection was not usable, and nothing was written to it.
        self.stale = False

    def is_unsent(self, error: Exception) -> bool:
        """Return whether certainly no byte was sent, for an attempt that ended with *error*."""
        if self.begun:
            return False
        # aiohttp rejects bad input and addresses before it calls its middlewares.
        return self._connecting or isinstance(error, ValueError | TypeError | aiohttp.NonHttpUrlClientError)

    def failed(self, error: Exception) -> None:
        """Record how it ended, for the next requests to this host."""
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
        # The head of a request is sent with the first byte of its body. Without a body, or with another request class of
        # the session, nothing is certain.
        self.begun = self.body is None or type(request) is not aiohttp.ClientRequest
        self._connecting = True
        return await handler(request)

    def begin(self, writer: AbstractStreamWriter) -> None:
        """Record that sending begins; the time limit of the answer starts now.

        Raises:
            ConnectionResetError: The connection is not usable; nothing is sent.
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
    """The body of a request, which checks the connection just before it is written."""

    def __init__(self, content: bytes, attempt: Attempt) -> None:
        super().__init__(content)
        self._size = len(content)
        self._attempt = attempt

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the content as text."""
        return bytes(self._value).decode(encoding, errors)

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Write the content, and with it the waiting head."""
        self._attempt.begin(writer)
        await writer.write(self._value)

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:  # noqa: ARG002
        """Write the content."""
        await self.write(writer)
