"""The events that observers get of calls, whatever becomes of these."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress

import pytest

from aiocdf import (
    AiocdfError,
    CallAttached,
    CallEnded,
    CallMoved,
    CallPosted,
    CallQueued,
    CallsPaused,
    CallsPolled,
    CallsResumed,
    CallsThrottled,
    ClientClosed,
    ConnectError,
    Retry,
)

pytestmark = pytest.mark.looptime


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


async def test_the_life_of_a_call(service):
    """A call is queued, posted, polled and ended, in this order, and its events have one number."""
    events = []
    async with service.client(observers=[events.append]) as client:
        call = await client.call("double", data={"seconds": 3})

    kinds = (CallQueued, CallPosted, CallMoved, CallEnded)
    assert {event.number for event in events if isinstance(event, kinds)} == {1}
    assert [(event.before, event.now) for event in of(events, CallMoved)] == [
        ("waiting", "submitting"),
        ("submitting", "running"),
        ("running", "completed"),
    ]
    first_poll = of(events, CallsPolled)[0]
    assert (first_poll.function_id, first_poll.call_ids) == (1, (call.id,))
    order = [events.index(of(events, kind)[0]) for kind in (CallQueued, CallPosted, CallsPolled, CallEnded)]
    assert order == sorted(order)
    assert events.index(of(events, CallEnded)[0]) < events.index(of(events, CallMoved)[-1])


async def test_moves_add_up_to_the_stats(service):
    """The moves of all calls add up to the counts of `stats()`, however calls end."""
    events = []
    service.function_limit = 3
    async with service.client(observers=[events.append]) as client:
        handles = [client.call("double", data={"seconds": n, **end}) for n in range(4) for end in ({}, {"error": {}})]
        handles += [client.call("double", data={"timeout": 1}), client.call("missing"), client.attach(1, 99)]
        cancelled = client.call("double")
        await asyncio.sleep(0.05)
        cancelled.cancel()
        for handle in handles:
            with suppress(AiocdfError):
                await handle
        stats = client.stats()

    counts = Counter(waiting=len(of(events, CallQueued)), running=len(of(events, CallAttached)))
    for move in of(events, CallMoved):
        counts[move.before] -= 1
        counts[move.now] += 1
    names = ["completed", "failed", "timed_out", "lost", "refused", "withdrawn", "waiting", "submitting", "running"]
    assert {name: counts[name] for name in names} == {name: getattr(stats, name) for name in names}
    assert (stats.completed, stats.failed, stats.refused, stats.lost, stats.withdrawn) == (4, 4, 1, 1, 1)


async def test_an_error_of_ours_is_in_the_last_move(service):
    """The last move of a call that the client's closing ends has the error; the function's own failure is none of ours."""
    events = []
    async with service.client(observers=[events.append]) as client:
        with suppress(AiocdfError):
            await client.call(1, data={"error": {"message": "no"}})
        client.call(1, data={"seconds": 100})
        await asyncio.sleep(1)

    failed, closed = (move for move in of(events, CallMoved) if move.ended)
    assert (failed.now, failed.error) == ("failed", None)
    assert (closed.now, type(closed.error)) == ("cancelled", ClientClosed)


async def test_a_repeated_call(service):
    """A call that is repeated ends at the service, and goes back into the queue, with the same number."""
    events = []
    async with service.client(observers=[events.append]) as client:
        with suppress(AiocdfError):
            await client.call(1, data={"error": {"message": "no"}}, retry=Retry(attempts=2))

    assert [event.number for event in of(events, CallEnded)] == [1, 1]
    assert ("running", "waiting") in [(event.before, event.now) for event in of(events, CallMoved)]


async def test_throttled(service):
    """A call that the service turns away with 429 is named by its number."""
    events = []
    service.fault("start", service.error(429, "too many running calls of this function"))
    async with service.client(observers=[events.append]) as client:
        await client.call(1)

    assert [event.number for event in of(events, CallsThrottled)] == [1]


@pytest.mark.parametrize(("request_kind", "what"), [("session", "submissions"), ("lookup", "look-ups")])
async def test_pauses(service, request_kind, what):
    """Observers get an event when trouble opens a breaker, and one with its length when it is over."""
    events = []
    service.always(request_kind, ConnectError("no route"))
    async with service.client(observers=[events.append], connect_patience=100.0) as client:
        handle = client.call("double")
        await asyncio.sleep(20)
        assert [event.what for event in of(events, CallsPaused)] == [what]
        service.always(request_kind, None)
        await handle

    (resumed,) = of(events, CallsResumed)
    assert (resumed.what, resumed.function_id) == (what, None)
    assert resumed.seconds > 10
