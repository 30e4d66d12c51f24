"""The output of a function's process, as log lines."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OnLog", "Output"]

OnLog: TypeAlias = "Callable[[int, str], None]"

# A pipe holds at most this many bytes, so one read of this size returns everything written before it.
_PIPE = 64 * 1024
_LONGEST_LINE = 64 * 1024


class Output:
    """The read end of a process's stdout and stderr. It reads when data arrives.

    Lines go to one listener at a time. Between calls, lines are read and dropped, so that a thread that a function
    left running does not block on a full pipe.

    Args:
        descriptor: The read end of the pipe; `close` closes it.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._on_log: OnLog = _drop
        self._loop.add_reader(descriptor, self._read)

    def listen(self, on_log: OnLog) -> None:
        """Pass each following line to *on_log*, after its time in epoch milliseconds."""
        self._read()  # drops what was written before this call
        self._rest = b""
        self._on_log = on_log

    def finish(self) -> None:
        """Pass the listener everything written so far, including an unfinished last line, and remove the listener."""
        self._read()
        if self._rest:
            self._emit(self._rest)
        self._rest = b""
        self._on_log = _drop

    def close(self) -> None:
        """Stop reading and close the pipe."""
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)

    def _read(self) -> None:
        try:
            chunk = os.read(self._descriptor, _PIPE)
        except BlockingIOError:
            return
        if not chunk:  # all writers have closed the pipe
            self._loop.remove_reader(self._descriptor)
            return
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            self._emit(line)
        if len(self._rest) > _LONGEST_LINE:
            self._emit(self._rest)
            self._rest = b""

    def _emit(self, line: bytes) -> None:
        now = time.time_ns() // 1_000_000
        text = line.removesuffix(b"\r").decode(errors="replace")
        for start in range(0, len(text) or 1, _LONGEST_LINE):
            self._on_log(now, text[start : start + _LONGEST_LINE])


def _drop(timestamp: int, line: str) -> None:
    """Drop a line."""
