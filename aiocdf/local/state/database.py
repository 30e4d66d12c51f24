"""A SQLite database that does not block the event loop, and that writes in groups."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

__all__ = ["Database"]

T = TypeVar("T")

#: Seconds for which work waits that no one waits for: it mostly goes along with the next that someone waits for.
LATER = 0.02

#: Seconds between two transactions: each costs as much as ten pieces of work.
BETWEEN = 0.002

Work = Callable[[sqlite3.Connection], T]

#: What came of a piece of work.
Ending = tuple[Any, Exception | None]


class Database:
    """An open database: one thread writes and another reads, so that neither waits for the other (WAL)."""

    def __init__(self, path: Path, prepare: Work[None]) -> None:
        self._writer = _connect(path)
        try:
            prepare(self._writer)
            self._reader = _connect(path)
        except BaseException:
            self._writer.close()
            raise
        self._write_thread = ThreadPoolExecutor(1, "aiocdf-write")
        self._read_thread = ThreadPoolExecutor(1, "aiocdf-read")
        self._waiting: list[tuple[Work[Any], asyncio.Future[Any]]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def open(cls, path: Path, prepare: Work[None]) -> AsyncIterator[Self]:
        """Open a database, which is made if it is not there.

        Args:
            path: Where it is.
            prepare: What to do with it first.

        Raises:
            sqlite3.Error: The file is no database, or cannot be used.
        """
        database = await asyncio.to_thread(cls, path, prepare)
        try:
            yield database
        finally:
            await database.aclose()

    async def read(self, work: Work[T]) -> T:
        """Return what the work reads; it sees all that was committed before."""
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, work, self._reader)

    async def write(self, work: Work[T]) -> T:
        """Return what the work returns, once it is committed. If it fails, nothing of it is written.

        Raises:
            sqlite3.Error: It cannot be written.
        """
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, waiter))
        self._start()
        return await waiter

    def submit(self, work: Work[Any]) -> None:
        """Have the work done within a moment, and before all that is written after it."""
        loop = asyncio.get_running_loop()
        self._waiting.append((work, loop.create_future()))
        if self._timer is None:
            self._timer = loop.call_later(LATER, self._start)

    async def committed(self) -> None:
        """Wait until all that was submitted is committed."""
        if self._waiting or self._task is not None:
            await self.write(lambda _: None)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None:
            self._task = asyncio.create_task(self._write_all(), name="aiocdf-write")

    async def _write_all(self) -> None:
        """Write in one transaction what came together during the one before, and a moment after it."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            group, self._waiting = self._waiting, []
            work = [work for work, _ in group]
            endings = await loop.run_in_executor(self._write_thread, _transact, self._writer, work)
            for (_, waiter), (result, error) in zip(group, endings, strict=True):
                if waiter.done():
                    continue
                if error is None:
                    waiter.set_result(result)
                else:
                    waiter.set_exception(error)
            await asyncio.sleep(BETWEEN)
        self._task = None

    async def aclose(self) -> None:
        """Write what was submitted, and close."""
        self._start()
        if self._task is not None:
            await self._task
        loop = asyncio.get_running_loop()
        # The writer last: the last connection tidies up the WAL.
        await loop.run_in_executor(self._read_thread, self._reader.close)
        await loop.run_in_executor(self._write_thread, self._writer.close)
        self._read_thread.shutdown()
        self._write_thread.shutdown()


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time, but not by the one that opens it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA journal_size_limit = 50000000")
        # What is committed outlives the process; after a power failure the database is whole, and a moment older.
        connection.execute("PRAGMA synchronous = NORMAL")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def _transact(connection: sqlite3.Connection, group: Sequence[Work[Any]]) -> list[Ending]:
    try:
        connection.execute("BEGIN IMMEDIATE")
        endings = [_attempt(connection, work) for work in group]
        connection.execute("COMMIT")
    except sqlite3.Error as error:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return [(None, error)] * len(group)
    return endings


def _attempt(connection: sqlite3.Connection, work: Work[Any]) -> Ending:
    """Do one piece of work of a group; if it fails, the others are written all the same."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except Exception as error:  # noqa: BLE001 - whoever waits for the work gets it
        if not connection.in_transaction:  # the disk is full, for one: all is lost, and the commit will say so
            return None, error
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return None, error
    connection.execute("RELEASE work")
    return result, None
