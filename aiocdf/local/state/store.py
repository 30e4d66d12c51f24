"""Where the local server keeps what outlives it: sessions, calls, and what was made through the API."""

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

#: Calls that have ended and are still kept in memory.
MOST_ENDED = 1_000

#: Seconds between two sweeps, unless much is written.
SWEEP_SECONDS = 60.0

Record = TypeVar("Record", bound=attrs.AttrsInstance)


@asynccontextmanager
async def open_store(
    folder: Path | None = None, *, fresh: bool = False, limits: Limits | None = None
) -> AsyncIterator[Store]:
    """Open the store in a folder, which no other process can use meanwhile.

    Args:
        folder: Where; None for a folder that is deleted at the end.
        fresh: Whether to begin with nothing.
        limits: How long calls are kept; the service's limits if not given.

    Raises:
        ConfigError: Another server uses the folder, it cannot be written, or holds something else.
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
                    f"cannot use the state in {str(place)!r}: {error}. Begin afresh, with --fresh or serve(fresh=True), or "
                    "give another folder, with --state or serve(state=...)"
                ) from None
            sweeping = asyncio.create_task(store.sweep_on(), name="aiocdf-sweep")
            try:
                yield store
            finally:
                sweeping.cancel()
                await asyncio.wait([sweeping])


@attrs.define(eq=False)
class Store:
    """What outlives the server. What a method has returned from is kept, even if the process is killed.

    Every method that adds or changes returns once that is written. Calls that run are kept in memory too, so that asking
    for their status reads nothing.

    Args:
        folder: Where everything is.
    """

    folder: Path
    _database: Database = attrs.field(repr=False)
    _limits: Limits = attrs.field(repr=False)
    #: Sessions that can be bound, by the digest of the nonce, oldest first.
    _ready: dict[bytes, Session] = attrs.field(factory=dict, init=False, repr=False)
    _calls: dict[int, Call] = attrs.field(factory=dict, init=False, repr=False)
    _ended: deque[int] = attrs.field(factory=deque, init=False, repr=False)
    _unswept: int = attrs.field(default=0, init=False, repr=False)
    _full: asyncio.Event = attrs.field(factory=asyncio.Event, init=False, repr=False)
    _last_called: dict[int, int] = attrs.field(factory=dict, init=False, repr=False)

    async def load(self, now: int) -> None:
        """Read what is kept in memory too.

        Args:
            now: Epoch milliseconds, before which nonces have ended.
        """
        sql = "SELECT function_id, MAX(start_time) FROM call GROUP BY function_id"
        self._last_called = dict(await self._rows(sql))
        sql = f"SELECT nonce, {SESSIONS.columns} FROM session WHERE status = 'READY' AND nonce_expires > ? ORDER BY id"  # noqa: S608 - names of our own
        self._ready = {nonce: SESSIONS.read(row) for nonce, *row in await self._rows(sql, (now,))}

    async def tidy(self) -> None:
        """Delete contents of files and code of functions that an earlier server was about to keep when it was killed."""
        files, functions = [
            {str(record_id) for (record_id,) in await self._rows(f"SELECT id FROM {table.name}")}  # noqa: S608 - as above
            for table in (FILES, FUNCTIONS)
        ]
        await asyncio.to_thread(tidy, self.folder, files=files, functions=functions)

    async def last_id(self) -> int:
        """Return the highest id there is, 0 if there is none."""
        tables = (CALLS, FILES, FUNCTIONS, SCHEDULES, SESSIONS)
        highest = " UNION ALL ".join(f"SELECT MAX(id) AS id FROM {table.name}" for table in tables)  # noqa: S608 - as above
        ((last,),) = await self._rows(f"SELECT IFNULL(MAX(id), 0) FROM ({highest})")  # noqa: S608 - as above
        return int(last)

    # Sessions: nothing waits for the disk, because a call that starts with one is written after it.

    async def add_session(self, session: Session, nonce: bytes) -> None:
        """Keep a session that can be bound with the nonce, which comes as a digest."""
        self._drop_expired(session.creation_time)
        self._ready[nonce] = session
        self._database.submit(_statement(ADD_SESSION, (nonce, *SESSIONS.row(session))))

    async def bind_session(self, nonce: bytes, now: int) -> Session | None:
        """Use up the nonce and return its session, now ACTIVE; None if the nonce is unknown, used or too old."""
        session = self._ready.pop(nonce, None)
        if session is None or session.nonce_expires <= now:
            return None
        self._database.submit(_statement("UPDATE session SET status = 'ACTIVE' WHERE id = ?", (session.id,)))
        return attrs.evolve(session, status="ACTIVE")

    async def sessions(self, ids: Sequence[int]) -> list[Session]:
        """Return the sessions that are known, in the order asked for."""
        await self._database.committed()
        return await self._by_ids(SESSIONS, ids)

    async def list_sessions(self, *, status: str | None, before: int | None, limit: int) -> list[Session]:
        """Return sessions, newest first, with ids below `before`."""
        await self._database.committed()
        return await self._select(SESSIONS, {"status =": status, "id <": before}, limit)

    async def revoke_sessions(self, ids: Iterable[int]) -> None:
        """Make the sessions REVOKED; their tokens are kept elsewhere."""
        revoked = set(ids)
        self._ready = {nonce: session for nonce, session in self._ready.items() if session.id not in revoked}
        sql = "UPDATE session SET status = 'REVOKED' WHERE id IN (SELECT value FROM json_each(?))"
        await self._execute(sql, (_json(revoked),))

    # Calls

    async def add_call(self, call: Call) -> None:
        """Keep a call that starts now. If this is cancelled, the call is forgotten."""
        self._calls[call.id] = call
        self._last_called[call.function_id] = call.start_time
        try:
            await self._execute(CALLS.insert, CALLS.row(call))
        except BaseException:
            del self._calls[call.id]
            self._database.submit(_statement("DELETE FROM call WHERE id = ?", (call.id,)))
            raise

    async def update_call(self, call: Call) -> None:
        """Replace a call that still runs by what has become of it, such as its time of start."""
        self._calls[call.id] = call
        await self._execute(CALLS.update, (*CALLS.row(call), call.id))

    def add_log(self, call_id: int, lines: Sequence[LogLine]) -> None:
        """Keep more lines of a running call's log; they are written within a moment."""
        self._database.submit(_statement(ADD_LOG, _log_row(call_id, lines)))

    async def finish_call(self, call: Call, response: bytes | None, log: Sequence[LogLine]) -> None:
        """Replace a call by its finished self, and keep the rest of its log and what it returned, as JSON text."""

        def finish(database: sqlite3.Connection) -> None:
            database.execute(CALLS.update, (*CALLS.row(call), call.id))
            if response is not None:
                database.execute("INSERT INTO response VALUES (?, ?)", (call.id, response))
            if log:
                database.execute(ADD_LOG, _log_row(call.id, log))

        try:
            await self._database.write(finish)
        except sqlite3.Error:
            self._calls[call.id] = call  # seen to have ended, at least until the server ends
            raise
        self._calls[call.id] = call
        self._ended.append(call.id)
        if len(self._ended) > MOST_ENDED:
            self._calls.pop(self._ended.popleft(), None)
        self._unswept += len(response or b"") + sum(len(line.message) for line in log)
        if self._unswept > self._limits.history_bytes // 20:
            self._full.set()

    async def calls(self, function_id: int, ids: Sequence[int]) -> list[Call]:
        """Return the calls that are known, in the order asked for."""
        found = {call_id: self._calls[call_id] for call_id in ids if call_id in self._calls}
        if len(found) < len(ids):
            others = [call_id for call_id in ids if call_id not in found]
            found |= {call.id: call for call in await self._by_ids(CALLS, others)}
        return [found[call_id] for call_id in ids if call_id in found and found[call_id].function_id == function_id]

    async def list_calls(self, function_id: int, query: CallQuery) -> list[Call]:
        """Return a function's calls that match, newest first."""
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
        """Return what a finished call returned, as JSON text; None if it returned nothing."""
        rows = await self._rows("SELECT body FROM response WHERE call_id = ?", (call_id,))
        return rows[0][0] if rows else None

    async def log(self, call_id: int) -> Sequence[LogLine]:
        """Return what is kept of the log of a call: all of it when the call has ended."""
        rows = await self._rows("SELECT lines FROM log WHERE call_id = ? ORDER BY rowid", (call_id,))
        return [LogLine(*line) for (lines,) in rows for line in json.loads(lines)]

    async def last_called(self) -> Mapping[int, int]:
        """Return when each function was last called, in epoch milliseconds, by function id."""
        return self._last_called

    async def sweep(self, now: int) -> None:
        """Delete the calls that are too old, or for which there is no room; *now* is in epoch milliseconds."""
        sweep = Sweep(now, self._limits)
        while deleted := await self._database.write(sweep.step):
            for call_id in deleted:
                self._calls.pop(call_id, None)

    async def sweep_on(self) -> None:
        """Sweep now and then, and when much was written."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SWEEP_SECONDS):  # wait_for of Python 3.11 can swallow a cancellation
                    await self._full.wait()
            self._unswept = 0
            self._full.clear()
            with contextlib.suppress(sqlite3.Error):  # the next write reports a full disk
                await self.sweep(now_ms())

    # What was made through the API

    async def add_function(self, function: FunctionRecord) -> bool:
        """Keep a function; return False, and keep nothing, if its external id is taken."""
        return await self._insert(FUNCTIONS, function)

    async def update_function(self, function: FunctionRecord) -> None:
        """Replace a function by one of the same id, if it is still there."""
        await self._execute(FUNCTIONS.update, (*FUNCTIONS.row(function), function.id))

    async def functions(self) -> list[FunctionRecord]:
        """Return all functions, newest first."""
        return await self._select(FUNCTIONS, {}, -1)

    async def delete_functions(self, ids: Iterable[int]) -> None:
        """Delete functions and their schedules; files and calls stay."""
        await self._delete(ids, "schedule WHERE function_id", "function WHERE id")

    def code_folder(self, function_id: int) -> Path:
        """Return the folder for the code of a function; who unpacks the code makes and deletes it."""
        return self.folder / "functions" / str(function_id)

    async def add_file(self, file: File) -> bool:
        """Keep what is known of a file; return False, and keep nothing, if its external id is taken."""
        return await self._insert(FILES, file)

    async def update_file(self, file: File) -> None:
        """Replace what is known of a file, if it is still there."""
        await self._execute(FILES.update, (*FILES.row(file), file.id))

    async def files(self, ids: Sequence[int]) -> list[File]:
        """Return the files that are known, in the order asked for."""
        return await self._by_ids(FILES, ids)

    async def list_files(self, *, external_id: str | None = None, before: int | None = None, limit: int) -> list[File]:
        """Return files, newest first, with ids below `before`."""
        return await self._select(FILES, {"external_id =": external_id, "id <": before}, limit)

    async def delete_files(self, ids: Iterable[int]) -> None:
        """Forget files; who has written their content deletes it."""
        await self._delete(ids, "file WHERE id")

    def content_path(self, file_id: int) -> Path:
        """Return where the content of a file is. Write it beside this and move it here, so that it is always whole."""
        return self.folder / "files" / str(file_id)

    async def add_schedule(self, schedule: Schedule) -> None:
        """Keep a schedule."""
        await self._insert(SCHEDULES, schedule)

    async def update_schedule(self, schedule: Schedule) -> None:
        """Replace a schedule by one of the same id, if it is still there."""
        await self._execute(SCHEDULES.update, (*SCHEDULES.row(schedule), schedule.id))

    async def schedules(self) -> list[Schedule]:
        """Return all schedules, newest first."""
        return await self._select(SCHEDULES, {}, -1)

    async def delete_schedules(self, ids: Iterable[int]) -> None:
        """Delete schedules; their calls stay."""
        await self._delete(ids, "schedule WHERE id")

    # How it is written and read

    def _drop_expired(self, now: int) -> None:
        """Forget nonces that have ended; the oldest come first."""
        while self._ready and (oldest := next(iter(self._ready.items())))[1].nonce_expires <= now:
            del self._ready[oldest[0]]

    async def _execute(self, sql: str, values: tuple[Any, ...]) -> list[Any]:
        return await self._database.write(_statement(sql, values))

    async def _rows(self, sql: str, values: tuple[Any, ...] = ()) -> list[Any]:
        return await self._database.read(_statement(sql, values))

    async def _insert(self, table: Table[Record], record: Record) -> bool:
        """Insert a record, and tell whether nothing was in its way."""
        return bool(await self._execute(f"{table.insert} ON CONFLICT DO NOTHING RETURNING id", table.row(record)))

    async def _by_ids(self, table: Table[Record], ids: Sequence[int]) -> list[Record]:
        """Return the records that are there, in the order asked for; the id is their first field."""
        rows = await self._rows(f"{table.select} WHERE id IN (SELECT value FROM json_each(?))", (_json(ids),))  # noqa: S608 - names of our own
        found = {row[0]: row for row in rows}
        return [table.read(found[record_id]) for record_id in ids if record_id in found]

    async def _select(self, table: Table[Record], conditions: Mapping[str, Any], limit: int) -> list[Record]:
        """Return the records that meet all conditions that have a value, newest first; -1 is no limit."""
        given = {condition: value for condition, value in conditions.items() if value is not None}
        where = " AND ".join(["TRUE", *(f"{condition} ?" for condition in given)])
        rows = await self._rows(f"{table.select} WHERE {where} ORDER BY id DESC LIMIT ?", (*given.values(), limit))
        return list(map(table.read, rows))

    async def _delete(self, ids: Iterable[int], *targets: str) -> None:
        """Delete the rows in which the column that each target names is one of the ids."""
        chosen = _json(ids)

        def delete(database: sqlite3.Connection) -> None:
            for target in targets:
                database.execute(f"DELETE FROM {target} IN (SELECT value FROM json_each(?))", (chosen,))  # noqa: S608 - names of our own

        await self._database.write(delete)


def _statement(sql: str, values: tuple[Any, ...]) -> Callable[[sqlite3.Connection], list[Any]]:
    return lambda database: database.execute(sql, values).fetchall()


def _first_id(time: int | None) -> int | None:
    """Return the least id of a call that was accepted in this millisecond."""
    return None if time is None else min(time * PER_MILLISECOND, MAX_ID)


def _last_id(time: int | None) -> int | None:
    """Return the greatest id of a call that was accepted in this millisecond."""
    return None if time is None else min((time + 1) * PER_MILLISECOND - 1, MAX_ID)


def _log_row(call_id: int, lines: Iterable[LogLine]) -> tuple[int, bytes]:
    return call_id, _json(map(attrs.astuple, lines)).encode()


def _json(values: Iterable[Any]) -> str:
    return json.dumps(list(values))
