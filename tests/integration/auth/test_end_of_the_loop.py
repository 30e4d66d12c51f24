from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator

import attrs
import pytest
from aiohttp import web

from aiocdf import _clock
from aiocdf.auth import AccessToken, AuthorizationCode, FileTokenStore
from aiocdf.auth.store.stored_sign_in import StoredSignIn
from aiocdf.secret import Secret

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have no such signals")

#: Renews a sign-in, and comes to its end while the provider has not answered yet.
PROGRAM = """
import asyncio, contextlib, sys
from aiocdf._http.transport import AiohttpTransport
from aiocdf.auth import AuthorizationCode, FileTokenStore, TokenSource

directory, token_url, end, runner = sys.argv[1:]

@contextlib.asynccontextmanager
async def opened():
    transport = AiohttpTransport()
    await transport.open()
    credentials = AuthorizationCode(
        client_id="app", token_url=token_url, authorize_url=token_url, store=FileTokenStore(directory), ask_user=False
    )
    source = TokenSource(credentials, transport)
    try:
        yield source
    finally:
        if end.startswith("close"):
            try:
                await source.aclose()
            finally:
                await transport.aclose()

async def main():
    using = opened()
    source = await using.__aenter__()
    try:
        asyncio.get_running_loop().create_task(source.token()).add_done_callback(
            lambda done: done.cancelled() or done.exception()
        )
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        print("on", flush=True)
        if end.endswith("raise"):
            raise ZeroDivisionError
        if end.endswith("signal"):
            await asyncio.sleep(60)
    finally:
        await using.__aexit__(None, None, None)

if runner == "uvloop":
    import uvloop
    uvloop.run(main())
else:
    asyncio.run(main())
"""


@attrs.define
class Slow:
    """A token endpoint that has replaced the refresh token long before it answers."""

    takes: float = 1.0
    url: str = ""
    asked: asyncio.Event = attrs.field(factory=asyncio.Event)
    over: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def token(self, _: web.Request) -> web.Response:
        self.asked.set()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self.over.wait(), self.takes)
        answer = {"access_token": "t2", "token_type": "Bearer", "expires_in": 3600, "refresh_token": "r2"}
        return web.json_response(answer)


@pytest.fixture
async def provider() -> AsyncIterator[Slow]:
    slow = Slow()
    app = web.Application()
    app.router.add_post("/token", slow.token)
    runner = web.AppRunner(app, shutdown_timeout=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    slow.url = f"http://127.0.0.1:{runner.addresses[0][1]}/token"
    yield slow
    slow.over.set()
    await runner.cleanup()


@attrs.frozen
class Program:
    """The program, at the point where the provider knows of its renewal."""

    process: asyncio.subprocess.Process
    store: FileTokenStore
    key: str

    async def end(self) -> tuple[float, str]:
        """Return how many seconds it took to end, and what it said."""
        started = time.monotonic()
        _, said = await self.process.communicate()
        return time.monotonic() - started, said.decode()

    async def kept(self) -> str:
        """Return the refresh token that is kept."""
        return json.loads((await self.store.load(self.key)).reveal())["refresh_token"]


@pytest.fixture
async def program(provider, tmp_path):
    """Starts the program with a sign-in that has to be renewed."""
    store = FileTokenStore(tmp_path / "state")
    credentials = AuthorizationCode(
        client_id="app", token_url=provider.url, authorize_url=provider.url, store=store, ask_user=False
    )
    expired = AccessToken.lasting(
        Secret("t1"), 10, asked_at=0, asked_at_wall=_clock.wall() - 100, refresh_token=Secret("r1")
    )
    async with store.lock(credentials._key):
        await store.save(credentials._key, StoredSignIn(token=expired, token_url=provider.url).text())

    processes = []

    async def start(end: str, runner: str = "asyncio") -> Program:
        pipe = asyncio.subprocess.PIPE
        arguments = (sys.executable, "-P", "-c", PROGRAM, str(tmp_path / "state"), provider.url, end, runner)
        process = await asyncio.create_subprocess_exec(*arguments, stdin=pipe, stdout=pipe, stderr=pipe)
        processes.append(process)
        async with asyncio.timeout(20):
            await provider.asked.wait()
            process.stdin.write(b"\n")
            await process.stdin.drain()
            assert await process.stdout.readline() == b"on\n"
        if end.endswith("signal"):
            process.send_signal(signal.SIGINT)
        return Program(process, store, credentials._key)

    yield start
    for process in processes:
        if process.returncode is None:
            process.kill()
            await process.wait()


@pytest.mark.parametrize("end", ["return", "raise", "signal", "close-return", "close-raise", "close-signal"])
async def test_answer_after_the_end(program, end) -> None:
    """Statement 13: an answer that comes when the program has come to its end, however it did, is kept."""
    running = await program(end)

    _, said = await running.end()
    assert await running.kept() == "r2"
    assert ("ZeroDivisionError" in said, "KeyboardInterrupt" in said) == (end.endswith("raise"), end.endswith("signal"))
    assert "destroyed" not in said
    assert "never retrieved" not in said


@pytest.mark.skipif(importlib.util.find_spec("uvloop") is None, reason="uvloop is not installed")
@pytest.mark.parametrize("end", ["return", "close-signal"])
async def test_answer_after_the_end_of_uvloop(program, end) -> None:
    """Statement 13: so it is on another event loop."""
    running = await program(end, "uvloop")

    await running.end()
    assert await running.kept() == "r2"


@pytest.mark.parametrize("end", ["signal", "close-signal"])
async def test_second_signal(program, provider, end) -> None:
    """Who presses Ctrl-C again does not wait for a provider that hangs."""
    provider.takes = 60.0
    running = await program(end)

    await asyncio.sleep(0.5)
    assert running.process.returncode is None
    running.process.send_signal(signal.SIGINT)
    seconds, said = await running.end()
    assert seconds < 10
    assert "KeyboardInterrupt" in said
    assert await running.kept() == "r1"
