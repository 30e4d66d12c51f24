"""Which kept connections are usable for another request."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from aiocdf import _clock

if TYPE_CHECKING:
    import asyncio

    from aiohttp.http import StreamWriter

__all__ = ["Connections"]

#: A server that closes a connection within this many seconds after an answer does not keep connections.
_SOON = 1.0


class Connections:
    """Records when each connection was used, and the hosts that close connections soon after an answer.

    A request written while the server's close is still on its way here is lost without a sign. So a request that must not
    be repeated goes to such a host on a new connection.
    """

    def __init__(self) -> None:
        self._used: WeakKeyDictionary[asyncio.BaseProtocol, float] = WeakKeyDictionary()
        self._hasty: set[str] = set()

    def used_at(self, writer: StreamWriter) -> float | None:
        """Return when a connection was last used; None for a new one."""
        return self._used.get(writer.protocol)

    def take(self, writer: StreamWriter, host: str, *, repeatable: bool) -> bool:
        """Take a connection for a request; return False if it is not usable.

        A kept connection with unread data has ended, even if the event loop has not noticed yet. On a new connection, the
        data may be the end of the TLS handshake.
        """
        used_at, transport = self.used_at(writer), writer.transport
        if transport is None or transport.is_closing() or (used_at and _has_something_to_read(transport)):
            self.lost(host, used_at)
            return False
        if used_at and not repeatable and host in self._hasty:
            return False
        self._used[writer.protocol] = _clock.monotonic()
        return True

    def lost(self, host: str, used_at: float | None) -> None:
        """Record that a connection, last used at *used_at*, was closed or broke."""
        if used_at is not None and _clock.monotonic() - used_at < _SOON:
            self._hasty.add(host)


def _has_something_to_read(transport: asyncio.Transport) -> bool:
    socket = transport.get_extra_info("socket")
    if socket is None:
        return False
    if not hasattr(select, "poll"):  # Windows; elsewhere `select` does not take file descriptors from 1,024 up
        return bool(select.select([socket], [], [], 0)[0])
    poll = select.poll()
    poll.register(socket.fileno(), select.POLLIN)
    return bool(poll.poll(0))
