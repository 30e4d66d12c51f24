"""The accepted calls that wait for a process. The service runs them even if their client has ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    import logging

__all__ = ["WaitingCalls"]

FIRST_REPORT, NEXT_REPORT = 5.0, 60.0  # seconds


@attrs.define
class WaitingCalls:
    """Tracks the tasks of waiting calls, and logs their number at intervals.

    Args:
        log: The logger for their number.
    """

    _log: logging.Logger
    _tasks: dict[int, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _ended: set[int] = attrs.field(factory=set, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    def __contains__(self, call_id: int) -> bool:
        """Return whether a call waits."""
        return call_id in self._tasks

    def add(self, call_id: int, task: asyncio.Task[None]) -> None:
        """Record that a call waits."""
        self._tasks[call_id] = task
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FIRST_REPORT, self._report)

    def remove(self, call_id: int) -> bool:
        """Record that a call stopped waiting. Return whether `end` ended it."""
        self._tasks.pop(call_id, None)
        if not self._tasks and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended = call_id in self._ended
        self._ended.discard(call_id)
        return ended

    def end(self) -> int:
        """End all waiting calls, and return how many there were."""
        loop = asyncio.get_running_loop()
        for call_id in self._tasks:
            # Not immediately: a task that is cancelled before its first step would not store the end of its call.
            loop.call_soon(self._end, call_id)
        return len(self._tasks)

    def _end(self, call_id: int) -> None:
        if task := self._tasks.get(call_id):
            self._ended.add(call_id)
            task.cancel()

    def _report(self) -> None:
        count = len(self._tasks)
        self._log.info(
            "%d accepted %s to start, even if the client has ended (Ctrl-\\ in `aiocdf serve` cancels %s)",
            count,
            *(("call waits", "it") if count == 1 else ("calls wait", "them")),
        )
        self._timer = asyncio.get_running_loop().call_later(NEXT_REPORT, self._report)
