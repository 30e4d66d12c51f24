"""The journal, as the run of a durable map uses it."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Self

import aiosqlite
import attrs

from aiocdf import _clock
from aiocdf.batch.inputs import Fingerprint
from aiocdf.batch.journal import schema
from aiocdf.batch.journal.commits import GroupCommit
from aiocdf.batch.journal.identity import Identity
from aiocdf.batch.journal.lock import locked
from aiocdf.batch.statuses import InputStatus
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Entry", "Journal", "Outcome", "Sending"]

# Results that are read at a time.
_AT_ONCE = 200


@attrs.frozen(kw_only=True)
class Entry:
    """What the journal has of an input, without its outcome."""

    line: int
    status: InputStatus = attrs.field(converter=InputStatus)
    #: As JSON; None for the line number.
    key: str | None
    #: Seconds since 1970 by this computer's clock, between which the last POST was sent, if it was; the end is known only
    #: once another process has opened the journal.
    sent_from: float | None
    sent_until: float | None
    #: The earliest possible start of the call, in seconds since 1970 by the service's clock; None if unknown.
    starts_after: float | None
    #: This computer's clock minus its uptime then: another value means that the clock was set.
    clock: float | None
    #: The session of the nonce of that POST; None if unknown.
    session: int | None
    function: int | None
    call: int | None
    #: Seconds since 1970 by the service's clock.
    started: float | None
    ended: float | None
    #: Grows from outcome to outcome.
    outcome: int | None


# The columns of the table, in their order.
_FIELDS = tuple(field.name for field in attrs.fields(Entry))


@attrs.frozen(kw_only=True)
class Sending:
    """A POST that is about to be sent; the fields are those of `Entry`."""

    session: int | None
    sent_from: float
    starts_after: float | None
    clock: float


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of an input."""

    status: InputStatus
    #: As JSON.
    response: str | None = None
    error: Mapping[str, Any] | None = None
    #: Seconds since 1970 by the service's clock.
    ended: float | None = None


