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

__all__ = ["Columns", "cell", "plain", "show_items", "show_one", "write_json"]


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
        console.print(_table(found, columns) if found else "There are none.")


def show_one(item: Any, form: str, *, hidden: Iterable[str] = ()) -> None:
    """Write one attrs value: as a table of its fields, or as JSON.

    Args:
        item: The value.
        form: `table`, `json` or `jsonl`.
        hidden: Fields that the table leaves out; it also leaves out those without a value.
    """
    console = open_console()
    if form != "table":
        write_json(console, plain(item), indent=None if form == "jsonl" else 2)
        return
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for field in attrs.fields(type(item)):
        value = getattr(item, field.name)
        if field.name not in {"extra", *hidden} and value not in (None, {}, ()):
            table.add_row(field.name.replace("_", " "), cell(value))
    console.print(table)


def plain(value: Any) -> Any:
    """Return an attrs value as JSON can hold it, by the names of its fields; times are ISO 8601 text."""
    return attrs.asdict(
        value,
        filter=lambda field, _: field.name != "extra",
        value_serializer=lambda _, __, inner: inner.isoformat() if isinstance(inner, datetime) else inner,
    )


def write_json(console: Console, value: Any, *, indent: int | None = 2) -> None:
    """Write a JSON value as it is: no colours, no wrapped lines."""
    console.file.write(json.dumps(value, indent=indent, ensure_ascii=False) + "\n")
    console.file.flush()


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
        case _ if attrs.has(type(value)):
            return ", ".join(f"{name.replace('_', ' ')} {cell(inner)}" for name, inner in plain(value).items())
        case dict():
            return ", ".join(f"{name}={cell(inner)}" for name, inner in value.items())
        case tuple() | list():
            return ", ".join(map(cell, value))
        case _:
            return str(value)


def _table(items: Iterable[Any], columns: Columns) -> Table:
    table = Table(box=None, padding=(0, 3, 0, 0))
    for heading in columns:
        # A number or a time is read in one piece; names and messages go on in the next line.
        whole = heading.endswith("id") or heading in {"status", "seconds"}
        table.add_column(heading, overflow="fold", no_wrap=whole, justify="right" if heading == "seconds" else "left")
    for item in items:
        table.add_row(*(cell(value(item)) for value in columns.values()))
    return table
