"""Tables for records, with a column for each field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import attrs

from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Table"]

Record = TypeVar("Record", bound=attrs.AttrsInstance)


class Table(Generic[Record]):
    """Stores the records of a class in a table.

    Numbers, text and None are stored unchanged, other values as JSON in bytes.

    Args:
        name: The name of the table.
        record: The class. Its first field is `id`. Its converters must accept decoded JSON.
    """

    def __init__(self, name: str, record: type[Record]) -> None:
        self.name = name
        self._record = record
        self._fields = tuple(field.name for field in attrs.fields(record))
        #: The columns of a row for `read`, for SELECT and RETURNING.
        self.columns: str = ", ".join(f'"{field}"' for field in self._fields)
        marks = ", ".join("?" * len(self._fields))
        definitions = self.columns.replace('"id"', "id INTEGER PRIMARY KEY")
        self.create: str = f"CREATE TABLE {name} ({definitions});"
        self.insert: str = f"INSERT INTO {name} ({self.columns}) VALUES ({marks})"  # noqa: S608 - constant names
        self.select: str = f"SELECT {self.columns} FROM {name}"  # noqa: S608 - as above
        assignments = ", ".join(f'"{field}" = ?' for field in self._fields)
        #: Its parameters are a row and the id.
        self.update: str = f"UPDATE {name} SET {assignments} WHERE id = ?"  # noqa: S608 - as above

    def row(self, record: Record) -> tuple[Any, ...]:
        """Return the values of a record, in the order of its fields."""
        return tuple(_kept(getattr(record, field)) for field in self._fields)

    def read(self, row: Iterable[Any]) -> Record:
        """Return the record of a row."""
        return self._record(**dict(zip(self._fields, map(_read, row), strict=True)))


def _kept(value: Any) -> Any:
    if value is None or (isinstance(value, int | float | str) and not isinstance(value, bool)):
        return value
    return json.dumps(value, default=_plain).encode()


def _read(value: Any) -> Any:
    return json.loads(value) if isinstance(value, bytes) else value


def _plain(value: Any) -> Any:
    """Return the JSON value for a value. It may contain secrets, because only the owner can read the database."""
    if isinstance(value, Secret):
        return value.reveal()
    return sorted(value) if isinstance(value, frozenset) else list(value)
