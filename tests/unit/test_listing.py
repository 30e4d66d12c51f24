"""Lists of the service, page by page."""

from __future__ import annotations

import pytest

from aiocdf import InvalidArgument, InvalidType, ItemList, Listing
from aiocdf._wire.pages import Page


class Numbers:
    """Answers as the service does, and keeps what was requested."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.requests: list[tuple[int, str | None]] = []

    async def read(self, size: int, cursor: str | None) -> Page[int]:
        self.requests.append((size, cursor))
        first = int(cursor or 0)
        end = min(first + size, self.count)
        return Page(items=range(first, end), cursor=str(end) if end < self.count else None)


async def test_all_items_come_with_await() -> None:
    """Pages are read to the end, in order, and the result is a list."""
    numbers = Numbers(7)

    items = await Listing(numbers.read, limit=None, page_size=3)

    assert items == list(range(7))
    assert isinstance(items, ItemList)
    assert numbers.requests == [(3, None), (3, "3"), (3, "6")]


async def test_pages_are_read_as_they_are_needed() -> None:
    """A loop that is left early leaves the rest unread."""
    numbers = Numbers(7)

    async for item in Listing(numbers.read, limit=None, page_size=3):
        if item == 2:
            break

    assert numbers.requests == [(3, None)]


@pytest.mark.parametrize(("limit", "sizes"), [(2, [2]), (3, [3]), (5, [3, 2]), (9, [3, 3, 3])])
async def test_a_limit_bounds_items_and_requests(limit: int, sizes: list[int]) -> None:
    """A request has at most as many items as the limit leaves."""
    numbers = Numbers(7)

    assert await Listing(numbers.read, limit=limit, page_size=3) == list(range(min(limit, 7)))
    assert [size for size, _ in numbers.requests] == sizes


async def test_a_page_with_more_than_was_asked_for_is_cut() -> None:
    """The limit holds also where the service does not keep to it."""

    async def read(size: int, cursor: str | None) -> Page[int]:
        return Page(items=[1, 2, 3])

    assert await Listing(read, limit=2) == [1, 2]


async def test_each_use_reads_anew() -> None:
    """A listing can be used again."""
    numbers = Numbers(2)
    listing = Listing(numbers.read, limit=None)

    assert await listing == [item async for item in listing]
    assert len(numbers.requests) == 2


def test_a_limit_is_checked_when_the_listing_is_made() -> None:
    """An invalid limit raises at once, without an event loop."""
    with pytest.raises(InvalidArgument):
        Listing(Numbers(1).read, limit=0)
    with pytest.raises(InvalidType):
        Listing(Numbers(1).read, limit=2.5)  # type: ignore[arg-type]
