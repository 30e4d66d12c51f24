"""Paging by opaque cursors over descending ids."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiocdf.local.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiocdf.local.http.fields import Fields

__all__ = ["from_cursor", "page"]


class Identified(Protocol):
    """A record that can be paged over."""

    @property
    def id(self) -> int:
        """Its id."""


Record = TypeVar("Record", bound=Identified)


def from_cursor(fields: Fields) -> int | None:
    """Return the id below which the page asked for begins, or None for the first page."""
    cursor = fields.optional_text("cursor")
    if cursor is None:
        return None
    try:
        return int(base64.urlsafe_b64decode(cursor))
    except ValueError:
        raise Problem(400, "cursor is not one that this server has given") from None


def page(records: Sequence[Record], limit: int, show: Callable[[Record], dict[str, Any]]) -> dict[str, Any]:
    """Return a page of the first `limit` records, with a cursor if there are more."""
    shown = records[:limit]
    answer: dict[str, Any] = {"items": [show(record) for record in shown]}
    if len(records) > limit:
        answer["nextCursor"] = base64.urlsafe_b64encode(b"%d" % shown[-1].id).decode()
    return answer
