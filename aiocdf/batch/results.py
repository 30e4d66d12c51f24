"""The file of results: replaced as a whole, or not at all."""

from __future__ import annotations

import asyncio
import json
import os
from datetime import UTC, datetime
from typing import IO, TYPE_CHECKING

from aiocdf.errors import AiocdfError, InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from aiocdf.batch.journal import Entry, Journal

__all__ = ["check_place", "write_results"]


def check_place(path: Path, *, inputs: Path, journal: Path) -> None:
    """Check that a file of results may be written, before anything is sent for them.

    Args:
        path: The file.
        inputs: The file of the inputs.
        journal: The journal, which knows of the results that are there already.

    Raises:
        InvalidArgument: It may not, or cannot.
    """
    if path.exists():
        if path.samefile(inputs):
            raise InvalidArgument(f"{str(path)!r} holds the inputs: give the results another file")
        if not path.is_file():
            raise InvalidArgument(f"{str(path)!r} is not a file: give the results another place")
        if not journal.exists():
            raise InvalidArgument(
                f"{str(path)!r} exists, and its journal {str(journal)!r} does not exist: move it away, "
                "or give the results another file"
            )
    if not os.access(path.parent, os.W_OK):
        raise InvalidArgument(f"cannot write the results to {str(path)!r}: its folder is missing or not writable")


async def write_results(journal: Journal, path: Path, *, ordered: bool) -> None:
    """Write a line of JSON for each input that has an outcome.

    Args:
        journal: The journal that has them.
        path: The file, which is replaced once the new one is on disk.
        ordered: In the order of the inputs, else in that in which they ended.

    Raises:
        AiocdfError: Writing failed; the results are still in the journal.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        with await asyncio.to_thread(draft.open, "w", encoding="utf-8") as file:
            async for rows in journal.results(ordered=ordered):
                await asyncio.to_thread(_write, file, rows)
            await asyncio.to_thread(_sync, file)
        await asyncio.to_thread(_replace, draft, path)
    except OSError as error:
        raise AiocdfError(
            f"cannot write the results to {str(path)!r}: {error.strerror}. They are in the journal: run the same command again"
        ) from None
    finally:
        draft.unlink(missing_ok=True)


def _write(file: IO[str], rows: Iterable[tuple[Entry, str | None, str | None]]) -> None:
    file.writelines(_line(*row) for row in rows)


def _line(entry: Entry, response: str | None, error: str | None) -> str:
    """Return a line of results; parts that are JSON already are inserted as they are."""
    facts = {
        "function_id": entry.function,
        "call_id": entry.call,
        "start_time": _time(entry.started),
        "end_time": _time(entry.ended),
    }
    head = f'"key": {entry.key or entry.line}, "status": "{entry.status}"'
    body = f'"response": {response or "null"}, "error": {error or "null"}'
    return f"{{{head}, {body}, {json.dumps(facts)[1:]}\n"


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def _sync(file: IO[str]) -> None:
    file.flush()
    os.fsync(file.fileno())


def _replace(draft: Path, path: Path) -> None:
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
