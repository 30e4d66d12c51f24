"""Pages of lists."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from aiocdf._wire.json import items_in, read_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf._wire.http import Request, Response

__all__ = ["Page", "read_page"]

T = TypeVar("T")


@attrs.frozen(kw_only=True)
class Page(Generic[T]):
    """One page of a list."""

    items: Sequence[T]
    #: The cursor for the next page; None after the last page.
    cursor: str | None = None


def read_page(request: Request, response: Response, kind: type[T]) -> Page[T]:
    """Return an answer as one page of a list, each item a *kind*.

    Raises:
        DecodeError: The answer is not a page, or an item does not fit.
    """
    body = read_json(request, response)
    items = items_in(request, body, kind)
    cursor = body.get("nextCursor")
    return Page(items=items, cursor=cursor if isinstance(cursor, str) else None)