class Journal:
    """What was submitted, and with which outcome. Use `open_for_run` or `open_to_read`."""

    def __init__(
        self, database: aiosqlite.Connection, commits: GroupCommit | None, identity: Identity, inputs: str, total: int
    ) -> None:
        self._database = database
        self._commits = commits
        self.identity = identity
        #: The file of the inputs, as it was called first, and how many it has.
        self.inputs = inputs
        self.total = total
        #: The last outcome of earlier runs, and the last of all.
        self.last_outcome_before: int = 0
        self._last_outcome: int = 0

    @classmethod
    @asynccontextmanager
    async def open_for_run(cls, path: Path, identity: Identity, inputs: str, total: int) -> AsyncIterator[Self]:
        """Open a journal for writing, or begin one; other processes are locked out.

        Args:
            path: The file.
            identity: What a new journal is of.
            inputs: What the file of the inputs is called.
            total: How many inputs there are.

        Raises:
            WrongState: Another process works on it.
            InvalidArgument: It is not a journal, or is not writable.
        """
        with locked(path):
            async with _opened(path, write=True) as database:
                if not (await _one(database, "SELECT COUNT(*) FROM sqlite_schema"))[0]:
                    await _begin(database, identity, inputs, total)
                commits = GroupCommit(database, schema.WRITES)
                try:
                    journal = await cls._read(path, database, commits)
                    await journal.note_start()
                    yield journal
                finally:
                    await commits.aclose()

    @classmethod
    @asynccontextmanager
    async def open_to_read(cls, path: Path) -> AsyncIterator[Self]:
        """Open a journal to look at it, also while another process works on it.

        Raises:
            InvalidArgument: There is none.
        """
        if not await asyncio.to_thread(path.is_file):
            raise InvalidArgument(f"there is no journal {str(path)!r}")
        async with _opened(path, write=False) as database:
            yield await cls._read(path, database, None)

    @classmethod
    async def _read(cls, path: Path, database: aiosqlite.Connection, commits: GroupCommit | None) -> Self:
        (application,) = await _one(database, "PRAGMA application_id")
        (version,) = await _one(database, "PRAGMA user_version")
        if application != schema.APPLICATION_ID:
            raise InvalidArgument(f"{str(path)!r} is not a journal of a durable map: give another file")
        if version != schema.VERSION:
            raise InvalidArgument(
                f"journal {str(path)!r} is of another version of aiocdf: use that version, or begin a new journal"
            )
        text, inputs, total = await _one(database, "SELECT identity, inputs, total FROM map")
        facts = json.loads(text)
        identity = Identity(**facts | {"inputs": Fingerprint(**facts["inputs"])})
        return cls(database, commits, identity, inputs, total)

    async def note_start(self) -> None:
        """Mark the start of a run: submissions that an earlier run interrupted were sent before this."""
        await self._database.execute(schema.CUT, (_clock.wall(),))
        (last,) = await _one(self._database, "SELECT COALESCE(MAX(id), 0) FROM outcome")
        self.last_outcome_before = self._last_outcome = last

    # Reading

    async def counts(self) -> dict[InputStatus, int]:
        """Return how many inputs it has, by status."""
        # Mostly, all but a few have completed: grouping the few takes half the time, at a million.
        sql = """SELECT 'Completed', COUNT(*) - (SELECT COUNT(*) FROM input WHERE status <> 'Completed') FROM input
            UNION ALL SELECT status, COUNT(*) FROM input WHERE status <> 'Completed' GROUP BY status"""
        rows = await (await self._database.execute(sql)).fetchall()
        return {InputStatus(status): count for status, count in rows if count}

    async def entries(self, first: int, last: int) -> dict[int, Entry]:
        """Return the entries of the inputs from one line to another, by line."""
        cursor = await self._database.execute("SELECT * FROM input WHERE line BETWEEN ? AND ?", (first, last))
        return {entry.line: entry for entry in map(_entry, await cursor.fetchall())}

    async def with_status(self, *statuses: InputStatus) -> list[Entry]:
        """Return the inputs that stand somewhere, in their order."""
        marks = ", ".join("?" * len(statuses))
        sql = f"SELECT * FROM input WHERE status IN ({marks}) ORDER BY line"  # noqa: S608 - question marks alone
        cursor = await self._database.execute(sql, statuses)
        return list(map(_entry, await cursor.fetchall()))

    async def calls_since(self, started: float) -> frozenset[int]:
        """Return the calls that were accepted and started since a time by the service's clock."""
        cursor = await self._database.execute(
            "SELECT call FROM input WHERE call IS NOT NULL AND started >= ?", (started,)
        )
        return frozenset(call for (call,) in await cursor.fetchall())

    async def recent(self) -> tuple[list[float], list[float]]:
        """Return of the last calls how long after it was sent each started, by two clocks, and how long each ran."""
        sql = """SELECT started - sent_from, ended - started FROM input WHERE started IS NOT NULL AND sent_from IS NOT NULL
            ORDER BY line DESC LIMIT 200"""
        rows = list(await (await self._database.execute(sql)).fetchall())
        return [delay for delay, _ in reversed(rows)], [runtime for _, runtime in reversed(rows) if runtime is not None]

    async def results(self, *, ordered: bool) -> AsyncIterator[Sequence[tuple[Entry, str | None, str | None]]]:
        """Yield all inputs that have an outcome, with response and error as JSON, in batches.

        Args:
            ordered: In the order of the inputs, else in that in which they ended.
        """
        sql = "SELECT input.*, response, error FROM input CROSS JOIN outcome ON outcome.id = input.outcome ORDER BY input.line"
        if not ordered:
            sql = "SELECT input.*, response, error FROM outcome CROSS JOIN input ON input.outcome = outcome.id AND input.line = outcome.line ORDER BY outcome.id"
        cursor = await self._database.execute(sql)
        while rows := list(await cursor.fetchmany(_AT_ONCE)):
            yield [(_entry(row[:-2]), row[-2], row[-1]) for row in rows]

    # What happens

    async def take_keys(self, keys: Mapping[int, str]) -> dict[int, int]:
        """Take keys for their lines, and return the line that has taken a key before, for each for which one has.

        Args:
            keys: By line.
        """
        self._write.add(schema.KEY, *((key, line) for line, key in keys.items()))
        await self._write.committed()
        marks = ", ".join("?" * len(keys))
        sql = f"SELECT key, line FROM key WHERE key IN ({marks})"  # noqa: S608 - question marks alone
        cursor = await self._database.execute(sql, tuple(keys.values()))
        owners: dict[str, int] = dict(await cursor.fetchall())  # type: ignore[arg-type]  # rows of two
        return {line: owners[key] for line, key in keys.items() if owners[key] != line}

    async def submitting(self, line: int, key: str | None, sending: Sending) -> None:
        """Record that a POST may be sent from now on; it is on disk when this returns."""
        self._write.add(schema.FORGET_OUTCOME, (line,))
        self._write.add(
            schema.SUBMIT, (line, key, sending.sent_from, sending.starts_after, sending.clock, sending.session)
        )
        await self._write.committed()

    def running(self, line: int, function: int, call: int, started: float) -> None:
        """Record that the service accepted a call."""
        self._write.add(schema.RUN, (function, call, started, line))

    def withdrawn(self, line: int) -> None:
        """Record that the input was not submitted after all."""
        self._write.add(schema.WITHDRAW, (line,))

    def ended(self, line: int, outcome: Outcome) -> None:
        """Record the outcome of a submitted input."""
        self._add_outcome(line, outcome)
        self._write.add(schema.END, (outcome.status, outcome.ended, self._last_outcome, line))

    def ended_unsent(self, line: int, key: str | None, outcome: Outcome) -> None:
        """Record why an input is not valid."""
        self._add_outcome(line, outcome)
        self._write.add(schema.END_UNSENT, (line, outcome.status, key, self._last_outcome))

    async def flush(self) -> None:
        """Wait until all that was noted is on disk."""
        await self._write.committed()

    def _add_outcome(self, line: int, outcome: Outcome) -> None:
        error = None if outcome.error is None else json.dumps(outcome.error)
        self._last_outcome += 1
        self._write.add(schema.FORGET_OUTCOME, (line,))
        self._write.add(schema.OUTCOME, (self._last_outcome, line, outcome.response, error))

    @property
    def _write(self) -> GroupCommit:
        assert self._commits is not None  # noqa: S101 - it was opened to be written
        return self._commits


