"""An input file, read in threads: nothing here blocks the event loop."""

from __future__ import annotations

import asyncio
import hashlib
from itertools import takewhile
from typing import IO, TYPE_CHECKING, Self

import attrs

from aiocdf.batch.inputs.records import BadRecord, Record, header, records
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterator
    from pathlib import Path

    from aiocdf.batch.settings import InputFormat

__all__ = ["Fingerprint", "Source"]

# The limits of one read: records, and bytes.
_RECORDS, _BYTES = 500, 1 << 20

_FORMATS: dict[str, InputFormat] = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv"}


@attrs.frozen
class Fingerprint:
    """What a file holds, so that it is known again."""

    size: int
    sha256: str


@attrs.frozen(kw_only=True)
class Source:
    """An input file as it was found."""

    path: Path
    format: InputFormat
    fingerprint: Fingerprint
    #: How many records it has, good or bad.
    total: int

    @classmethod
    async def open(cls, path: Path, form: InputFormat | None) -> Self:
        """Read a file through once.

        Args:
            path: The file.
            form: How it is written; None to go by its suffix.

        Raises:
            InvalidArgument: It is not readable, is CSV without a header, or has an unknown format.
        """
        form = form or _FORMATS.get(path.suffix.lower())
        if form is None:
            raise InvalidArgument(
                f"the suffix of {str(path)!r} does not show its format: give jsonl or csv as the format"
            )
        try:
            fingerprint, total = await asyncio.to_thread(_survey, path, form)
        except OSError as error:
            raise InvalidArgument(f"cannot read the inputs in {str(path)!r}: {error.strerror}") from None
        except BadRecord as error:
            raise InvalidArgument(f"{str(path)!r} is not valid CSV: {error}") from None
        return cls(path=path, format=form, fingerprint=fingerprint, total=total)

    async def has_grown_from(self, before: Fingerprint) -> bool:
        """Return whether the file begins with its content of *before*."""
        if self.fingerprint.size <= before.size:
            return False
        return await asyncio.to_thread(_digest, self.path, before.size) == before.sha256

    async def chunks(self) -> AsyncIterator[list[Record]]:
        """Yield all records in batches."""
        file = await asyncio.to_thread(self.path.open, "rb")
        try:
            each = records(file, self.format)
            while chunk := await asyncio.to_thread(_take, each):
                yield chunk
        finally:
            file.close()

    async def pick(self, lines: Collection[int]) -> list[Record]:
        """Return the records that begin at these lines."""
        return await asyncio.to_thread(_pick, self.path, self.format, frozenset(lines)) if lines else []


def _survey(path: Path, form: InputFormat) -> tuple[Fingerprint, int]:
    fingerprint = Fingerprint(path.stat().st_size, _digest(path))
    if form == "csv":
        with path.open("rb") as file:
            header(file)
    with path.open("rb") as file:
        return fingerprint, sum(1 for _ in records(file, form))


def _digest(path: Path, size: int | None = None) -> str:
    """Return the SHA-256 of a file, or of its first *size* bytes."""
    digest, left = hashlib.sha256(), size
    with path.open("rb") as file:
        while block := _block(file, left):
            digest.update(block)
            left = None if left is None else left - len(block)
    return digest.hexdigest()


def _block(file: IO[bytes], left: int | None) -> bytes:
    return file.read(_BYTES if left is None else min(left, _BYTES))


def _take(each: Iterator[Record]) -> list[Record]:
    taken, size = [], 0
    for record in each:
        taken.append(record)
        size += record.size
        if len(taken) >= _RECORDS or size >= _BYTES:
            break
    return taken


def _pick(path: Path, form: InputFormat, lines: frozenset[int]) -> list[Record]:
    last = max(lines)
    with path.open("rb") as file:
        return [r for r in takewhile(lambda record: record.line <= last, records(file, form)) if r.line in lines]
