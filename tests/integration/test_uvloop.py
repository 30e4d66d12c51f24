"""The client on uvloop, whose timers are not asyncio's, over real sockets."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf.local import serve

uvloop = pytest.importorskip("uvloop")


@pytest.fixture
def root(tmp_path):
    """A folder with one function."""
    (tmp_path / "double").mkdir()
    (tmp_path / "double" / "handler.py").write_text("def handle(data):\n    return 2 * data['x']\n")
    return tmp_path


def test_fan_out(root) -> None:
    """Calls beyond the service's places, mapped and gathered at once, come back complete, and what waits is timed."""

    async def scenario():
        told = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
        async with serve(root) as server, server.client() as client:
            handles = [client.call("double", {"x": x}, timeout=60) for x in range(150)]
            mapped = [value async for _, value in client.map("double", [{"x": x} for x in range(150)], ordered=True)]
            gathered = await asyncio.gather(*(handle.response() for handle in handles))
        return mapped, gathered, told

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        mapped, gathered, told = runner.run(scenario())

    assert mapped == gathered == [2 * x for x in range(150)]
    assert told == []