def _entry(row: Any) -> Entry:
    return Entry(**dict(zip(_FIELDS, row, strict=True)))


async def _one(database: aiosqlite.Connection, sql: str) -> Any:
    return await (await database.execute(sql)).fetchone()


@asynccontextmanager
async def _opened(path: Path, *, write: bool) -> AsyncIterator[aiosqlite.Connection]:
    """Open an SQLite file; for writing, create it if it is missing."""
    try:
        if write:
            # SQLite gives its side files the same mode.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        uri = f"{await asyncio.to_thread(_uri, path)}?mode=rw"
        async with aiosqlite.connect(uri, uri=True, isolation_level=None) as database:
            # What is committed is on disk, so that it also outlives a power failure. A reader takes part in recovery
            # after a crash, so that no side files are left behind, and writes nothing else.
            settings = ("journal_mode = WAL", "synchronous = FULL") if write else ("query_only = ON",)
            for setting in settings:
                await database.execute(f"PRAGMA {setting}")
            yield database
    except OSError as error:
        raise InvalidArgument(f"cannot keep a journal at {str(path)!r}: {error.strerror}") from None
    except sqlite3.DatabaseError as error:
        raise InvalidArgument(f"cannot use {str(path)!r} as a journal: {error}") from None


def _uri(path: Path) -> str:
    return path.absolute().as_uri()


async def _begin(database: aiosqlite.Connection, identity: Identity, inputs: str, total: int) -> None:
    await database.executescript(schema.CREATE)
    await database.execute(
        "INSERT INTO map VALUES (?, ?, ?, ?)", (json.dumps(attrs.asdict(identity)), inputs, total, _clock.wall())
    )
    await database.execute("COMMIT")
