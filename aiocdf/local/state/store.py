"""The persistent storage of the local server: sessions, calls, functions, files and schedules."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sqlite3
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

from aiocdf.errors import ConfigError
from aiocdf.local.state.database import Database
from aiocdf.local.state.folder import DATABASE, clear, locked_folder, tidy
from aiocdf.local.state.history import MAX_ID, Sweep
from aiocdf.local.state.limits import Limits
from aiocdf.local.state.records import PER_MILLISECOND, LogLine, now_ms
from aiocdf.local.state.schema import CALLS, FILES, FUNCTIONS, SCHEDULES, SESSIONS, prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from aiocdf.local.state.files import File
    from aiocdf.local.state.functions import FunctionRecord
    from aiocdf.local.state.records import Call, CallQuery, Session
    from aiocdf.local.state.schedules import Schedule
    from aiocdf.local.state.table import Table

__all__ = ["Store", "open_store"]

ADD_LOG = "INSERT INTO log VALUES (?, ?)"
ADD_SESSION = SESSIONS.insert.replace("(", "(nonce, ", 1).replace("(?", "(?, ?", 1)

#: The maximum number of ended calls to keep in memory.
MOST_ENDED = 1_000

#: Seconds between two sweeps, unless many calls were written.
SWEEP_SECONDS = 60.0

Record = TypeVar("Record", bound=attrs.AttrsInstance)


@asynccontextmanager
async def open_store(
    folder: Path | None = None, *, fresh: bool = False, limits: Limits | None = None
) -> AsyncIterator[Store]:
    """Open the store in a folder, and lock the folder against other processes.

    Args:
        folder: The folder; None uses a temporary folder, which is deleted at the end.
        fresh: Whether to delete the existing state first.
        limits: How long calls are kept. The default is the service's limits.

    Raises:
        ConfigError: Another server uses the folder, it is not writable, or its content does not belong to this version.
    """
    with locked_folder(folder) as place:
        if fresh:
            await asyncio.to_thread(clear, place)
        async with AsyncExitStack() as stack:
            try:
                database = await stack.enter_async_context(Database.open(place / DATABASE, prepare))
                store = Store(place, database, limits or Limits())
                await store.load(now_ms())
                await store.tidy()
            except (sqlite3.Error, ConfigError) as error:
                raise ConfigError(
                    f"cannot use the state in {str(place)!r}: {error}. Delete it with --fresh or serve(fresh=True), or "
                    "use another folder with --state or serve(state=...)"
                ) from None
            sweeping = asyncio.create_task(store.sweep_on(), name="aiocdf-sweep")
            try:
                yield store
            finally:
                sweeping.cancel()
                await asyncio.wait([sweeping])


@attrs.define(eq=False)
class Store:
    """The persistent storage. A change is stored when its method returns, even if the process is then killed.

    Running calls are also kept in memory, so that reading their status does not read the database.

    Args:
        folder: The folder of the database and the uploaded files.
    """

    folder: Path
    _database: Database = attrs.field(repr=False)
    _limits: Limits = attrs.field(repr=False)
    #: Sessions that are not bound yet, by the digest of the nonce, oldest first.
    _ready: dict[bytes, Session] = attrs.field(factory=dict, init=False, repr=False)
    _calls: dict[int, Call] = attrs.field(factory=dict, init=False, repr=False)
    _ended: deque[int] = attrs.field(factory=deque, init=False, repr=False)
    _unswept: int = attrs.field(default=0, init=False, repr=False)
    _full: asyncio.Event = attrs.field(factory=asyncio.Event, init=False, repr=False)
    _last_called: dict[int, int] = attrs.field(factory=dict, init=False, repr=False)

    async def load(self, now: int) -> None:
        """Read the records that are also kept in memory.

        Args:
            now: The present time in epoch milliseconds, to leave out expired nonces.
        """
        sql = "SELECT function_id, MAX(start_time) FROM call GROUP BY function_id"
        self._last_called = dict(await self._rows(sql))
        sql = f"SELECT nonce, {SESSIONS.columns} FROM session WHERE status = 'READY' AND nonce_expires > ? ORDER BY id"  # noqa: S608 - constant names
        self._ready = {nonce: SESSIONS.read(row) for nonce, *row in await self._rows(sql, (now,))}

    async def tidy(self) -> None:
        """Delete contents of files and code of functions that have no record, because the server was killed."""
        files, functions = [
            {str(record_id) for (record_id,) in await self._rows(f"SELECT id FROM {table.name}")}  # noqa: S608 - as above
            for table in (FILES, FUNCTIONS)
        ]
        await asyncio.to_thread(tidy, self.folder, files=files, functions=functions)

    async def last_id(self) -> int:
        """Return the highest id of all records; 0 if there are none."""
        tables = (CALLS, FILES, FUNCTIONS, SCHEDULES, SESSIONS)
        highest = " UNION ALL ".join(f"SELECT MAX(id) AS id FROM {table.name}" for table in tables)  # noqa: S608 - as above
        ((last,),) = await self._rows(f"SELECT IFNULL(MAX(id), 0) FROM ({highest})")  # noqa: S608 - as above
        return int(last)

    # Sessions. Nothing waits for the disk: a call is written after its session, so waiting for the call is enough.

    async def add_session(self, session: Session, nonce: bytes) -> None:
        """Store a session that is not bound yet. *nonce* is the digest of its nonce."""
        self._drop_expired(session.creation_time)
        self._ready[nonce] = session
        self._database.submit(_statement(ADD_SESSION, (nonce, *SESSIONS.row(session))))

    async def bind_session(self, nonce: bytes, now: int) -> Session | None:
        """Use a nonce and return its session, now ACTIVE; None if the nonce is unknown, used or expired."""
        session = self._ready.pop(nonce, None)
        if session is None or session.nonce_expires <= now:
            return None
        self._database.submit(_statement("UPDATE session SET status = 'ACTIVE' WHERE id = ?", (session.id,)))
        return attrs.evolve(session, status="ACTIVE")

    async def sessions(self, ids: Sequence[int]) -> list[Session]:
        """Return the known sessions among *ids*, in that order."""
        await self._database.committed()
        return await self._by_ids(SESSIONS, ids)

    async def list_sessions(self, *, status: str | None, before: int | None, limit: int) -> list[Session]:
        """Return sessions, newest first, with ids below `before`."""
        await self._database.committed()
        return await self._select(SESSIONS, {"status =": status, "id <": before}, limit)

    async def revoke_sessions(self, ids: Iterable[int]) -> None:
        """Set the status of sessions to REVOKED. `Tokens` has their tokens."""
        revoked = set(ids)
        self._ready = {nonce: session for nonce, session in self._ready.items() if session.id not in revoked}
        sql = "UPDATE session SET status = 'REVOKED' WHERE id IN (SELECT value FROM json_each(?))"
        await self._execute(sql, (_json(revoked),))

    # Calls

    async def add_call(self, call: Call) -> None:
        """Store a call that starts now. If this is cancelled, the call is deleted."""
        self._calls[call.id] = call
        self._last_called[call.function_id] = call.start_time
        try:
            await self._execute(CALLS.insert, CALLS.row(call))
        except BaseException:
            del self._calls[call.id]
            self._database.submit(_statement("DELETE FROM call WHERE id = ?", (call.id,)))
            raise

    async def update_call(self, call: Call) -> None:
        """Replace a running call, such as after a change of its start time."""
        self._calls[call.id] = call
        await self._execute(CALLS.update, (*CALLS.row(call), call.id))

    def add_log(self, call_id: int, lines: Sequence[LogLine]) -> None:
        """Add lines to a running call's log. They are written soon."""
        self._database.submit(_statement(ADD_LOG, _log_row(call_id, lines)))

    async def finish_call(self, call: Call, response: bytes | None, log: Sequence[LogLine]) -> None:
        """Replace a call by its ended form. Store the rest of its log, and its response as JSON."""

        def finish(database: sqlite3.Connection) -> None:
            database.execute(CALLS.update, (*CALLS.row(call), call.id))
            if response is not None:
                database.execute("INSERT INTO response VALUES (?, ?)", (call.id, response))
            if log:
                database.execute(ADD_LOG, _log_row(call.id, log))

        try:
            await self._database.write(finish)
        except sqlite3.Error:
            self._calls[call.id] = call  # clients see that it has ended, even if writing it failed
            raise
        self._calls[call.id] = call
        self._ended.append(call.id)
        if len(self._ended) > MOST_ENDED:
            self._calls.pop(self._ended.popleft(), None)
        self._unswept += len(response or b"") + sum(len(line.message) for line in log)
        if self._unswept > self._limits.history_bytes // 20:
            self._full.set()

    async def calls(self, function_id: int, ids: Sequence[int]) -> list[Call]:
        """Return the known calls among *ids*, in that order."""
        found = {call_id: self._calls[call_id] for call_id in ids if call_id in self._calls}
        if len(found) < len(ids):
            others = [call_id for call_id in ids if call_id not in found]
            found |= {call.id: call for call in await self._by_ids(CALLS, others)}
        return [found[call_id] for call_id in ids if call_id in found and found[call_id].function_id == function_id]

    async def list_calls(self, function_id: int, query: CallQuery) -> list[Call]:
        """Return the calls of a function that match a query, newest first."""
        conditions = {
            "function_id =": function_id,
            "id <": query.before,
            "status =": query.status,
            "schedule_id =": query.schedule_id,
            "id >=": _first_id(query.accepted.low),
            "id <=": _last_id(query.accepted.high),
            "end_time >=": query.end_time.low,
            "end_time <=": query.end_time.high,
        }
        return await self._select(CALLS, conditions, query.limit)

    async def recent_calls(self, limit: int) -> list[Call]:
        """Return the newest calls of all functions, newest first."""
        return [self._calls.get(call.id, call) for call in await self._select(CALLS, {}, limit)]

    async def response(self, call_id: int) -> bytes | None:
        """Return the response of an ended call as JSON; None if it has none."""
        rows = await self._rows("SELECT body FROM response WHERE call_id = ?", (call_id,))
        return rows[0][0] if rows else None

    async def log(self, call_id: int) -> Sequence[LogLine]:
        """Return the stored lines of a call's log. The log is complete when the call has ended."""
        rows = await self._rows("SELECT lines FROM log WHERE call_id = ? ORDER BY rowid", (call_id,))
        return [LogLine(*line) for (lines,) in rows for line in json.loads(lines)]

    async def last_called(self) -> Mapping[int, int]:
        """Return when each function was last called, in epoch milliseconds, by function id."""
        return self._last_called

    async def sweep(self, now: int) -> None:
        """Delete the calls that are too old or use too much space; *now* is in epoch milliseconds."""
        sweep = Sweep(now, self._limits)
        while deleted := await self._database.write(sweep.step):
            for call_id in deleted:
                self._calls.pop(call_id, None)

    async def sweep_on(self) -> None:
        """Sweep at intervals, and after many writes."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):  # wait_for of Python 3.11 can lose a cancellation
                    await self._full.wait()
            self._unswept = 0
            self._full.clear()
            with contextlib.suppress(sqlite3.Error):  # the next write reports a full disk
                await self.sweep(now_ms())

    # Functions, files and schedules

    async def add_function(self, function: FunctionRecord) -> bool:
        """Store a function. Return False and store nothing if its external id exists."""
        return await self._insert(FUNCTIONS, function)

    async def update_function(self, function: FunctionRecord) -> None:
        """Replace the function with the same id, if it still exists."""
        await self._execute(FUNCTIONS.update, (*FUNCTIONS.row(function), function.id))

    async def functions(self) -> list[FunctionRecord]:
        """Return all functions, newest first."""
        return await self._select(FUNCTIONS, {}, -1)

    async def delete_functions(self, ids: Iterable[int]) -> None:
        """Delete functions and their schedules. Files and calls remain."""
        await self._delete(ids, "schedule WHERE function_id", "function WHERE id")

    def code_folder(self, function_id: int) -> Path:
        """Return the folder for the code of a function. The caller creates and deletes the folder."""
        return self.folder / "functions" / str(function_id)

    async def add_file(self, file: File) -> bool:
        """Store the metadata of a file. Return False and store nothing if its external id exists."""
        return await self._insert(FILES, file)

    async def update_file(self, file: File) -> None:
        """Replace the metadata of a file, if it still exists."""
        await self._execute(FILES.update, (*FILES.row(file), file.id))

    async def files(self, ids: Sequence[int]) -> list[File]:
        """Return the known files among *ids*, in that order."""
        return await self._by_ids(FILES, ids)

    async def list_files(self, *, external_id: str | None = None, before: int | None = None, limit: int) -> list[File]:
        """Return files, newest first, with ids below `before`."""
        return await self._select(FILES, {"external_id =": external_id, "id <": before}, limit)

    async def delete_files(self, ids: Iterable[int]) -> None:
        """Delete the metadata of files. The code that wrote their contents deletes these."""
        await self._delete(ids, "file WHERE id")

    def content_path(self, file_id: int) -> Path:
        """Return the path of a file's content. Write to a path next to it and rename, so that it is always complete."""
        return self.folder / "files" / str(file_id)

    async def add_schedule(self, schedule: Schedule) -> None:
        """Store a schedule."""
        await self._insert(SCHEDULES, schedule)

    async def update_schedule(self, schedule: Schedule) -> None:
        """Replace the schedule with the same id, if it still exists."""
        await self._execute(SCHEDULES.update, (*SCHEDULES.row(schedule), schedule.id))

    async def schedules(self) -> list[Schedule]:
        """Return all schedules, newest first."""
        return await self._select(SCHEDULES, {}, -1)

    async def delete_schedules(self, ids: Iterable[int]) -> None:
        """Delete schedules. Their calls remain."""
        await self._delete(ids, "schedule WHERE id")

    # Reading and writing

    def _drop_expired(self, now: int) -> None:
        """Remove expired nonces. The oldest come first."""
        while self._ready and (oldest := next(iter(self._ready.items())))[1].nonce_expires <= now:
            del self._ready[oldest[0]]

    async def _execute(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        return await self._database.write(_statement(sql, values))

    async def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return await self._database.read(_statement(sql, values))

    async def _insert(self, table: Table[Record], record: Record) -> bool:
        """Insert a record. Return whether there was no conflict."""
        return bool(await self._execute(f"{table.insert} ON CONFLICT DO NOTHING RETURNING id", table.row(record)))

    async def _by_ids(self, table: Table[Record], ids: Sequence[int]) -> list[Record]:
        """Return the existing records among *ids*, in that order. The id is their first field."""
        rows = await self._rows(f"{table.select} WHERE id IN (SELECT value FROM json_each(?))", (_json(ids),))  # noqa: S608 - constant names
        found = {row[0]: row for row in rows}
        return [table.read(found[record_id]) for record_id in ids if record_id in found]

    async def _select(self, table: Table[Record], conditions: Mapping[str, Any], limit: int) -> list[Record]:
        """Return the records that meet all conditions with a value, newest first. A limit of -1 means no limit."""
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = " AND ".join(["TRUE", *(f"{condition} ?" for condition in given)])
        rows = await self._rows(f"{table.select} WHERE {where} ORDER BY id DESC LIMIT ?", (*given.values(), limit))
        return list(map(table.read, rows))

    async def _delete(self, ids: Iterable[int], *targets: str) -> None:
        """Delete the rows whose column, named in each target, is one of the ids."""
        chosen = _json(ids)

        def delete(database: sqlite3.Connection) -> None:
            for target in targets:
                database.execute(f"DELETE FROM {target} IN (SELECT value FROM json_each(?))", (chosen,))  # noqa: S608 - constant names

        await self._database.write(delete)


def _statement(sql: str, values: tuple[Any, ...]) -> Callable[[sqlite3.Connection], list[Any]]:
    return lambda database: database.execute(sql, values).fetchall()


def _first_id(time: int | None) -> int | None:
    """Return the lowest possible id of a call that was accepted in this millisecond."""
    return None if time is None else min(time * PER_MILLISECOND, MAX_ID)


def _last_id(time: int | None) -> int | None:
    """Return the highest possible id of a call that was accepted in this millisecond."""
    return None if time is None else min((time + 1) * PER_MILLISECOND - 1, MAX_ID)


def _log_row(call_id: int, lines: Iterable[LogLine]) -> tuple[int, bytes]:
    return call_id, _json(map(attrs.astuple, lines)).encode()


def _json(values: Iterable[Any]) -> str:
    return json.dumps(list(values))
