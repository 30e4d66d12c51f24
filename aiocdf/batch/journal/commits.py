"""Group commit: what many calls write goes to disk in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from itertools import groupby
from typing import TYPE_CHECKING, Any

from aiocdf.errors import AiocdfError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiosqlite

__all__ = ["GroupCommit"]

Row = tuple[Any, ...]

# Seconds for which rows wait that no one waits for.
_LATER = 0.05


class GroupCommit:
    """Collects rows, and writes the rows that came while the previous transaction was written.

    Args:
        database: An open connection in autocommit mode, which only this writes to.
        statements: The SQL statements, in the order of the states of an input.
    """

    def __init__(self, database: aiosqlite.Connection, statements: Sequence[str]) -> None:
        self._database = database
        self._statements = statements
        #: Each row with the place of its statement.
        self._rows: list[tuple[int, Row]] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._wanted = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None
        self._closing = False
        self._fault: AiocdfError | None = None
        #: Transactions so far.
        self.commits: int = 0
        self._task = asyncio.create_task(self._write())

    def add(self, statement: str, *rows: Row) -> None:
        """Have a statement executed with each of *rows*, within a moment."""
        place = self._statements.index(statement)
        self._rows += ((place, row) for row in rows)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(_LATER, self._wanted.set)

    async def committed(self) -> None:
        """Wait until all that was added is on disk.

        Raises:
            AiocdfError: Writing failed.
        """
        if self._fault is not None:
            raise self._fault
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        self._wanted.set()
        await waiter

    async def aclose(self) -> None:
        """Write the remaining rows."""
        self._closing = True
        self._wanted.set()
        await self._task

    async def _write(self) -> None:
        while not self._closing or self._rows or self._waiters:
            await self._wanted.wait()
            self._wanted.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None
            rows, self._rows = self._rows, []
            waiters, self._waiters = self._waiters, []
            if rows and self._fault is None:
                await self._commit(rows)
            for waiter in waiters:
                if waiter.done():
                    continue
                if self._fault is None:
                    waiter.set_result(None)
                else:
                    waiter.set_exception(self._fault)

    async def _commit(self, rows: list[tuple[int, Row]]) -> None:
        rows.sort(key=_place)
        try:
            await self._database.execute("BEGIN IMMEDIATE")
            for place, group in groupby(rows, _place):
                await self._database.executemany(self._statements[place], [row for _, row in group])
            await self._database.execute("COMMIT")
            self.commits += 1
        except sqlite3.Error as error:
            # The file is consistent. Nothing is written after this, so the journal never claims anything that did not happen.
            self._fault = AiocdfError(f"writing the journal failed: {error}. No more inputs are submitted.")
            with contextlib.suppress(sqlite3.Error):
                await self._database.execute("ROLLBACK")


def _place(row: tuple[int, Row]) -> int:
    return row[0]
