from __future__ import annotations

import asyncio
import json
import os
import signal
import sys

import pytest

from aiocdf.auth import FileTokenStore
from aiocdf.secret import Secret

pytestmark = pytest.mark.skipif(os.name != "posix", reason="other systems have neither these signals nor these locks")

WRITER = """
import asyncio, json, sys
from aiocdf.auth import FileTokenStore
from aiocdf.secret import Secret

async def main():
    store, number = FileTokenStore(sys.argv[1]), 0
    while True:
        number += 1
        async with store.lock("a"):
            await store.save("a", Secret(json.dumps([number] * 20_000)))
        print(number, flush=True)

asyncio.run(main())
"""
HOLDER = """
import asyncio, sys
from aiocdf.auth import FileTokenStore

async def main():
    async with FileTokenStore(sys.argv[1]).lock("a"):
        print("held", flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""
COUNTER = """
import asyncio, sys
from aiocdf.auth import FileTokenStore
from aiocdf.secret import Secret

async def main():
    store = FileTokenStore(sys.argv[1])
    for _ in range(25):
        async with store.lock("a"):
            text = await store.load("a")
            await store.save("a", Secret(str(int(text.reveal()) + 1)))

asyncio.run(main())
"""


async def start(script: str, directory) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable, "-P", "-c", script, str(directory), stdout=asyncio.subprocess.PIPE
    )


async def test_killed_in_the_midst(tmp_path) -> None:
    """Statement 30: a process that is killed while it writes, again and again, leaves a file that is whole."""
    store = FileTokenStore(tmp_path / "state")
    for _ in range(8):
        process = await start(WRITER, tmp_path / "state")
        for _ in range(3):
            await process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        await process.wait()

        kept = json.loads((await store.load("a")).reveal())
        assert len(kept) == 20_000
        assert len(set(kept)) == 1


async def test_lock_of_a_process_that_died(tmp_path) -> None:
    """A process that is killed with the lock in its hands does not keep it."""
    process = await start(HOLDER, tmp_path / "state")
    await process.stdout.readline()
    store = FileTokenStore(tmp_path / "state")
    waiting = asyncio.create_task(store.lock("a").__aenter__())
    await asyncio.sleep(0.1)
    assert not waiting.done()
    process.kill()
    await process.wait()

    async with asyncio.timeout(10):
        await waiting


async def test_processes_take_turns(tmp_path) -> None:
    """Statement 30: four processes that read, change and write under the lock lose no change."""
    store = FileTokenStore(tmp_path / "state")
    async with store.lock("a"):
        await store.save("a", Secret("0"))
    processes = [await start(COUNTER, tmp_path / "state") for _ in range(4)]

    assert [await process.wait() for process in processes] == [0, 0, 0, 0]
    assert await store.load("a") == Secret("100")
