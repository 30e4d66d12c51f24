"""The records of an input file: their positions, and the data of each."""

from __future__ import annotations

import codecs
import csv
import json
from typing import IO, TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiocdf.batch.settings import InputFormat

__all__ = ["BadRecord", "Record", "header", "records"]


class BadRecord(Exception):
    """A record is not a valid input; the message says why, without the line number."""


@attrs.frozen
class Record:
    """One record, not parsed yet: most of those that a resumed map reads are done."""

    #: The number of its first line, from 1.
    line: int
    #: A line of JSON; for CSV the fields, or why they are not readable.
    raw: bytes | list[str] | str
    #: The names of the fields, for CSV.
    names: tuple[str, ...] = ()

    @property
    def size(self) -> int:
        """How much memory it takes, roughly."""
        return len(self.raw) if isinstance(self.raw, bytes | str) else sum(map(len, self.raw))

    def data(self) -> dict[str, Any]:
        """Return the data for the function.

        Raises:
            BadRecord: It has none.
        """
        if isinstance(self.raw, bytes):
            return _json_object(self.raw)
        if isinstance(self.raw, str):
            raise BadRecord(self.raw)
        if len(self.raw) != len(self.names):
            raise BadRecord(f"it has {len(self.raw)} fields, and the header has {len(self.names)}")
        if not all(map(_is_text, self.raw)):
            raise BadRecord("it is not UTF-8")
        return dict(zip(self.names, self.raw, strict=True))

    def key(self, field: str) -> str:
        """Return the key in a field of the data, as JSON.

        Raises:
            BadRecord: The field is not there, or is neither text nor a whole number.
        """
        value = self.data().get(field)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise BadRecord(f"its key {field!r} must be text or a whole number, not {json.dumps(value)[:40]}")
        return json.dumps(value)


def records(file: IO[bytes], form: InputFormat) -> Iterator[Record]:
    """Read the records of a file, from its beginning; blank lines are none.

    Args:
        file: Open, at its beginning.
        form: How it is written.
    """
    if form == "csv":
        yield from _csv_records(file)
        return
    for line, raw in enumerate(file, 1):
        text = raw.removeprefix(codecs.BOM_UTF8) if line == 1 else raw
        if not text.isspace() and text:
            yield Record(line, text)


def header(file: IO[bytes]) -> tuple[str, ...]:
    """Return the names in the first row of a CSV file.

    Raises:
        BadRecord: There are none, or they are not valid names.
    """
    try:
        names = tuple(next(_rows(file)))
    except (StopIteration, csv.Error):
        names = ()
    if not names or not all(names) or not all(map(_is_text, names)):
        raise BadRecord("its first line must have a name for each column")
    if len(set(names)) < len(names):
        raise BadRecord("two columns have the same name in its first line")
    return names


def _csv_records(file: IO[bytes]) -> Iterator[Record]:
    rows = _rows(file)
    names = tuple(next(rows, ()))
    while True:
        line = rows.line_num + 1
        try:
            row = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Record(line, f"it is not CSV: {error}", names)
            continue
        if row:
            yield Record(line, row, names)


def _rows(file: IO[bytes]) -> Any:
    return csv.reader(_decoded(file), strict=True)


def _decoded(file: IO[bytes]) -> Iterator[str]:
    """Yield the lines of a file as text; only a record with invalid UTF-8 is invalid."""
    for number, raw in enumerate(file):
        yield (raw.removeprefix(codecs.BOM_UTF8) if number == 0 else raw).decode("utf-8", "surrogateescape")


def _is_text(value: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in value)


def _json_object(raw: bytes) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except UnicodeDecodeError:
        raise BadRecord("it is not UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise BadRecord(f"it is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise BadRecord(f"it must be a JSON object, not {type(data).__name__}")
    return data
