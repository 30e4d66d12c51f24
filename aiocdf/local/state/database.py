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
BETWEEN = 0.005

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
        await self.write(lambda _: None)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="aiocdf-write")
            self._task.add_done_callback(self._go_on)

    def _go_on(self, _: asyncio.Task[None]) -> None:
        """Write what is left, if the task was cancelled by someone who cancels all tasks."""
        if self._waiting:
            self._start()

    async def _write_all(self) -> None:
        """Write in one transaction what came together during the one before, and a moment after it."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await self._write_group(group)
            finally:
                for _, waiter in group:
                    waiter.cancel()  # of which nothing is known, if this task was cancelled
            await asyncio.sleep(BETWEEN)

    async def _write_group(self, group: Sequence[tuple[Work[Any], asyncio.Future[Any]]]) -> None:
        work = [work for work, _ in group]
        loop = asyncio.get_running_loop()
        endings = await loop.run_in_executor(self._write_thread, _transact, self._writer, work)
        for (_, waiter), (result, error) in zip(group, endings, strict=True):
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(result)
            else:
                waiter.set_exception(error)

    async def aclose(self) -> None:
        """Write what was submitted, and close."""
        try:
            self._start()
            if self._task is not None:
                await asyncio.wait([self._task])
        finally:
            # Threads of their own do it, also if this is cancelled again.
            closed = self._read_thread.submit(self._reader.close), self._write_thread.submit(self._writer.close)
            self._read_thread.shutdown(wait=False)
            self._write_thread.shutdown(wait=False)
            await asyncio.wait(list(map(asyncio.wrap_future, closed)))


def _connect(path: Path) -> sqlite3.Connection:
    # Each connection is used by one thread at a time, but not by the one that opens it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # Pages: the WAL is then copied into the database after 16 MB, for which writers wait.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
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
    except Exception as error:  # noqa: BLE001 - whoever waits for the work gets it
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return [(None, error)] * len(group)
    return endings


def _attempt(connection: sqlite3.Connection, work: Work[Any]) -> Ending:
    """Do one piece of work of a group; if it fails, the others are written all the same."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except Exception as error:
        if not connection.in_transaction:  # the disk is full, for one: SQLite has given up the whole group
            raise
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return None, error
    connection.execute("RELEASE work")
    return result, None
