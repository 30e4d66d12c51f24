"""The loopback redirect URI: a listener that receives the authorization response (RFC 8252 section 7.3)."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from aiocdf.auth.oauth.pages import FAILED, FINISHED, page
from aiocdf.errors import AuthError, OAuthError

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from aiocdf.secret import Secret

    Outcome = Secret | OAuthError

__all__ = ["Loopback"]

#: Bytes and seconds that a request's head may take.
_LONGEST_HEAD, _PATIENCE = 16 * 1024, 5.0


class Loopback:
    """Listens on a loopback address for as long as it is entered.

    Args:
        redirect_uri: Where the answer is expected; without a port, any free one is taken.
        read: Reads a redirect's query: the outcome of the sign-in, or None where it is none of its.
    """

    def __init__(self, redirect_uri: str, read: Callable[[str], Outcome | None]) -> None:
        self._parts = urlsplit(redirect_uri)
        self._path = self._parts.path or "/"
        self._read = read
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        #: The outcome of the sign-in, once it is there.
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        #: The address as the provider is to be told it.
        self.redirect_uri = redirect_uri

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            AuthError: The port is taken.
        """
        host = "::1" if self._parts.hostname == "::1" else "127.0.0.1"
        try:
            self._server = await asyncio.start_server(
                self._connected, host, self._parts.port or 0, limit=_LONGEST_HEAD, reuse_address=True
            )
        except OSError as error:
            raise AuthError(
                f"cannot listen on {self._parts.netloc} for the answer to the sign-in: {error.strerror}. Another sign-in"
                " may be under way."
            ) from None
        if self._parts.port is None:
            port = self._server.sockets[0].getsockname()[1]
            self.redirect_uri = self._parts._replace(netloc=f"{self._parts.netloc}:{port}").geturl()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and end the connections that are left."""
        if self._server is not None:
            self._server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each connection in a task of its own, so that none keeps another waiting."""
        connection = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        outcome = None
        try:
            async with asyncio.timeout(_PATIENCE):
                head = await reader.readuntil(b"\r\n\r\n")
                status, outcome = self._judge(head)
                writer.write(_answer(status, outcome))
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, TimeoutError, OSError):
            pass  # a browser's spare connection, or nobody who wants an answer
        finally:
            if outcome is not None and not self.outcome.done():
                self.outcome.set_result(outcome)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _judge(self, head: bytes) -> tuple[str, Outcome | None]:
        """Return the status to answer with, and the outcome of the sign-in if this tells it."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if path != self._path:
            return "404 Not Found", None
        if method != "GET":
            return "405 Method Not Allowed", None
        outcome = self._read(query)
        return ("200 OK" if outcome is not None else "400 Bad Request"), outcome


def _answer(status: str, outcome: Outcome | None) -> bytes:
    """Return the answer for the browser, which holds nothing of what was asked."""
    if outcome is None:
        return page(status, status)
    return page(status, FAILED if isinstance(outcome, OAuthError) else FINISHED)
