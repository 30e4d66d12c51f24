from __future__ import annotations

import asyncio
import select
import socket
from types import SimpleNamespace

import pytest

from aiocdf._http.connections import Connections


class Protocol(asyncio.Protocol):
    """One that can be referred to weakly, as aiohttp's can."""


@pytest.mark.parametrize("system", ["posix", "windows"])
async def test_kept_connection_that_the_server_has_closed(system, monkeypatch) -> None:
    """A kept connection is used again while nothing is to be read from it, and not once the server has closed it."""
    if system == "windows":
        monkeypatch.delattr(select, "poll")
    ours, theirs = socket.socketpair()
    transport = SimpleNamespace(is_closing=lambda: False, get_extra_info={"socket": ours}.get)
    writer = SimpleNamespace(transport=transport, protocol=Protocol())
    connections = Connections()

    with ours, theirs:
        assert connections.take(writer, "cdf.test", repeatable=True)
        assert connections.take(writer, "cdf.test", repeatable=True)
        theirs.close()
        assert not connections.take(writer, "cdf.test", repeatable=True)
