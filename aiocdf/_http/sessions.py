"""Sessions of aiohttp: how the client makes its own, and the check of a caller's session."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import aiohttp
from aiohttp.abc import ResolveResult

from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from collections.abc import Awaitable

__all__ = ["abandon", "check_session", "open_session"]

#: Headers that belong to one request; as defaults of a session they break every request.
_OF_ONE_REQUEST = ("Content-Encoding", "Content-Length", "Expect", "Host", "Transfer-Encoding")


def check_session(session: object) -> None:
    """Check that the client can send on the caller's session.

    Raises:
        InvalidType: It is not a session.
        InvalidArgument: It has default headers that belong to one request.
    """
    # Not by its class: tests use other classes of sessions.
    if isinstance(session, type) or not hasattr(session, "closed"):
        raise InvalidType(f"session must be an aiohttp.ClientSession, not {type(session).__name__}")
    headers = getattr(session, "headers", {})
    if found := [name for name in _OF_ONE_REQUEST if name in headers]:
        raise InvalidArgument(
            f"session has {', '.join(found)} among its default headers, and each request sets its own: "
            "make a session without them"
        )


def open_session() -> aiohttp.ClientSession:
    """Open a session that keeps no cookies and reads no environment variables."""
    connector = aiohttp.TCPConnector(resolver=_Resolver())
    return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)


def abandon(session: aiohttp.ClientSession) -> None:
    """Close a session from a finalizer, which cannot await: the client has reported it, and aiohttp need not as well."""
    connector = session.connector
    session.detach()
    if connector is None or connector.closed:
        return
    with contextlib.suppress(RuntimeError):  # no loop runs here
        loop = asyncio.get_running_loop()
        # The base's method closes at once, and only waits later; that of TCPConnector begins when its task runs.
        loop.create_task(_closed(aiohttp.BaseConnector.close(connector)))  # noqa: RUF006 - nothing is left to hold it


async def _closed(closing: Awaitable[None]) -> None:
    await closing


class _Resolver(aiohttp.ThreadedResolver):
    """Resolves names as aiohttp does, except `localhost`, which always has both loopback addresses.

    The system leaves out ::1 if no other interface has an IPv6 address.
    """

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Return the addresses of a name."""
        if host != "localhost":
            return await super().resolve(host, port, family)
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=kind,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for address, kind in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6))
        ]


def is_of_another_loop(session: aiohttp.ClientSession, loop: asyncio.AbstractEventLoop) -> bool:
    """Return whether a session belongs to another event loop than *loop*."""
    return getattr(session, "_loop", loop) is not loop
