"""How long calls are kept."""

from __future__ import annotations

import asyncio
import sqlite3

import attrs
import pytest

from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import PER_MILLISECOND, Call, CallQuery, LogLine, Session, now_ms
from aiocdf.local.state.schedules import Schedule
from aiocdf.local.state.store import open_store

DAY = 86_400_000
NOW = now_ms()


async def add(store, age, *, ends=True, response=b"1"):
    """Add a session and a call of this age in days, and return their common id."""
    time = int(NOW - age * DAY)
    call = Call(id=time * PER_MILLISECOND, function_id=7, status="Running", start_time=time)
    session = Session(
        id=call.id,
        type="TOKEN_EXCHANGE",
        status="ACTIVE",
        creation_time=time,
        expiration_time=time,
        nonce_expires=time,
        client_id="someone",
        capabilities=frozenset(),
        depth=1,
    )
    await store.add_session(session, b"%d" % call.id)
    await store.add_call(call)
    if ends:
        await store.finish_call(
            attrs.evolve(call, status="Completed", end_time=time), response, [LogLine(time, "line")]
        )
    return call.id


async def kept(store):
    return [call.id for call in await store.list_calls(7, CallQuery(limit=-1))]


async def sessions(store):
    return [session.id for session in await store.list_sessions(status=None, before=None, limit=-1)]


async def test_days():
    """Calls over the maximum age are deleted with response, log and session, unless they run or are scheduled."""
    async with open_store() as store:
        scheduled, runs, old, new = [await add(store, age, ends=age != 93) for age in (94, 93, 90.1, 89.9)]
        await store.add_schedule(
            Schedule(
                id=1,
                created_time=1,
                name="s",
                cron_expression="* * * * *",
                when="",
                function_id=7,
                session_id=scheduled,
            )
        )
        await store.sweep(NOW)
        assert [new, runs] == await kept(store)
        assert [new, scheduled] == await sessions(store)
        assert [] == await store.calls(7, [old])
        assert (None, []) == (await store.response(old), await store.log(old))
        assert (b"1", 1) == (await store.response(new), len(await store.log(new)))


async def test_room(tmp_path):
    """At the maximum size, the oldest ended calls are deleted first, and the file does not grow further."""
    room = 2_000_000
    limits = Limits(history_bytes=room)
    sizes = []
    async with open_store(tmp_path, limits=limits) as store:
        runs = await add(store, 80, ends=False)
        added = []
        for round_ in range(4):
            ages = [70 - round_ - number / 100 for number in range(40)]
            added += [await add(store, age, response=b"x" * 100_000) for age in ages]
            await store.sweep(NOW)
            sizes.append((tmp_path / "state.db").stat().st_size)
        left = await kept(store)
    assert runs == left[-1]
    assert left[:-1] == added[: -len(left) : -1]
    assert 10 < len(left) < 25
    assert max(sizes) < 3 * room


async def test_sweeps_by_itself(tmp_path):
    """After many writes, a sweep starts by itself."""
    async with open_store(tmp_path, limits=Limits(history_bytes=500_000)) as store:
        for number in range(100):
            await add(store, 1 - number / 100, response=b"x" * 50_000)
        async with asyncio.timeout(10):
            while len(await kept(store)) > 20:
                await asyncio.sleep(0.01)


async def test_failed_sweep(monkeypatch):
    """A sweep that fails does not end the sweeps."""
    from aiocdf.local.state.history import Sweep

    called = asyncio.Event()

    def fail(*_):
        called.set()
        raise sqlite3.OperationalError

    async with open_store() as store:
        monkeypatch.setattr(Sweep, "step", fail)
        store._full.set()
        await called.wait()
        await store._database.committed()
        monkeypatch.undo()
        assert await add(store, 1)


@pytest.mark.parametrize("name", ["history_days", "history_bytes"])
def test_limits(name):
    """The limit may be zero."""
    assert 0 == getattr(Limits(**{name: 0}), name)


@pytest.mark.parametrize("steps", range(6))
async def test_end_as_a_sweep_begins(steps):
    """A store that closes when a sweep starts does not wait for the next sweep."""
    async with asyncio.timeout(5):
        async with open_store() as store:
            await asyncio.sleep(0.01)
            store._full.set()
            for _ in range(steps):
                await asyncio.sleep(0)
