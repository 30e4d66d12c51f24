"""The tables of the local server's database."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Final

from aiocdf.errors import ConfigError
from aiocdf.local.state.files import File
from aiocdf.local.state.functions import FunctionRecord
from aiocdf.local.state.records import Call, Session, now_ms
from aiocdf.local.state.schedules import Schedule
from aiocdf.local.state.table import Table

if TYPE_CHECKING:
    import sqlite3

__all__ = ["CALLS", "FILES", "FUNCTIONS", "SCHEDULES", "SESSIONS", "prepare"]

CALLS: Final = Table("call", Call)
FILES: Final = Table("file", File)
FUNCTIONS: Final = Table("function", FunctionRecord)
SCHEDULES: Final = Table("schedule", Schedule)
SESSIONS: Final = Table("session", Session)

# Responses and logs have separate tables, so that listing calls does not read them. A log has several rows.
CREATE: Final = f"""
BEGIN;
{CALLS.create}
CREATE INDEX call_of_function ON call (function_id, id);
CREATE INDEX call_by_start ON call (function_id, start_time);
CREATE INDEX call_running ON call (id) WHERE status = 'Running';
CREATE TABLE response (call_id INTEGER PRIMARY KEY, body BLOB NOT NULL);
CREATE TABLE log (call_id INTEGER NOT NULL, lines BLOB NOT NULL);
CREATE INDEX log_of_call ON log (call_id);
{SESSIONS.create}
ALTER TABLE session ADD COLUMN nonce BLOB;
{FUNCTIONS.create}
CREATE UNIQUE INDEX function_by_external_id ON function (external_id) WHERE external_id IS NOT NULL;
{FILES.create}
CREATE UNIQUE INDEX file_by_external_id ON file (external_id) WHERE external_id IS NOT NULL;
{SCHEDULES.create}
CREATE INDEX schedule_of_function ON schedule (function_id);
"""

#: "acls": identifies SQLite files of the local server (https://sqlite.org/fileformat2.html#application_id).
APPLICATION_ID: Final = 0x61636C73
#: Any change of the tables changes the version.
VERSION: Final = zlib.crc32(CREATE.encode()) >> 1

STOPPED: Final = "the local server ended while the call was running"


def prepare(database: sqlite3.Connection) -> None:
    """Create the tables, or mark calls that were running when an earlier server ended as Failed.

    Raises:
        ConfigError: The database does not belong to a local server, or to another version.
    """
    if not database.execute("SELECT COUNT(*) FROM sqlite_schema").fetchone()[0]:
        stamp = f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = {VERSION};"
        database.executescript(f"{CREATE} {stamp} COMMIT;")
    (application,) = database.execute("PRAGMA application_id").fetchone()
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise ConfigError("it does not belong to a local server")
    if version != VERSION:
        raise ConfigError("it was created by another version of aiocdf")
    sql = "UPDATE call SET status = 'Failed', message = ?, end_time = MAX(start_time, ?) WHERE status = 'Running'"
    database.execute(sql, (STOPPED, now_ms()))
