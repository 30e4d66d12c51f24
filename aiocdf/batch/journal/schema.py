"""The tables of a journal, and the statements that write them."""

from __future__ import annotations

from typing import Final

__all__ = [
    "APPLICATION_ID",
    "CREATE",
    "CUT",
    "END",
    "END_UNSENT",
    "FORGET_OUTCOME",
    "KEY",
    "OUTCOME",
    "RUN",
    "SUBMIT",
    "VERSION",
    "WITHDRAW",
    "WRITES",
]

#: "acdf", which marks SQLite files of aiocdf (https://sqlite.org/fileformat2.html#application_id).
APPLICATION_ID: Final = 0x61636466
VERSION: Final = 1

# Responses have their own table, so that counting a million inputs reads only some megabytes.
CREATE: Final = f"""
BEGIN;
CREATE TABLE map (identity TEXT NOT NULL, inputs TEXT NOT NULL, total INTEGER NOT NULL, began REAL NOT NULL);
CREATE TABLE input (
  line INTEGER PRIMARY KEY,
  status TEXT NOT NULL,
  key TEXT,
  sent_from REAL,
  sent_until REAL,
  starts_after REAL,
  clock REAL,
  session INTEGER,
  function INTEGER,
  call INTEGER,
  started REAL,
  ended REAL,
  outcome INTEGER
);
CREATE TABLE outcome (id INTEGER PRIMARY KEY, line INTEGER NOT NULL, response TEXT, error TEXT);
CREATE TABLE key (key TEXT PRIMARY KEY, line INTEGER NOT NULL) WITHOUT ROWID;
PRAGMA application_id = {APPLICATION_ID};
PRAGMA user_version = {VERSION};
"""

#: Takes a key for a line, unless another line has it.
KEY: Final = "INSERT INTO key VALUES (?, ?) ON CONFLICT DO NOTHING"
#: What an earlier attempt came to counts no more once another is made.
FORGET_OUTCOME: Final = "DELETE FROM outcome WHERE id = (SELECT outcome FROM input WHERE line = ?)"
SUBMIT: Final = "REPLACE INTO input (line, status, key, sent_from, starts_after, clock, session) VALUES (?, 'Submitting', ?, ?, ?, ?, ?)"
END_UNSENT: Final = "REPLACE INTO input (line, status, key, outcome) VALUES (?, ?, ?, ?)"
RUN: Final = "UPDATE input SET status = 'Running', function = ?, call = ?, started = ? WHERE line = ?"
OUTCOME: Final = "INSERT INTO outcome VALUES (?, ?, ?, ?)"
END: Final = "UPDATE input SET status = ?, ended = ?, outcome = ? WHERE line = ?"
WITHDRAW: Final = "DELETE FROM input WHERE line = ? AND status = 'Submitting'"

#: The process that submitted these has ended: nothing was sent after this time.
CUT: Final = "UPDATE input SET sent_until = ? WHERE status = 'Submitting' AND sent_until IS NULL"

#: In the order in which they happen to one input.
WRITES: Final = (KEY, FORGET_OUTCOME, SUBMIT, END_UNSENT, RUN, OUTCOME, END, WITHDRAW)
