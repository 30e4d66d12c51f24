"""`retry=Retry(...)`: functions that are called again after they failed."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf import (
    CallFailed,
    CallStatus,
    CallTimedOut,
    ConfigError,
    InvalidArgument,
    InvalidType,
    ProtocolError,
    Retry,
    Retrying,
)

pytestmark = pytest.mark.looptime


def now():
    return asyncio.get_running_loop().time()


def fails(service, times, **how):
    """Let the first calls end so, and later ones well."""
    real, left = service._start, [times]

    def start(seen):
        if left[0]:
            left[0] -= 1
            seen.body["data"] |= how
        return real(seen)

    service._start = start


async def test_until_it_completes(client, service):
    """A function that fails twice is called three times; the handle stands for the last call and knows the others."""
    fails(service, 2, error="oops")
    handle = client.call(1, data={"value": "well"}, retry=Retry())
    assert handle.attempts == ()
    assert await handle.response() == "well"
    first, second, third = service.calls
    assert handle.call_id == third
    assert [(call.id, call.status) for call in handle.attempts] == [(first, "Failed"), (second, "Failed")]
    assert (client.stats().made, client.stats().completed, client.stats().places) == (1, 1, 0)


async def test_in_vain(client, service):
    """After the last call its error is raised."""
    fails(service, 10, error="oops")
    handle = client.call(1, retry=Retry(attempts=2))
    with pytest.raises(CallFailed, match="oops") as caught:
        await handle
    assert caught.value.ref.call_id == list(service.calls)[1]
    assert [call.id for call in handle.attempts] == list(service.calls)[:1]


@pytest.mark.parametrize(("on", "calls"), [("Failed", 1), ("Timeout", 2), ((CallStatus.Failed, "Timeout"), 2)])
async def test_on(client, service, on, calls):
    """Only after the ends that are named the function is called again."""
    fails(service, 1, timeout=True)
    try:
        await client.call(1, retry=Retry(on=on))
    except CallTimedOut:
        assert calls == 1
    assert len(service.calls) == calls


async def test_wait(client, service):
    """The wait in seconds passes between two calls."""
    fails(service, 1, error="oops", seconds=1)
    await client.call(1, retry=Retry(wait=30))
    first, second = service.of("start")
    assert second.at - first.at >= 31


async def test_cancelled_in_between(client, service):
    """A call that is cancelled while it waits to be repeated is not."""
    fails(service, 1, error="oops")
    handle = client.call(1, retry=Retry(wait=30))
    await asyncio.sleep(10)
    assert handle.status == "Queued"
    handle.cancel()
    await asyncio.sleep(60)
    assert len(service.calls) == 1
    assert (client.stats().withdrawn, client.stats().waiting) == (1, 0)


async def test_nobody_waits(client, service):
    """Without a handle, a function that failed is left at that."""
    fails(service, 1, error="oops")
    handle = client.call(1, retry=Retry())
    await handle.submitted()
    handle.detach()
    await asyncio.sleep(60)
    assert len(service.calls) == 1


async def test_closed_in_between(service, reports):
    """The closing of the client ends a call that waits to be repeated."""
    fails(service, 1, error="oops")
    async with service.client() as client:
        handle = client.call(1, retry=Retry(wait=30))
        await asyncio.sleep(10)
    assert "called again" in str(handle.exception())


async def test_in_doubt(client, service):
    """What may be called again after a failure may also be sent again after a lost answer."""
    service.fault("start", ProtocolError("reset"))
    await client.call(1, retry=Retry())
    assert now() < 5


async def test_through_a_bound_function(client, service):
    """`fn(data, retry=...)` accepts a `Retry` as well."""
    fails(service, 1, error="oops")
    assert await client.function(1)({"value": "well"}, retry=Retry()) == "well"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"retry": 3}, InvalidType),
        ({"retry": Retry}, InvalidType),
        ({"retry": Retry(), "nonce": "own"}, InvalidArgument),
    ],
    ids=str,
)
async def test_bad_arguments(client, service, arguments, error):
    """A value that is not a valid `retry`, or not with a nonce, is rejected before anything is sent."""
    with pytest.raises(error):
        client.call(1, **arguments)
    assert not service.seen


@pytest.mark.parametrize(
    "settings", [{"attempts": 0}, {"on": ()}, {"on": "Completed"}, {"wait": -1}, {"attempts": "3"}, {"on": 5}], ids=str
)
def test_bad_settings(settings):
    """Invalid counts, statuses and waits are rejected."""
    with pytest.raises(ConfigError):
        Retry(**settings)


async def test_moved_to_a_new_id(service):
    """A call that moves to a function's new id has cost no attempt: its nonce may be refused once more, of two."""
    async with service.client(retrying=Retrying(attempts=2)) as client:
        await client.call("double")
        service.fault("start", service.error(400, "no such function"), service.error(400, "invalid nonce"))
        service.functions = {"double": 9}
        assert (await client.call("double")).function_id == 9
