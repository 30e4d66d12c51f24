"""One suite for the service in memory and the local server: what a client meets at one, it meets at the other."""

from __future__ import annotations

import asyncio

import pytest

import aiocdf
from aiocdf import CallFailed, NotFound
from aiocdf.errors import BadRequest
from aiocdf.local import Limits
from aiocdf.testing import FakeService, ServerThread


def double(data):
    return {"value": 2 * data["x"]}


def nothing(data):
    return None


def fails(data):
    raise ValueError(f"no {data['x']}")


def slow(data):
    import time

    time.sleep(data.get("seconds", 0))


HANDLES = [double, nothing, fails]
FEW = 2


@pytest.fixture(scope="module")
def server():
    """A local server that runs few calls at once."""
    with ServerThread(limits=Limits(calls_per_function=FEW, calls_per_project=10)) as server:
        for handle in (*HANDLES, slow):
            server.deploy(handle)
        yield server


@pytest.fixture(params=["in memory", "local server"])
def new_client(request):
    """Makes clients of the service of this test."""
    if request.param == "local server":
        return request.getfixturevalue("server").client
    service = FakeService(function_limit=FEW, latency=0.001)
    for handle in HANDLES:
        service.add(handle.__name__, handle, seconds=0.05)
    service.add("slow", lambda _: None, seconds=0.3)
    return service.client


@pytest.fixture
async def client(new_client):
    """A client of it."""
    async with new_client() as client:
        yield client


async def test_a_call_that_completes(client):
    """It has an id, a start, an end and a value, and can be found again by its ids."""
    handle = client.call("double", data={"x": 2})
    call = await handle
    assert (call.status, call.function_id, call.error) == ("Completed", handle.function_id, None)
    assert call.start_time <= call.end_time
    assert await handle.response() == {"value": 4}
    assert await client.attach("double", call.id) == call


async def test_a_call_that_returns_nothing(client):
    """Its response is None."""
    assert await client.call("nothing").response() is None


async def test_a_call_that_fails(client):
    """The error has the message of what was raised, and its traceback."""
    with pytest.raises(CallFailed) as caught:
        await client.call("fails", data={"x": 5})
    assert caught.value.call.error.message == "ValueError: no 5"
    assert "ValueError" in caught.value.call.error.trace


async def test_an_unknown_function(client):
    """It is named in `missing`."""
    with pytest.raises(NotFound) as caught:
        await client.call("nobody")
    assert [*caught.value.missing] == [{"externalId": "nobody"}]


async def test_an_unknown_call(client):
    """Retrieving it is not found."""
    call = await client.call("nothing")
    with pytest.raises(NotFound):
        await client.calls.retrieve(call.function_id, call.id - 1)


async def test_a_spent_nonce(client):
    """A nonce starts one call; with it a second is refused."""
    session = await client.sessions.create()
    call = await client.call("nothing", nonce=session.nonce)
    assert call.status == "Completed"
    with pytest.raises(BadRequest):
        await client.call("nothing", nonce=session.nonce)


async def test_full(client, new_client):
    """Above the limit of running calls of a function, a call is turned away with 429, and runs when there is room."""
    turned_away = []

    def watch(event):
        if isinstance(event, aiocdf.CallsThrottled):
            turned_away.append(event)

    async with new_client(observers=[watch]) as other:
        calls = await asyncio.gather(*(other.call("slow", data={"seconds": 0.3}) for _ in range(FEW + 1)))
    assert {call.status for call in calls} == {"Completed"}
    assert turned_away
