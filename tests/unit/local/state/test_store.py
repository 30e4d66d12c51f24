"""The store of the local server, in real databases."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import threading

import attrs
import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.state.files import File
from aiocdf.local.state.functions import FunctionRecord
from aiocdf.local.state.records import PER_MILLISECOND, Call, CallQuery, LogLine, Session, TimeRange
from aiocdf.local.state.schedules import Schedule
from aiocdf.local.state.store import open_store
from aiocdf.secret import Secret

FUNCTION = FunctionRecord(
    id=1,
    created_time=2,
    name="f",
    file_id=3,
    external_id="x",
    metadata={"a": "b"},
    secrets={"key": "hush"},
    env_vars={"A": "1"},
    cpu=0.5,
    memory=1.5,
    runtime="py311",
    index_url="https://user:hush@host",
    extra_index_urls=["https://user:hush@other"],
)
FILE = File(
    id=1, name="f.zip", created_time=2, last_updated_time=3, external_id="x", uploaded=True, metadata={"a": "b"}
)
SCHEDULE = Schedule(
    id=1,
    created_time=2,
    name="s",
    cron_expression="* * * * *",
    when="Every minute",
    function_id=1,
    session_id=4,
    data={"deep": [1, None, {"é": True}]},
)


def session(session_id, **changes):
    facts = {
        "type": "TOKEN_EXCHANGE",
        "status": "READY",
        "creation_time": 1,
        "expiration_time": 2,
        "nonce_expires": 100,
        "client_id": "someone",
        "capabilities": frozenset({"functionsAcl:READ", "functionsAcl:RUN"}),
        "depth": 1,
    }
    return Session(id=session_id, **facts | changes)


def running(call_id, function_id=7, start_time=10, **changes):
    return Call(id=call_id, function_id=function_id, status="Running", start_time=start_time, **changes)


def completed(call, end_time=20):
    return attrs.evolve(call, status="Completed", end_time=end_time)


@pytest.fixture
async def store():
    async with open_store() as store:
        yield store


@pytest.mark.parametrize("record", [FUNCTION, FILE, SCHEDULE], ids=["function", "file", "schedule"])
async def test_again(tmp_path, record):
    """Records are equal in every field when the folder is opened again."""
    kind = type(record).__name__.removesuffix("Record").lower()
    async with open_store(tmp_path) as store:
        await getattr(store, f"add_{kind}")(record)
    async with open_store(tmp_path) as store:
        found = await (store.files([1]) if record is FILE else getattr(store, f"{kind}s")())
    assert [record] == found


async def test_changes(store):
    """Records are replaced and deleted. An update does not restore a deleted record."""
    await store.add_function(FUNCTION)
    await store.add_file(FILE)
    await store.add_schedule(SCHEDULE)
    ready, empty, fired = (
        attrs.evolve(FUNCTION, status="Ready"),
        attrs.evolve(FILE, uploaded=False),
        attrs.evolve(SCHEDULE, last_scheduled=9),
    )
    await store.update_function(ready)
    await store.update_file(empty)
    await store.update_schedule(fired)
    assert ([ready], [empty], [fired]) == (await store.functions(), await store.files([1]), await store.schedules())
    await store.delete_schedules([1])
    await store.delete_files([1, 2])
    await store.delete_functions([1])
    await store.update_function(ready)
    assert ([], [], []) == (await store.functions(), await store.files([1]), await store.schedules())


async def test_schedules_of_a_function(store):
    """Deleting a function deletes its schedules and no others."""
    other = attrs.evolve(SCHEDULE, id=2, function_id=2)
    await store.add_schedule(SCHEDULE)
    await store.add_schedule(other)
    await store.delete_functions([1])
    assert [other] == await store.schedules()


async def test_external_ids(store):
    """An external id is unique, but many records may have none."""
    for add, record in ((store.add_function, FUNCTION), (store.add_file, FILE)):
        taken = [await add(attrs.evolve(record, id=number, external_id=name)) for number, name in enumerate("xxy", 1)]
        assert [True, False, True] == taken
        assert all([await add(attrs.evolve(record, id=number, external_id=None)) for number in (11, 12)])
    assert [3] == [file.id for file in await store.list_files(external_id="y", limit=9)]


async def test_sessions(store):
    """A nonce binds its session once, before it expires."""
    for number in (1, 2):
        await store.add_session(session(number), b"%d" % number)
    assert attrs.evolve(session(1), status="ACTIVE") == await store.bind_session(b"1", 99)
    assert await store.bind_session(b"1", 99) is None
    assert await store.bind_session(b"2", 100) is None
    assert await store.bind_session(b"3", 99) is None
    await store.revoke_sessions([1])
    assert ["READY", "REVOKED"] == [found.status for found in await store.sessions([2, 9, 1])]
    assert [2, 1] == [found.id for found in await store.list_sessions(status=None, before=None, limit=9)]
    assert [1] == [found.id for found in await store.list_sessions(status="REVOKED", before=2, limit=9)]
    assert [] == await store.list_sessions(status=None, before=1, limit=9)


async def test_sessions_again(tmp_path):
    """After a restart, only unused nonces are valid."""
    async with open_store(tmp_path) as store:
        for number in (1, 2, 3):
            await store.add_session(session(number, nonce_expires=2**53), b"%d" % number)
        await store.add_session(session(4), b"4")
        await store.bind_session(b"1", 99)
        await store.revoke_sessions([3])
    async with open_store(tmp_path) as store:
        bound = [await store.bind_session(b"%d" % number, 99) for number in (1, 2, 3, 4)]
        assert [None, 2, None, None] == [found and found.id for found in bound]


async def test_revoked_nonce(store):
    """A revoked session is not bound."""
    await store.add_session(session(1), b"1")
    await store.revoke_sessions([1])
    assert await store.bind_session(b"1", 99) is None


async def test_nonces_in_memory(store):
    """Expired nonces do not stay in memory."""
    for number in range(1, 100):
        await store.add_session(session(number, creation_time=number, nonce_expires=number + 10), b"%d" % number)
    assert 10 == len(store._ready)


async def test_calls(store):
    """Running and ended calls are found by id, in the order of the request, of one function only."""
    calls = [running(1), running(2), running(3, function_id=8)]
    for call in calls:
        await store.add_call(call)
    await store.finish_call(completed(calls[0]), b'"back"', [LogLine(1, "a"), LogLine(2, "b")])
    assert [calls[1], completed(calls[0])] == await store.calls(7, [2, 9, 3, 1])
    begun = attrs.evolve(calls[1], start_time=15)
    await store.update_call(begun)
    assert [begun] == await store.calls(7, [2]) == await store.list_calls(7, CallQuery(limit=1))
    assert (b'"back"', None) == (await store.response(1), await store.response(2))
    assert ([LogLine(1, "a"), LogLine(2, "b")], []) == (await store.log(1), await store.log(2))
    store.add_log(2, [LogLine(3, "c"), LogLine(4, "d")])
    store.add_log(2, [LogLine(5, "e")])
    await store.finish_call(completed(calls[1]), None, [LogLine(6, "f")])
    assert ["c", "d", "e", "f"] == [line.message for line in await store.log(2)]
    assert {7: 10, 8: 10} == await store.last_called()


async def test_memory(store, monkeypatch):
    """Only the last ended calls stay in memory. The others are still found."""
    monkeypatch.setattr("aiocdf.local.state.store.MOST_ENDED", 3)
    await store.add_call(running(0))
    for number in range(1, 50):
        call = running(number)
        await store.add_call(call)
        await store.finish_call(completed(call), b"1", [LogLine(1, "a")])
    assert {0, 47, 48, 49} == store._calls.keys()
    assert [running(0), completed(running(1)), completed(running(49))] == await store.calls(7, [0, 1, 49])


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        ({}, [4, 3, 2, 1]),
        ({"limit": 2}, [4, 3]),
        ({"before": 3 * PER_MILLISECOND}, [2, 1]),
        ({"status": "Running"}, [4]),
        ({"schedule_id": 5}, [2]),
        ({"accepted": TimeRange(2, 3)}, [3, 2]),
        ({"accepted": TimeRange(3, None)}, [4, 3]),
        ({"end_time": TimeRange(None, 22)}, [3, 2, 1]),
        ({"end_time": TimeRange(22, 22), "status": "Completed"}, [3]),
        ({"accepted": TimeRange(None, 2**53)}, [4, 3, 2, 1]),
    ],
)
async def test_list_of_calls(store, query, ids):
    """Calls are listed newest first. Ranges include their ends, and a running call is in no range of end times."""
    for number in range(1, 5):
        call = running(number * PER_MILLISECOND, schedule_id=5 if number == 2 else None)
        await store.add_call(call)
        if number < 4:
            await store.finish_call(completed(call, 19 + number), None, [])
    await store.add_call(running(9 * PER_MILLISECOND, function_id=8))
    assert ids == [call.accepted for call in await store.list_calls(7, CallQuery(**{"limit": 9} | query))]


async def test_running_when_it_ended(tmp_path):
    """Calls that ran when the server ended are Failed, at or after their start. Other calls are unchanged."""
    async with open_store(tmp_path) as store:
        for number, start in ((1, 10), (2, 2**53), (3, 10)):
            await store.add_call(running(number, start_time=start))
        await store.finish_call(completed(running(3)), None, [])
    async with open_store(tmp_path) as store:
        first, second, third = await store.calls(7, [1, 2, 3])
        assert {7: 2**53} == await store.last_called()
    assert ["Failed", "Failed"] == [first.status, second.status]
    assert "ended" in first.message
    assert (10 < first.end_time < 2**53, 2**53) == (True, second.end_time)
    assert completed(running(3)) == third


async def test_cancelled_start(store):
    """A call whose start was cancelled is deleted."""
    starting = asyncio.create_task(store.add_call(running(1)))
    await asyncio.sleep(0)
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    await store.add_call(running(2))
    assert [2] == [call.id for call in await store.list_calls(7, CallQuery(limit=9))]
    assert [running(2)] == await store.calls(7, [1, 2])


async def test_failed_write(store):
    """If writing the end of a call fails, clients see that it ended, and the rest of the group is written."""
    call = running(1)
    await store.add_call(call)
    await store._execute("INSERT INTO response VALUES (1, 'in the way')", ())
    ended, added = await asyncio.gather(
        store.finish_call(completed(call), b"1", []), store.add_call(running(2)), return_exceptions=True
    )
    assert (True, None) == (isinstance(ended, sqlite3.IntegrityError), added)
    assert [completed(call), running(2)] == await store.calls(7, [1, 2])
    assert ["Running", "Running"] == [found.status for found in await store.list_calls(7, CallQuery(limit=9))]


async def test_full_disk(store):
    """With a full disk, no work item is partly written and all fail. They succeed again when there is space."""
    call = running(1)
    await store.add_call(call)
    writer = store._database._writer
    (pages,) = writer.execute("PRAGMA page_count").fetchone()
    writer.execute(f"PRAGMA max_page_count = {pages + 2}")
    results = await asyncio.gather(
        store.finish_call(completed(call), b"x" * 100_000, []), store.add_function(FUNCTION), return_exceptions=True
    )
    assert [sqlite3.OperationalError] * 2 == list(map(type, results))
    assert (None, []) == (await store.response(1), await store.functions())
    writer.execute("PRAGMA max_page_count = 1000000")
    assert await store.add_function(FUNCTION)
    await store.finish_call(completed(call), b"x" * 100_000, [])
    assert 100_000 == len(await store.response(1))


async def test_concurrent_writes(store):
    """Concurrent writes share transactions."""
    work = store._database
    statements = []
    work._writer.set_trace_callback(statements.append)
    await asyncio.gather(*(store.add_call(running(number)) for number in range(100)))
    work._writer.set_trace_callback(None)
    assert 2 >= statements.count("COMMIT")


@pytest.mark.parametrize("steps", range(6))
async def test_all_tasks_cancelled(store, steps):
    """If a program cancels all tasks of its loop, pending writes are cancelled, and the store still works."""
    adding = asyncio.create_task(store.add_function(FUNCTION))
    for _ in range(steps):
        await asyncio.sleep(0)
    for task in asyncio.all_tasks() - {asyncio.current_task(), adding}:
        task.cancel()
    await asyncio.wait([adding], timeout=5)
    assert adding.done()
    assert await store.add_file(FILE)
    assert [FILE] == await store.files([1])


async def test_cancelled_end(tmp_path):
    """If closing the store is cancelled, no thread is left, and submitted work is written."""

    async def use(begun):
        async with open_store(tmp_path) as store:
            store.add_log(1, [LogLine(1, "a")])
            begun.set()

    others = set(threading.enumerate())
    for steps in range(12):
        begun = asyncio.Event()
        task = asyncio.create_task(use(begun))
        await begun.wait()
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        async with asyncio.timeout(30):
            while any(thread.name.startswith("aiocdf-") for thread in set(threading.enumerate()) - others):
                await asyncio.sleep(0.001)
    async with open_store(tmp_path) as store:
        assert await store.log(1)


async def test_one_server(tmp_path):
    """Only one server uses a folder at a time."""
    async with open_store(tmp_path):
        with pytest.raises(ConfigError, match="another server"):
            await open_store(tmp_path).__aenter__()
    async with open_store(tmp_path):
        pass


async def test_owner_only(tmp_path):
    """Other users have no read access to the state."""
    folder = tmp_path / "new" / "state"
    async with open_store(folder) as store:
        await store.add_function(FUNCTION)
        modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in (folder, *folder.iterdir())}
    assert {"state", "state.db", "state.db-wal", "state.db-shm", "lock", "files", "functions"} == set(modes)
    assert {0o600, 0o700} == set(modes.values())


async def test_open_to_others(tmp_path):
    """Read access of other users is removed."""
    async with open_store(tmp_path):
        pass
    (tmp_path / "state.db").chmod(0o644)
    (tmp_path / "files").chmod(0o755)
    async with open_store(tmp_path):
        modes = [stat.S_IMODE((tmp_path / name).stat().st_mode) for name in ("state.db", "files")]
    assert [0o600, 0o700] == modes


async def test_last_id(store):
    """The highest id of all kinds of records is returned."""
    assert 0 == await store.last_id()
    await store.add_call(running(5))
    assert 5 == await store.last_id()
    await store.add_schedule(attrs.evolve(SCHEDULE, id=9))
    assert 9 == await store.last_id()


async def test_leftovers(tmp_path):
    """Contents and code without a record are deleted at the next start. The others remain."""
    async with open_store(tmp_path) as store:
        await store.add_file(FILE)
        await store.add_function(FUNCTION)
        for number in (1, 2):
            store.content_path(number).write_bytes(b"1")
            store.code_folder(number).mkdir()
            (store.code_folder(number) / "handler.py").touch()
        store.content_path(1).with_name("1.x.part").touch()
    async with open_store(tmp_path):
        left = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.glob("f*/*"))
    assert ["files/1", "functions/1"] == left


async def test_temporary():
    """Without a folder, no files are left."""
    async with open_store() as store:
        assert store.content_path(1).parent.is_dir()
        assert store.code_folder(1).parent.is_dir()
    assert not store.folder.exists()


async def test_fresh(tmp_path):
    """A fresh start deletes the state, and no other files in the folder."""
    (tmp_path / "mine").write_text("mine")
    async with open_store(tmp_path) as store:
        await store.add_file(FILE)
        store.content_path(1).write_bytes(b"1")
    async with open_store(tmp_path, fresh=True) as store:
        assert [] == await store.files([1])
        assert not store.content_path(1).exists()
    assert "mine" == (tmp_path / "mine").read_text()


@pytest.mark.parametrize("kind", ["text", "another", "version"])
async def test_something_else(tmp_path, kind):
    """A file that is not the state of this version is rejected and unchanged. A fresh start replaces it."""
    path = tmp_path / "state.db"
    if kind == "text":
        path.write_text("not a database, but long enough to be taken for one" * 100)
    else:
        if kind == "version":
            async with open_store(tmp_path):
                pass
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA user_version = 1" if kind == "version" else "CREATE TABLE call (id)")
        database.close()
    before = path.read_bytes()
    with pytest.raises(ConfigError, match="--fresh"):
        await open_store(tmp_path).__aenter__()
    assert (kind != "text") or before == path.read_bytes()
    async with open_store(tmp_path, fresh=True) as store:
        assert [] == await store.functions()


async def test_unwritable(tmp_path):
    """A folder that is not writable is an error that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file"):
        await open_store(tmp_path / "file" / "state").__aenter__()


async def test_secrets(store):
    """The secrets of a function do not show."""
    await store.add_function(FUNCTION)
    (found,) = await store.functions()
    assert "hush" not in repr(found)
    assert found.secrets == {"key": Secret("hush")}
