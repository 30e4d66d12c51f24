"""Reports changes of calls, logs, functions and schedules to readers in this process.

Reporting a change never waits for a reader. A slow reader gets only the newest state of each call. A reader that is too
slow is notified that it missed changes.
"""

from __future__ import annotations

import asyncio
import functools
import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiocdf.local.state.records import Call, CallStatus

    CallState = CallStatus | Literal["Queued"]

__all__ = ["CallChange", "Feed", "Reader"]

#: The maximum number of changed calls kept for a reader. A reader that exceeds it has to read everything again.
MOST_CHANGES = 1_000


@attrs.frozen
class CallChange:
    """A call and its state: its status, or Queued before the function starts to run."""

    call: Call
    state: CallState

    def shown(self) -> dict[str, Any]:
        """Return the change as JSON values. `accepted` comes from the id of the call; `start` can be later."""
        call = self.call
        return {
            "id": call.id,
            "functionId": call.function_id,
            "state": self.state,
            "accepted": call.accepted,
            "start": call.start_time,
            "end": call.end_time,
            "error": call.message,
            "scheduleId": call.schedule_id,
        }

    @functools.cached_property
    def json(self) -> str:
        """The change as JSON, encoded once for all readers."""
        return json.dumps(self.shown())


@attrs.define(eq=False)
class Reader:
    """The changes that one reader has not read yet."""

    #: Whether the reader has to read everything: at first, and after too many changes.
    missed: bool = True
    overview: bool = False
    changes: dict[int, CallChange] = attrs.field(factory=dict)
    news: asyncio.Event = attrs.field(factory=asyncio.Event)

    def add(self, change: CallChange) -> None:
        """Record that a call has changed."""
        if len(self.changes) >= MOST_CHANGES:
            self.changes.clear()
            self.missed = True
        self.changes[change.call.id] = change
        self.news.set()


@attrs.define(eq=False)
class Feed:
    """Passes changes on to all readers."""

    closed: bool = attrs.field(default=False, init=False)
    _readers: set[Reader] = attrs.field(factory=set, init=False)
    _log_readers: dict[int, set[asyncio.Event]] = attrs.field(factory=dict, init=False)

    @contextmanager
    def reader(self) -> Iterator[Reader]:
        """Collect changes for a reader until the end of the `with` block."""
        reader = Reader()
        self._readers.add(reader)
        try:
            yield reader
        finally:
            self._readers.discard(reader)

    @contextmanager
    def log_reader(self, call_id: int) -> Iterator[asyncio.Event]:
        """Return an event that is set when a call prints a line and when it ends."""
        grew = asyncio.Event()
        self._log_readers.setdefault(call_id, set()).add(grew)
        try:
            yield grew
        finally:
            self._log_readers[call_id].discard(grew)
            if not self._log_readers[call_id]:
                del self._log_readers[call_id]

    def call_changed(self, call: Call, state: CallState) -> None:
        """Report that a call was accepted, started to run, or ended."""
        if self._readers:
            change = CallChange(call, state)
            for reader in self._readers:
                reader.add(change)

    def log_grew(self, call_id: int) -> None:
        """Report that a call has printed a line, or has ended."""
        for grew in self._log_readers.get(call_id, ()):
            grew.set()

    def overview_changed(self) -> None:
        """Report that functions or schedules were added, removed or changed."""
        for reader in self._readers:
            reader.overview = True
            reader.news.set()

    def close(self) -> None:
        """End all readers."""
        self.closed = True
        for reader in self._readers:
            reader.news.set()
        for call_id in self._log_readers:
            self.log_grew(call_id)
