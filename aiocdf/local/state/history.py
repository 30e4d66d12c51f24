"""Deletes old calls: after some days, or when they use too much space."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiocdf.local.state.records import PER_MILLISECOND

if TYPE_CHECKING:
    import sqlite3

    from aiocdf.local.state.limits import Limits

__all__ = ["Sweep", "oldest_kept"]

DAY_MS = 86_400_000
#: The maximum number of calls to delete in one transaction, because other writes wait for it.
CALLS_AT_ONCE = 500
#: The bytes that a call and its session use, without log and response.
ROW_BYTES = 500
MAX_ID = 2**63 - 1


def oldest_kept(now: int, days: float) -> int:
    """Return the id below which calls and sessions are older than *days*; *now* is in epoch milliseconds."""
    return max(0, int(now - days * DAY_MS)) * PER_MILLISECOND


class Sweep:
    """Deletes ended calls that are too old or use too much space, in steps, oldest first.

    Args:
        now: The present time in epoch milliseconds.
        limits: The maximum age and total size of ended calls.
    """

    def __init__(self, now: int, limits: Limits) -> None:
        self._oldest = oldest_kept(now, limits.history_days)
        self._room = limits.history_bytes

    def step(self, database: sqlite3.Connection) -> list[int]:
        """Delete some calls and sessions of the same age. Return the ids of the calls; none if the sweep is done."""
        ids = self._next(database)
        chosen = json.dumps(ids)
        for target in ("call WHERE id", "response WHERE call_id", "log WHERE call_id"):
            database.execute(f"DELETE FROM {target} IN (SELECT value FROM json_each(?))", (chosen,))  # noqa: S608 - constant names
        sql = "DELETE FROM session WHERE id < ? AND id NOT IN (SELECT session_id FROM schedule)"
        database.execute(sql, (max([self._oldest, *ids[-1:]]),))
        return ids

    def _next(self, database: sqlite3.Connection) -> list[int]:
        """Return the oldest calls to delete, at most as many as necessary."""
        excess = _used_bytes(database) - self._room
        sql = """SELECT id, IFNULL(LENGTH(body), 0) + (SELECT IFNULL(SUM(LENGTH(lines)), 0) FROM log WHERE call_id = id)
            FROM call LEFT JOIN response ON call_id = id WHERE status <> 'Running' AND id < ? ORDER BY id LIMIT ?"""
        ids = []
        for call_id, size in database.execute(sql, (MAX_ID if excess > 0 else self._oldest, CALLS_AT_ONCE)):
            if call_id >= self._oldest and excess <= 0:
                break
            ids.append(call_id)
            excess -= size + ROW_BYTES
        return ids


def _used_bytes(database: sqlite3.Connection) -> int:
    """Return the used bytes of the file, without its free pages, which SQLite uses again."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
