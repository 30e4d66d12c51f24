"""The calls that are accepted and wait to begin. The service runs them also when their client has ended."""

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
    """Knows the tasks of calls that wait, and says from time to time how many there are.

    Args:
        log: Where that is said.
    """

    _log: logging.Logger
    _tasks: dict[int, asyncio.Task[None]] = attrs.field(factory=dict, init=False)
    _ended: set[int] = attrs.field(factory=set, init=False)
    _timer: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    def __contains__(self, call_id: int) -> bool:
        """Tell whether a call waits."""
        return call_id in self._tasks

    def add(self, call_id: int, task: asyncio.Task[None]) -> None:
        """Note that a call waits."""
        self._tasks[call_id] = task
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(FIRST_REPORT, self._report)

    def remove(self, call_id: int) -> bool:
        """Note that a call waits no longer, and tell whether `end` has ended it."""
        self._tasks.pop(call_id, None)
        if not self._tasks and self._timer is not None:
            self._timer.cancel()
            self._timer = None
        ended = call_id in self._ended
        self._ended.discard(call_id)
        return ended

    def end(self) -> int:
        """End all calls that wait now, and return how many these are."""
        loop = asyncio.get_running_loop()
        for call_id in self._tasks:
            # Not at once: a task that is cancelled before its first step would not write the end of its call.
            loop.call_soon(self._end, call_id)
        return len(self._tasks)

    def _end(self, call_id: int) -> None:
        if task := self._tasks.get(call_id):
            self._ended.add(call_id)
            task.cancel()

    def _report(self) -> None:
        count = len(self._tasks)
        self._log.info(
            "%d accepted %s to begin, also if the client has ended (Ctrl-\\ in `aiocdf serve` ends %s)",
            count,
            *(("call waits", "it") if count == 1 else ("calls wait", "them")),
        )
        self._timer = asyncio.get_running_loop().call_later(NEXT_REPORT, self._report)
