"""Calls that wait for a process of the local server, as its client sees them."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf import ProtocolError
from aiocdf._http.transport import AiohttpTransport
from aiocdf.local import serve

CODE = "import time\n\n\ndef handle(data):\n    time.sleep(data['seconds'])\n    return data['seconds']\n"


@pytest.fixture
async def server(tmp_path):
    """A server that runs one call at a time."""
    (tmp_path / "sleep").mkdir()
    (tmp_path / "sleep" / "handler.py").write_text(CODE)
    async with serve(tmp_path, processes=1) as server:
        yield server


class Lossy(AiohttpTransport):
    """A transport that loses the answer to the second POST of a call."""

    posts = 0

    async def send(self, request):
        response = await super().send(request)
        self.posts += request.url.endswith("/call")
        if request.url.endswith("/call") and self.posts == 2:
            raise ProtocolError("the connection broke before the answer was read")
        return response


async def test_timeout_counts_from_the_beginning_of_work(server):
    """A call waits for the one before it; its `timeout`, `elapsed` and runtime count from when it begins to work."""
    async with server.client() as client:
        first = client.call("sleep", {"seconds": 1.5})
        await first.submitted()
        second = client.call("sleep", {"seconds": 1.2}, timeout=2.0)
        await first
        assert (await second).runtime == pytest.approx(1.2, abs=0.3)


async def test_waiting_call_in_doubt_is_found(server):
    """A call whose answer was lost is found by the time of its POST, though it has begun to work much later."""
    async with server.client(transport=Lossy()) as client:
        first = client.call("sleep", {"seconds": 1.8})
        await first.submitted()
        second = client.call("sleep", {"seconds": 0.5})
        assert await asyncio.gather(first.response(), second.response()) == [1.8, 0.5]
        assert client.stats().uncertain == 0
