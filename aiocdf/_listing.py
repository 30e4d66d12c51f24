"""The result of `list(...)` methods: the items page by page, or all at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Generic, TypeVar

from aiocdf._wire.arguments import check_limit
from aiocdf.models.html import ItemList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Generator

    from aiocdf._wire.pages import Page

__all__ = ["Listing"]

T = TypeVar("T")


class Listing(Generic[T]):
    """Items of the service: `async for item in listing` reads them page by page, `await listing` returns all at once.

    Nothing is sent before that. Each `async for` or `await` reads the items again.

    Args:
        read: Reads one page. Its arguments are the number of items to request, and the cursor from the previous page.
        limit: The maximum number of items; None for all.
        page_size: The maximum number of items in one request.

    Raises:
        UsageError: *limit* is not a whole number of at least 1.
    """

    def __init__(
        self,
        read: Callable[[int, str | None], Awaitable[Page[T]]],
        *,
        limit: int | None,
        page_size: int = 1000,
    ) -> None:
        self._read = read
        self._limit = check_limit(limit)
        self._page_size = page_size

    async def __aiter__(self) -> AsyncIterator[T]:
        """Yield the items; a page is read after all items of the previous page were received."""
        left, cursor = self._limit, None
        while left is None or left > 0:
            page = await self._read(self._page_size if left is None else min(left, self._page_size), cursor)
            for item in page.items[:left]:
                yield item
            left = None if left is None else left - len(page.items)
            cursor = page.cursor
            if cursor is None:
                return

    def __await__(self) -> Generator[Any, None, ItemList[T]]:
        """Return all items."""
        return self._all().__await__()

    async def _all(self) -> ItemList[T]:
        return ItemList([item async for item in self])

    def __repr__(self) -> str:
        """Show how to get the items: the listing itself has none."""
        return "<Listing: `await` it for all items, or use `async for`>"
