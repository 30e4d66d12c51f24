"""Answers to POSTs that get lost between a client and a local server: each call runs once, and its handle gets its value."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aiocdf import ProtocolError
from aiocdf._http.transport import AiohttpTransport
from aiocdf.local import serve

CODE = """
import os


def handle(data):
    with open(data["log"], "a") as log:
        log.write(f"{data['n']}\\n")
    return data["n"]
"""


class Lossy(AiohttpTransport):
    """A transport that loses every third answer to a POST of a call, and every third such request before it is sent."""

    posts = 0

    async def send(self, request):
        if not request.url.endswith("/call"):
            return await super().send(request)
        self.posts += 1
        if self.posts % 3 == 1:
            raise ProtocolError("the connection broke before the request was read")
        response = await super().send(request)
        if self.posts % 3 == 2:
            raise ProtocolError("the connection broke before the answer was read")
        return response


@pytest.mark.parametrize("functions", [["one"], ["one", "two", "three"]], ids=len)
async def test_every_call_runs_once(tmp_path, functions):
    """Calls of one function after the other, and of three at once, all complete with their own values."""
    for name in functions:
        (tmp_path / name).mkdir()
        (tmp_path / name / "handler.py").write_text(CODE)
    log = tmp_path / "log"
    async with serve(tmp_path) as server, server.client(transport=Lossy()) as client:
        for begin in range(0, 2 * len(functions), len(functions)):
            data = [{"n": begin + place, "log": str(log)} for place in range(len(functions))]
            handles = [client.call(name, each) for name, each in zip(functions, data, strict=True)]
            assert await asyncio.gather(*(handle.response() for handle in handles)) == [each["n"] for each in data]
        assert client.stats().uncertain == 0
    assert set(Counter(log.read_text().split()).values()) == {1}
    assert len(log.read_text().split()) == 2 * len(functions)
