"""The loopback redirect URI: a listener that receives the authorization response (RFC 8252 section 7.3)."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import socket
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
_IPV4, _IPV6 = "127.0.0.1", "::1"
#: How many free ports are tried of which the other family's may be taken.
_FREE_PORTS = 10


class Loopback:
    """Listens on a loopback address for as long as it is entered.

    Args:
        redirect_uri: Where the redirect is expected; without a port, any free one is used. For `localhost` it listens on
            the IPv4 and IPv6 addresses that this computer has.
        read: Reads the query of a redirect: the outcome of the sign-in, or None if the query belongs to another.
    """

    def __init__(self, redirect_uri: str, read: Callable[[str], Outcome | None]) -> None:
        self._parts = urlsplit(redirect_uri)
        self._path = self._parts.path or "/"
        self._read = read
        self._servers: list[asyncio.Server] = []
        self._connections: set[asyncio.Task[None]] = set()
        #: The outcome of the sign-in.
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        #: The address to send to the provider.
        self.redirect_uri: str = redirect_uri

    async def __aenter__(self) -> Self:
        """Start listening.

        Raises:
            AuthError: The port is taken.
        """
        try:
            sockets = _listening(self._parts.hostname, self._parts.port or 0)
        except OSError as error:
            raise AuthError(
                f"cannot listen on {self._parts.netloc} for the answer to the sign-in: {error.strerror}. Another sign-in"
                " may be under way."
            ) from None
        async with contextlib.AsyncExitStack() as undo:
            for one in sockets:
                undo.callback(one.close)
            for one in sockets:
                self._servers.append(await asyncio.start_server(self._connected, sock=one, limit=_LONGEST_HEAD))
            undo.pop_all()
        if self._parts.port is None:
            port = sockets[0].getsockname()[1]
            self.redirect_uri = self._parts._replace(netloc=f"{self._parts.netloc}:{port}").geturl()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening, and end the connections that are left."""
        for server in self._servers:
            server.close()
        for connection in self._connections:
            connection.cancel()
        if self._connections:
            await asyncio.wait(self._connections)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer each connection in its own task, so that none delays another."""
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
            pass  # a spare connection of the browser, or a client that left
        finally:
            if outcome is not None and not self.outcome.done():
                self.outcome.set_result(outcome)
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    def _judge(self, head: bytes) -> tuple[str, Outcome | None]:
        """Return the status of the answer, and the outcome of the sign-in if the request has it."""
        method, _, rest = head.partition(b"\r\n")[0].decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        if path != self._path:
            return "404 Not Found", None
        if method != "GET":
            return "405 Method Not Allowed", None
        outcome = self._read(query)
        return ("200 OK" if outcome is not None else "400 Bad Request"), outcome


def _listening(host: str | None, port: int) -> list[socket.socket]:
    """Return the sockets to listen on: `localhost` is an address of either family, and browsers try both.

    Args:
        host: A loopback address, or `localhost`.
        port: Which one; 0 for one that is free.

    Raises:
        OSError: No port is free, or another program uses the port at an address that a browser may try.
    """
    if host != "localhost":
        return [_bound(host or _IPV4, port)]
    for attempt in range(1, _FREE_PORTS + 1):
        try:
            first = _bound(_IPV4, port)
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise
            return [_bound(_IPV6, port)]
        try:
            return [first, _bound(_IPV6, first.getsockname()[1])]
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return [first]  # this computer has no IPv6
            first.close()
            if port or attempt == _FREE_PORTS:
                raise
    raise AssertionError  # the last attempt returns or raises


def _bound(address: str, port: int) -> socket.socket:
    """Return a socket that has an address."""
    bound = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET)
    try:
        if os.name == "posix":
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if bound.family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind((address, port))
        bound.listen()  # this may fail if another program uses the port
    except BaseException:
        bound.close()
        raise
    return bound


def _answer(status: str, outcome: Outcome | None) -> bytes:
    """Return the answer for the browser, without any content of the request."""
    if outcome is None:
        return page(status, status)
    return page(status, *(FAILED if isinstance(outcome, OAuthError) else FINISHED))
