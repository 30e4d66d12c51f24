"""A lock between processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from typing import TYPE_CHECKING

from aiocdf.auth.token_store import wait_for_turn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["file_lock"]


@contextlib.asynccontextmanager
async def file_lock(path: Path) -> AsyncIterator[None]:
    """Hold the lock on a file, which is made if it is not there and stays; the system lets go of it with the process.

    Raises:
        AuthError: Another process, or another client of this one, holds it for too long.
        OSError: The file cannot be opened.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)
    with await asyncio.to_thread(lambda: os.fdopen(os.open(path, flags, 0o600), "wb", buffering=0)) as file:
        await wait_for_turn(lambda: _taken(file.fileno()))  # tried without waiting, so not worth a thread
        yield


def _taken(descriptor: int) -> bool:
    try:
        _take(descriptor)
    except OSError:
        return False
    return True
