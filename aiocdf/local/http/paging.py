"""Paging by opaque cursors over descending ids."""

from __future__ import annotations

import base64
import contextlib
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from aiocdf.local.http.fields import MAX_ID

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from aiocdf.local.http.fields import Fields

__all__ = ["from_cursor", "page"]


class Identified(Protocol):
    """A record with an id."""

    @property
    def id(self) -> int:
        """The id of the record."""


Record = TypeVar("Record", bound=Identified)


def from_cursor(fields: Fields) -> int | None:
    """Return the id below which the requested page starts; None for the first page."""
    cursor = fields.optional_text("cursor")
    if cursor is None:
        return None
    before = 0
    with contextlib.suppress(ValueError):
        before = int(base64.urlsafe_b64decode(cursor))
    if not 0 < before <= MAX_ID or _cursor(before) != cursor:
        fields.refuse("cursor", "is not valid: use nextCursor of an earlier response")
    return before


def page(records: Sequence[Record], limit: int, show: Callable[[Record], dict[str, Any]]) -> dict[str, Any]:
    """Return a page with the first *limit* records, and a cursor if there are more."""
    shown = records[:limit]
    answer: dict[str, Any] = {"items": [show(record) for record in shown]}
    if len(records) > limit:
        answer["nextCursor"] = _cursor(shown[-1].id)
    return answer


def _cursor(last: int) -> str:
    return base64.urlsafe_b64encode(b"%d" % last).decode()
