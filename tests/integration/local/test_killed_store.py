"""A store whose process is killed, at random moments."""

from __future__ import annotations

import asyncio
import random
import sqlite3
import sys

import pytest

from aiocdf.local.state.records import CallQuery
from aiocdf.local.state.store import open_store

# It writes as fast as it can, and says after each write what is kept.
WRITER = """
import asyncio, sys
from pathlib import Path
from aiocdf.local.state.files import File
from aiocdf.local.state.functions import FunctionRecord
from aiocdf.local.state.records import Call, Ids, LogLine
from aiocdf.local.state.schedules import Schedule
from aiocdf.local.state.store import open_store
import attrs

ids = Ids()

async def calls(store):
    while True:
        call = Call(id=ids.take(), function_id=1, status="Running", start_time=1)
        await store.add_call(call)
        print("call", call.id, flush=True)
        ended = attrs.evolve(call, status="Completed", end_time=2)
        await store.finish_call(ended, b"%d" % call.id, [LogLine(1, f"log of {call.id}")] * 100)
        print("ended", call.id, flush=True)

async def resources(store):
    while True:
        i = ids.take()
        await store.add_file(File(id=i, name="f", created_time=1, last_updated_time=1, external_id=f"{i}"))
        print("file", i, flush=True)
        await store.add_function(FunctionRecord(id=i, created_time=1, name="f", file_id=i, secrets={"a": f"{i}"}))
        print("function", i, flush=True)
        await store.add_schedule(Schedule(id=i, created_time=1, name="s", cron_expression="* * * * *", when="", function_id=i, session_id=i))
        print("schedule", i, flush=True)

async def main():
    async with open_store(Path(sys.argv[1])) as store:
        await asyncio.gather(*(calls(store) for _ in range(20)), resources(store))

asyncio.run(main())
"""


@pytest.mark.parametrize("seed", range(8))
async def test_kill(tmp_path, seed):
    """What was said to be kept is there, whole; calls that ran have failed; the database is sound."""
    said: dict[str, set[int]] = {kind: set() for kind in ("call", "ended", "file", "function", "schedule")}
    moments = random.Random(seed)
    for _ in range(2):
        writer = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
        )
        said_first = await writer.stdout.readline()
        asyncio.get_running_loop().call_later(moments.uniform(0, 0.3), writer.kill)
        lines = (said_first + await writer.stdout.read()).decode().splitlines(keepends=True)
        await writer.wait()
        for line in lines:
            if line.endswith("\n"):
                kind, number = line.split()
                said[kind].add(int(number))
    with sqlite3.connect(tmp_path / "state.db") as database:
        assert ("ok",) == database.execute("PRAGMA integrity_check").fetchone()
    database.close()
    async with open_store(tmp_path) as store:
        calls = {call.id: call for call in await store.list_calls(1, CallQuery(limit=-1))}
        assert said["call"]
        assert said["call"] <= calls.keys()
        assert {"Completed"} >= {calls[number].status for number in said["ended"]}
        assert {"Completed", "Failed"} >= {call.status for call in calls.values()}
        for call in moments.sample(sorted(calls.values(), key=lambda call: call.id), min(200, len(calls))):
            completed = call.status == "Completed"
            assert (b"%d" % call.id if completed else None) == await store.response(call.id)
            assert (100 if completed else 0) == len(await store.log(call.id))
            assert completed == (call.message is None)
        assert said["file"] <= {file.id for file in await store.list_files(limit=-1)}
        assert said["function"] <= {function.id for function in await store.functions()}
        assert said["schedule"] <= {schedule.id for schedule in await store.schedules()}
