"""Files that only their owner can read."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

__all__ = ["read_private", "replace_private"]


def replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. One that is there is replaced at once, never half."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def read_private(path: Path) -> str:
    """Return the text of a file that no other user can read or has written.

    Raises:
        OSError: It cannot be read, is a link, or other users can read it or own it.
    """
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if stat.S_IMODE(status.st_mode) & 0o077 or status.st_uid != os.getuid():
            raise PermissionError
        return file.read()
