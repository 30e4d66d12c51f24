"""One process a journal: a lock that the system releases when the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import attrs

from aiocdf import _clock
from aiocdf.errors import InvalidArgument, WrongState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["Holder", "holder_of", "locked"]


@attrs.frozen
class Holder:
    """Who works on a journal."""

    pid: int
    host: str
    #: Seconds since 1970.
    since: float

    def __str__(self) -> str:
        """Return it as text."""
        began = datetime.fromtimestamp(self.since, UTC).astimezone()
        return f"process {self.pid} on {self.host}, since {began:%Y-%m-%d %H:%M:%S}"


@contextlib.contextmanager
def locked(journal: Path) -> Iterator[None]:
    """Lock a journal against other processes. The lock is a file next to it, removed at the end.

    Raises:
        WrongState: Another process works on it; the message says which.
        InvalidArgument: Creating the lock file next to the journal failed.
    """
    path = _beside(journal)
    while True:
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise InvalidArgument(f"cannot keep a journal at {str(journal)!r}: {error.strerror}") from None
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(descriptor)
            raise WrongState(
                f"journal {str(journal)!r} is in use by {holder_of(journal) or 'another process'}"
            ) from None
        if _is_file(path, descriptor):
            break
        os.close(descriptor)  # the one before has just removed it
    try:
        mine = Holder(os.getpid(), socket.gethostname(), _clock.wall())
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(attrs.asdict(mine)).encode(), 0)
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held, so that it is ours
        os.close(descriptor)


def holder_of(journal: Path) -> Holder | None:
    """Return the process that works on a journal now; None if none does."""
    try:
        with _beside(journal).open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return Holder(**json.load(file))
    except (OSError, ValueError, TypeError):  # no lock, or one that is being written
        pass
    return None


def _beside(journal: Path) -> Path:
    return journal.with_name(f"{journal.name}.lock")


def _is_file(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
