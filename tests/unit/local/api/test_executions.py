"""Running calls, with a pool that the test controls."""

from __future__ import annotations

import asyncio
import logging
import math
from pathlib import Path

import pytest

from aiocdf.local.api import executions as api
from aiocdf.local.api.executions import Executions
from aiocdf.local.http.problems import Problem, TooManyCalls
from aiocdf.local.identity.issuer import Issuer, digest
from aiocdf.local.runtime.builder import Build
from aiocdf.local.runtime.catalogue import Function
from aiocdf.local.runtime.deployment import Deployment
from aiocdf.local.runtime.invocation import Outcome
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import Ids, Session
from aiocdf.local.state.store import open_store
from aiocdf.local.state.tokens import Tokens
from aiocdf.secret import Secret

DEPLOYMENT = Deployment(external_id="f", name="f", path=Path("f"), fingerprint="1")
FUNCTION = Function(
    id=7, created_time=0, deployment=DEPLOYMENT, build=Build(source=DEPLOYMENT, deployment=DEPLOYMENT, status="Ready")
)


class Pool:
    """Keeps calls waiting until the test lets them start, or sets their outcome, which may be an exception."""

    def __init__(self):
        self.invocations = []
        self.begin = None
        self.outcome = asyncio.get_running_loop().create_future()

    async def run(self, deployment, invocation, on_log, on_begin):
        self.invocations.append(invocation)
        self.begin = on_begin
        for timestamp in range(4):
            on_log(timestamp, "0123456789")
        return await asyncio.shield(self.outcome)


@pytest.fixture
async def pool():
    return Pool()


@pytest.fixture
async def store():
    async with open_store() as store:
        yield store


@pytest.fixture
async def issuer():
    return Issuer(Tokens())


@pytest.fixture
async def executions(store, issuer, pool):
    executions = Executions(
        store=store,
        issuer=issuer,
        executor=pool,
        ids=Ids(),
        limits=Limits(calls_per_function=2, calls_per_project=2, log_bytes=25, response_bytes=4),
        base_url="http://127.0.0.1:1",
        project="local",
        log=logging.getLogger("aiocdf.local"),
    )
    yield executions
    await executions.aclose()


async def start(executions, store, nonce="n"):
    session = Session(
        id=ord(nonce[0]),
        type="TOKEN_EXCHANGE",
        status="READY",
        creation_time=0,
        expiration_time=0,
        nonce_expires=2**60,
        client_id="someone",
        capabilities=frozenset({"functionsAcl:READ"}),
        depth=1,
    )
    await store.add_session(session, digest(Secret(nonce)))
    return await executions.start(FUNCTION, Secret(nonce), {"x": 1})


async def ended(executions, store, call):
    await asyncio.gather(*executions._tasks, return_exceptions=True)
    (found,) = await store.calls(call.function_id, [call.id])
    return found


async def begun(pool, count=1):
    while len(pool.invocations) < count:
        await asyncio.sleep(0)


async def test_token_of_a_call(executions, store, issuer, pool):
    """A call has a token with the session's capabilities. It ends with the call."""
    call = await start(executions, store)
    await begun(pool)
    (invocation,) = pool.invocations
    access = await issuer.access(invocation.token)
    assert (access.client_id, access.capabilities, access.session_id, access.depth, access.expires) == (
        "someone",
        frozenset({"functionsAcl:READ"}),
        ord("n"),
        1,
        math.inf,
    )
    pool.outcome.set_result(Outcome(status="Completed"))
    await ended(executions, store, call)
    assert await issuer.access(invocation.token) is None


async def test_revoked_session(executions, store, issuer, pool):
    """Revoking the session ends the token of a running call."""
    await start(executions, store)
    await begun(pool)
    await issuer.end_sessions([ord("n")])
    assert await issuer.access(pool.invocations[0].token) is None


async def test_long_log(executions, store, pool):
    """A log is kept up to its maximum size, and says that the rest is dropped."""
    call = await start(executions, store)
    await begun(pool)
    assert len(executions.log(call.id)) == 4
    pool.outcome.set_result(Outcome(status="Completed"))
    await ended(executions, store, call)
    assert executions.log(call.id) is None
    assert [line.message for line in await store.log(call.id)] == [
        *["0123456789"] * 3,
        "the log of this call is too long: the rest is dropped",
    ]


@pytest.mark.parametrize(("response", "status"), [(b"1234", "Completed"), (b"12345", "Failed"), (None, "Completed")])
async def test_size_of_response(executions, store, pool, response, status):
    """A response over the limit makes the call Failed, without the response."""
    call = await start(executions, store)
    pool.outcome.set_result(Outcome(status="Completed", response=response))
    found = await ended(executions, store, call)
    assert (found.status, await store.response(call.id)) == (status, response if status == "Completed" else None)


