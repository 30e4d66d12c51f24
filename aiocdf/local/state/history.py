"""How long calls are kept: for some days, and as long as there is room."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from aiocdf.local.state.records import PER_MILLISECOND

if TYPE_CHECKING:
    import sqlite3

    from aiocdf.local.state.limits import Limits

__all__ = ["Sweep", "oldest_kept"]

DAY_MS = 86_400_000
#: Calls that are deleted in one transaction, for which others wait.
CALLS_AT_ONCE = 500
#: What a call and its session take, without log and response.
ROW_BYTES = 500
MAX_ID = 2**63 - 1


def oldest_kept(now: int, days: float) -> int:
    """Return the id below which calls and sessions are older than so many days; *now* is in epoch milliseconds."""
    return max(0, int(now - days * DAY_MS)) * PER_MILLISECOND


class Sweep:
    """Deletes, step by step, the calls that have ended and are too old or for which there is no room, oldest first.

    Args:
        now: Epoch milliseconds.
        limits: How long calls are kept, and how much room there is.
    """

    def __init__(self, now: int, limits: Limits) -> None:
        self._oldest = oldest_kept(now, limits.history_days)
        self._room = limits.history_bytes

    def step(self, database: sqlite3.Connection) -> list[int]:
        """Delete some calls, and sessions as old as they; return the ids of the calls, none if nothing is left to do."""
        ids = self._next(database)
        chosen = json.dumps(ids)
        for target in ("call WHERE id", "response WHERE call_id", "log WHERE call_id"):
            database.execute(f"DELETE FROM {target} IN (SELECT value FROM json_each(?))", (chosen,))  # noqa: S608 - names of our own
        sql = "DELETE FROM session WHERE id < ? AND id NOT IN (SELECT session_id FROM schedule)"
        database.execute(sql, (max([self._oldest, *ids[-1:]]),))
        return ids

    def _next(self, database: sqlite3.Connection) -> list[int]:
        """Return the oldest calls that have to go, no more than have to."""
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
    """Return what the file would take without the room that is free in it, which is used again."""
    pages, free, size = (
        database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count", "page_size")
    )
    return int((pages - free) * size)
