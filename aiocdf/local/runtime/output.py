"""What a child process prints, as log lines."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["OnLog", "Output"]

OnLog: TypeAlias = "Callable[[int, str], None]"

# A pipe holds no more than this, so one read of this size takes all that was written before it.
_PIPE = 64 * 1024
_LONGEST_LINE = 64 * 1024


class Output:
    """The read end of a child's stdout and stderr, read whenever there is something to read.

    Lines go to one listener at a time; between calls they are dropped. The pipe is still read then, so that a thread
    that a function left behind does not block on a full pipe.

    Args:
        descriptor: The read end of the pipe; closed by `close`.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._rest = b""
        self._on_log: OnLog = _drop
        self._loop.add_reader(descriptor, self._read)

    def listen(self, on_log: OnLog) -> None:
        """Give each line from now on to `on_log`, with its time in epoch milliseconds."""
        self._read()  # what is there already belongs to no call
        self._rest = b""
        self._on_log = on_log

    def finish(self) -> None:
        """Give the listener all that has been written until now, an unfinished last line too, and forget it."""
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
        if not chunk:  # closed by all who could write
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
