"""Requests for more items than one takes."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf import DecodeError, NotFound
from aiocdf._chunks import in_chunks, in_order

pytestmark = pytest.mark.looptime


class Service:
    """Takes a second for each chunk, and refuses some."""

    def __init__(self, *refused: int) -> None:
        self.refused = refused
        self.chunks: list[list[int]] = []
        self.now = self.most = 0
        self.ended = 0

    async def send(self, chunk) -> list[str]:
        self.chunks.append(list(chunk))
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await asyncio.sleep(1 / chunk[0])
            if set(self.refused) & set(chunk):
                raise NotFound("no", status=400, code=400, detail="no")
        finally:
            self.now -= 1
        self.ended += 1
        return [str(item) for item in chunk]


async def test_order_and_sizes() -> None:
    """Results come in the order of the items, although later chunks are answered first; an item goes once."""
    service = Service()

    assert await in_chunks([1, 2, 3, 2, 4, 5], 2, service.send) == ["1", "2", "3", "4", "5"]
    assert service.chunks == [[1, 2], [3, 4], [5]]


async def test_a_few_at_once() -> None:
    """At most four requests are under way."""
    service = Service()

    await in_chunks(range(1, 100), 5, service.send)

    assert service.most == 4


async def test_nothing_to_send() -> None:
    """Without items there is no request."""
    service = Service()

    assert await in_chunks([], 5, service.send) == []
    assert service.chunks == []


async def test_the_first_error_ends_the_others() -> None:
    """The error is raised as it is, and what is under way is cancelled."""
    service = Service(4)

    with pytest.raises(NotFound):
        await in_chunks([1, 2, 3, 4], 1, service.send)

    assert (service.ended, service.now) == (0, 0)


async def test_cancelled() -> None:
    """Cancelling the caller ends all requests."""
    service = Service()

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(in_chunks([1, 2, 3, 4], 1, service.send), 0.01)

    assert service.now == 0


def test_found_in_order() -> None:
    """One value for each name, also for a name that is there twice; what did not come is left out if it may be."""
    found = {1: "a", 2: "b"}

    assert in_order([2, 1, 2], found, what="call", ignore_unknown=False) == ["b", "a", "b"]
    assert in_order([2, 3], found, what="call", ignore_unknown=True) == ["b"]
    with pytest.raises(DecodeError):
        in_order([2, 3], found, what="call", ignore_unknown=False)
