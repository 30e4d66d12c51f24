"""A SQLite database that does not block the event loop and groups its writes."""

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

#: Seconds that submitted work may wait. Usually it is written earlier, with the next write that has a waiter.
LATER = 0.02

#: Seconds between two transactions, because a transaction costs as much as ten work items.
BETWEEN = 0.005

Work = Callable[[sqlite3.Connection], T]

#: The result or the exception of a work item.
Ending = tuple[Any, Exception | None]


class Database:
    """An open database. One thread writes and another reads. With the WAL, neither waits for the other."""

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
        """Open a database. Create it if it does not exist.

        Args:
            path: The path of the file.
            prepare: The first work item.

        Raises:
            sqlite3.Error: The file is not a database, or is not readable or writable.
        """
        database = await asyncio.to_thread(cls, path, prepare)
        try:
            yield database
        finally:
            await database.aclose()

    async def read(self, work: Work[T]) -> T:
        """Return the result of a work item that only reads. It sees everything committed before."""
        return await asyncio.get_running_loop().run_in_executor(self._read_thread, work, self._reader)

    async def write(self, work: Work[T]) -> T:
        """Return the result of a work item when it is committed. If the work item raises, its changes are rolled back.

        Raises:
            sqlite3.Error: Writing failed.
        """
        waiter: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append((work, waiter))
        self._start()
        return await waiter

    def submit(self, work: Work[Any]) -> None:
        """Queue a work item. It is written soon, and before all later writes."""
        loop = asyncio.get_running_loop()
        self._waiting.append((work, loop.create_future()))
        if self._timer is None:
            self._timer = loop.call_later(LATER, self._start)

    async def committed(self) -> None:
        """Wait until all submitted work items are committed."""
        await self.write(lambda _: None)

    def _start(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write_all(), name="aiocdf-write")
            self._task.add_done_callback(self._restart)

    def _restart(self, _: asyncio.Task[None]) -> None:
        """Continue writing if the task was cancelled by code that cancels all tasks."""
        if self._waiting:
            self._start()

    async def _write_all(self) -> None:
        """Write in groups: a transaction has the work items that arrived during the previous one or just after it."""
        while self._waiting:
            group, self._waiting = self._waiting, []
            try:
                await self._write_group(group)
            finally:
                for _, waiter in group:
                    waiter.cancel()  # if this task was cancelled, the result is unknown
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
        """Write all submitted work items, and close."""
        try:
            self._start()
            if self._task is not None:
                await asyncio.wait([self._task])
        finally:
            # In separate threads, which continue even if this is cancelled again.
            closed = self._read_thread.submit(self._reader.close), self._write_thread.submit(self._writer.close)
            self._read_thread.shutdown(wait=False)
            self._write_thread.shutdown(wait=False)
            await asyncio.wait(list(map(asyncio.wrap_future, closed)))


def _connect(path: Path) -> sqlite3.Connection:
    # Only one thread at a time uses a connection, but not the thread that opened it.
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # In pages: SQLite copies the WAL into the database after 16 MB. Writers wait for that.
        connection.execute("PRAGMA wal_autocheckpoint = 4000")
        connection.execute("PRAGMA journal_size_limit = 50000000")
        # Commits survive the end of the process. After a power failure, the last commits may be missing.
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
    except Exception as error:  # noqa: BLE001 - the waiters of the work items get it
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        return [(None, error)] * len(group)
    return endings


def _attempt(connection: sqlite3.Connection, work: Work[Any]) -> Ending:
    """Run one work item of a group. If it raises, the others are still written."""
    connection.execute("SAVEPOINT work")
    try:
        result = work(connection)
    except Exception as error:
        if not connection.in_transaction:  # SQLite rolled back the whole group, such as for a full disk
            raise
        connection.execute("ROLLBACK TO work")
        connection.execute("RELEASE work")
        return None, error
    connection.execute("RELEASE work")
    return result, None
