"""What commands write to stdout: tables for people, JSON for programs."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

import attrs
from rich.table import Table

from aiocdf.cli.base.console import open_console

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, Callable, Iterable, Mapping

    from rich.console import Console

    Columns = Mapping[str, Callable[[Any], object]]

__all__ = ["cell", "plain", "show_items", "show_one", "write_json"]


# Columns that a narrow terminal leaves to a text at least: those of a day.
_DAY = 10
_FAILED = {"Failed", "Timeout"}


async def show_items(items: AsyncIterable[Any], columns: Columns, form: str) -> None:
    """Write items as a table, as one JSON array, or as a JSON object on each line, as they come.

    Args:
        items: attrs values.
        columns: What the table shows: the headings, and what stands below them.
        form: `table`, `json` or `jsonl`.
    """
    console = open_console()
    if form == "jsonl":
        async for item in items:
            write_json(console, plain(item), indent=None)
        return
    found = [item async for item in items]
    if form == "json":
        write_json(console, [plain(item) for item in found])
    else:
        _print(console, _table(found, columns) if found else "There are none.")


def show_one(item: Any, form: str, **more: Any) -> None:
    """Write one attrs value: as a table of its fields, or as JSON.

    Args:
        item: The value. The table leaves out fields without a value.
        form: `table`, `json` or `jsonl`.
        more: What belongs to it, but is not a field.
    """
    console = open_console()
    fields = plain(item) | more
    if form != "table":
        write_json(console, fields, indent=None if form == "jsonl" else 2)
        return
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in fields.items():
        if value not in (None, {}, [], ()):
            table.add_row(name.replace("_", " "), cell(value))
    _print(console, table)


def plain(item: Any) -> dict[str, Any]:
    """Return the fields of an attrs value, those of values in it too."""
    return attrs.asdict(item, filter=lambda field, _: field.name != "extra")


def write_json(console: Console, value: Any, *, indent: int | None = 2) -> None:
    """Write a value as JSON: no colours, no wrapped lines, times as ISO 8601 text."""
    console.file.write(json.dumps(value, indent=indent, ensure_ascii=False, default=_text) + "\n")
    console.file.flush()


def _text(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"a {type(value).__name__} has no form in JSON")


def cell(value: object) -> str:
    """Return a value as a table shows it; times are local."""
    match value:
        case None:
            return ""
        case datetime():
            return f"{value.astimezone():%Y-%m-%d %H:%M:%S}"
        case bool():
            return "yes" if value else "no"
        case float():
            return f"{value:g}"
        case dict():
            return "\n".join(f"{name}: {cell(inner).strip()}" for name, inner in value.items() if inner is not None)
        case list() | tuple():
            return ", ".join(map(cell, value))
        case _:
            return str(value)


def _print(console: Console, shown: Table | str) -> None:
    """Write without the spaces with which rich fills lines."""
    with console.capture() as written:
        console.print(shown)
    console.file.writelines(f"{line.rstrip()}\n" for line in written.get().splitlines())


def _table(items: Iterable[Any], columns: Columns) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    for heading in columns:
        # A narrow terminal breaks names and messages, and a time between day and hour, but not a number.
        whole = heading in {"id", "status", "seconds"}
        table.add_column(heading, overflow="fold", no_wrap=whole, min_width=None if whole else _DAY)
    for item in items:
        cells = [cell(value(item)) for value in columns.values()]
        table.add_row(*cells, style="red" if _FAILED & set(cells) else None)
    return table