async def test_broken_pool(executions, store, pool, caplog):
    """A bug in the pool ends the call as Failed and is logged."""
    call = await start(executions, store)
    pool.outcome.set_exception(RuntimeError("bug"))
    found = await ended(executions, store, call)
    assert (found.status, found.message) == ("Failed", api.BROKEN.message)
    assert "bug" in caplog.text


async def test_end_that_is_not_written(executions, store, pool, caplog):
    """If storing the end of a call fails, this is logged, and the call has ended for clients."""
    call = await start(executions, store)
    store._database._writer.execute("PRAGMA query_only = ON")
    pool.outcome.set_result(Outcome(status="Completed"))
    found = await ended(executions, store, call)
    assert "Completed" == found.status
    assert f"call {call.id} of f" in caplog.text
    assert executions.log(call.id) is None


@pytest.mark.parametrize(("waited", "noted"), [(2_000, 2_000), (500, 0)])
async def test_start_time_is_when_the_work_begins(executions, pool, monkeypatch, waited, noted):
    """The start time of a call is when its function started, if it waited long; short waits do not count."""
    store = executions._store
    call = await start(executions, store)
    await begun(pool)
    later = call.start_time + waited
    monkeypatch.setattr(api, "now_ms", lambda: later)
    pool.begin()
    await asyncio.sleep(0)

    (running,) = await store.calls(7, [call.id])
    assert running.start_time == call.start_time + noted
    pool.outcome.set_result(Outcome(status="Completed"))
    found = await ended(executions, store, call)
    assert (found.start_time, found.end_time) == (running.start_time, later)


async def test_room_comes_back(executions, store, pool):
    """Calls that end in any way make room for others. Rejected calls take no room."""
    for nonce in "ab":
        await start(executions, store, nonce)
    with pytest.raises(TooManyCalls, match="Function"):
        await start(executions, store, "c")
    await begun(pool, 2)
    pool.outcome.set_exception(RuntimeError("bug"))
    await asyncio.gather(*executions._tasks)
    call = await executions.start(FUNCTION, Secret("c"), {})  # the refused call's nonce is still good
    assert call.status == "Running"


@pytest.mark.parametrize("steps", [0, 5])
async def test_close(executions, store, pool, steps):
    """Closing ends calls as Failed, including those whose task has not run yet, and no more are started."""
    call = await start(executions, store)
    for _ in range(steps):
        await asyncio.sleep(0)
    await executions.aclose()
    (found,) = await store.calls(7, [call.id])
    assert (found.status, found.message) == ("Failed", "the local server was stopped")
    with pytest.raises(Problem, match="stopping"):
        await start(executions, store, "late")


@pytest.mark.parametrize("steps", [0, 5])
async def test_end_calls_that_wait(executions, store, pool, steps):
    """Calls whose function has not started end as Failed with the reason, and make room. Nothing else changes."""
    call = await start(executions, store)
    for _ in range(steps):
        await asyncio.sleep(0)
    assert executions.end_waiting() == 1
    found = await ended(executions, store, call)
    assert (found.status, found.message) == ("Failed", api.NOT_BEGUN.message)
    for nonce in "ab":
        await start(executions, store, nonce)


async def test_calls_that_have_begun_go_on(executions, store, pool):
    """A call whose function runs does not end with those that wait."""
    call = await start(executions, store)
    await begun(pool)
    pool.begin()
    assert executions.end_waiting() == 0
    pool.outcome.set_result(Outcome(status="Completed"))
    assert (await ended(executions, store, call)).status == "Completed"


@pytest.mark.looptime
async def test_says_that_calls_wait(executions, store, pool, caplog):
    """The log says that accepted calls wait: after 5 s, then each minute, until they have started."""
    caplog.set_level(logging.INFO)
    call = await start(executions, store)
    await asyncio.sleep(4.9)
    assert caplog.messages == []
    await asyncio.sleep(0.2)
    assert caplog.messages[-1].startswith("1 accepted call waits")
    await asyncio.sleep(60)
    assert len(caplog.messages) == 2
    pool.outcome.set_result(Outcome(status="Completed"))
    await ended(executions, store, call)
    await asyncio.sleep(120)
    assert len(caplog.messages) == 3


async def test_log_of_a_failure(executions, store, pool, caplog):
    """The log line of a failed call has the first line of its error, without control characters."""
    caplog.set_level(logging.INFO)
    call = await start(executions, store)
    pool.outcome.set_result(Outcome(status="Failed", message="\nKeyError: \x1b[31m'x'\nsecond line"))
    await ended(executions, store, call)
    assert caplog.messages[-1].endswith(" s: KeyError: ?[31m'x'")
