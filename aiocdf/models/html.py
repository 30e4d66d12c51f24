"""Values of the service as HTML tables, which Jupyter shows instead of their repr."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import attrs

__all__ = ["HtmlTable", "ItemList"]

T = TypeVar("T")

# A notebook file stores each row that it shows.
_MOST_ROWS = 100


class HtmlTable:
    """A model that Jupyter shows as a table of its fields."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return _table((_cell(name, "th"), _cell(_text(value))) for name, value in _fields(self).items())


class ItemList(list[T]):
    """A list that Jupyter shows as a table with one row per item."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        rows = [_fields(item) for item in self[:_MOST_ROWS]]
        names = list(dict.fromkeys(name for row in rows for name in row))
        head = [_cell(name, "th") for name in names]
        table = _table([head, *([_cell(_text(row.get(name))) for name in names] for row in rows)])
        shown = f" (the first {_MOST_ROWS} are shown)" if len(self) > _MOST_ROWS else ""
        return f"{table}<p>{len(self):,} {'item' if len(self) == 1 else 'items'}{shown}</p>"


def _fields(item: Any) -> dict[str, Any]:
    """Return the fields that the model's repr shows, without empty ones."""
    if not attrs.has(type(item)):
        return {"value": item}
    found = {field.name: getattr(item, field.name) for field in attrs.fields(type(item)) if field.repr}
    return {name: value for name, value in found.items() if value is not None and value not in ((), {}, [])}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
        case str():
            return str(value)
        case Mapping():
            return ", ".join(f"{name}: {_text(held)}" for name, held in value.items())
        case _ if isinstance(message := getattr(value, "message", None), str):
            return message
        case _:
            return str(value)


def _table(rows: Iterable[Iterable[str]]) -> str:
    lines = "".join(f"<tr>{''.join(row)}</tr>" for row in rows)
    return f"<table>{lines}</table>"


def _cell(text: str, kind: str = "td") -> str:
    from html import escape  # slow to import, and only notebooks need it

    return f'<{kind} style="text-align: left">{escape(text)}</{kind}>'
