from __future__ import annotations

import asyncio
import sys
import tracemalloc
from collections.abc import Awaitable, Callable, Iterator
from typing import TYPE_CHECKING, Any, Self

import pytest
from gauges import Took, traced
from scale import LINEAR, Row, accept, attach_and, bytes_a_call, fill, pinned, time_out
from substitutes import Answering, Still, opened

if TYPE_CHECKING:
    from aiocdf import Client
    from aiocdf.handle import CallHandle


class Tally:
    """Counts the functions that this thread calls, in each turn of the loop, while it is entered."""

    def __init__(self) -> None:
        self.turns = [0]

    def __enter__(self) -> Self:
        self._next = asyncio.get_running_loop().call_soon(self._beat)
        sys.setprofile(self._count)
        return self

    def __exit__(self, *_: object) -> None:
        sys.setprofile(None)
        self._next.cancel()

    def _count(self, _: object, event: str, __: object) -> None:
        self.turns[-1] += event in {"call", "c_call"}

    def _beat(self) -> None:
        self.turns.append(0)
        self._next = asyncio.get_running_loop().call_soon(self._beat)


@pytest.fixture
def traces() -> Iterator[None]:
    """Ends what `traced` starts."""
    yield
    tracemalloc.stop()


async def quickest(measure: Callable[[], Awaitable[Took]]) -> float:
    """The least processor time of three, for nothing makes a measurement shorter than it is."""
    return min([(await measure()).own for _ in range(3)])


async def busiest_turn_of_closing(count: int) -> int:
    async with opened(Still()) as client:
        await fill(client, [None] * count)
        with Tally() as tally:
            await client.aclose()
    return max(tally.turns)


async def calls_to_accept(functions: int) -> float:
    with Tally() as tally:
        await accept(functions)
    return sum(tally.turns) / functions


async def test_queued_calls_take_little_memory(traces: None) -> None:
    """A queued call takes no more than 700 bytes beyond its data."""
    assert await bytes_a_call(5_000, traced) <= 700


async def test_the_loop_goes_round_while_many_calls_are_closed() -> None:
    """However many calls are queued, `aclose` does no more in one turn of the loop."""
    few, many = await busiest_turn_of_closing(10_000), await busiest_turn_of_closing(40_000)

    assert many <= LINEAR * few


@pytest.mark.looptime
@pytest.mark.parametrize(
    ("end", "part"), [("detach", 0), ("detach", 1), ("completion", 1)], ids=["made", "detached", "completed"]
)
async def test_handles_on_one_call_cost_the_same_each(end: str, part: int) -> None:
    """Handles on one call take a time in proportion to their number, from attach to their end."""

    async def measure(count: int) -> Took:
        return (await attach_and(count, detach=end == "detach"))[part]

    few, many = await quickest(lambda: measure(2_000)), await quickest(lambda: measure(8_000))

    assert many / 4 <= LINEAR * few


@pytest.mark.looptime
@pytest.mark.parametrize(
    "wait", [lambda handle: lambda: handle, lambda handle: handle.submitted], ids=["end", "submitted"]
)
async def test_waiters_that_time_out_together_cost_the_same_each(
    wait: Callable[[CallHandle], Callable[[], Awaitable[Any]]],
) -> None:
    """Tasks that wait on one handle and time out together take a time in proportion to their number."""
    async with opened(Still()) as client:
        handle = client.call(1, {"key": 1})
        few, many = [await quickest(lambda n=n: time_out(n, wait(handle))) for n in (1_500, 6_000)]

    assert many / 4 <= LINEAR * few


@pytest.mark.looptime
async def test_the_measure_of_waiters_finds_plain_asyncio_in_proportion() -> None:
    """Tasks that each wait for a future and time out together cost the same each: the measure itself does not grow."""
    future = asyncio.get_running_loop().create_future
    few, many = [await quickest(lambda n=n: time_out(n, future)) for n in (1_500, 6_000)]

    assert many / 4 <= LINEAR * few


@pytest.mark.looptime
async def test_functions_cost_the_same_each() -> None:
    """To start a call of each of many functions takes as many steps a call as with few functions."""
    await accept(50)  # the first calls take longer, which is not growth
    few, many = await calls_to_accept(50), await calls_to_accept(500)

    assert many <= LINEAR * few


async def test_a_kept_handle_keeps_no_engine() -> None:
    """A finished handle that outlives its client keeps nothing of the client but its own record."""
    there, left = await pinned()

    assert there > 1
    assert dict(left) == {}


@pytest.mark.looptime
async def test_short_calls_one_after_the_other_take_little_more_than_their_requests(service, client: Client) -> None:
    """Once it is known that a function takes a millisecond, its end is seen soon: within 35 ms of the call being made."""
    service.latency = 0.001
    loop, seconds = asyncio.get_running_loop(), []
    for _ in range(20):
        began = loop.time()
        await client.call("double", {"seconds": 0.001, "value": 1}).response()
        seconds.append(loop.time() - began)

    assert max(seconds[10:]) <= 0.035


async def test_the_stand_in_answers_as_it_was_told() -> None:
    """The answering transport lets calls run until the test ends them."""
    service = Answering()
    async with opened(service) as client:
        handle = client.call(1, {"key": 1})
        call = await handle.submitted()
        service.ended = True
        ended = await handle

    assert (call.ended, ended.ended, ended.id) == (False, True, call.id)


def test_the_table_tells_what_misses_its_target() -> None:
    """A row says whether its target was met, if there is one."""
    rows = [Row("a", "<= 1", "2", met=False), Row("b", "<= 1", "1", met=True), Row("c", "", "3")]

    assert [str(row) for row in rows] == ["| a | <= 1 | 2 | **no** |", "| b | <= 1 | 1 | yes |", "| c |  | 3 |  |"]
