"""The folder with the state of a server."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

__all__ = ["DATABASE", "clear", "locked_folder", "state_folder", "tidy"]

#: The name of the database. SQLite writes two more files next to it.
DATABASE = "state.db"
FOLDERS = ("files", "functions")
LOCK = "lock"


def state_folder(root: Path) -> Path:
    """Return the default state folder for a folder of functions.

    It is below `$XDG_STATE_HOME` or `~/.local/state`, and the same at each start.
    """
    root = root.resolve()
    base = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    return base / "aiocdf" / "serve" / f"{root.name}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"


@contextlib.contextmanager
def locked_folder(folder: Path | None) -> Iterator[Path]:
    """Lock a folder for this process. Create missing folders, which only the owner can read.

    Args:
        folder: The folder; None uses a temporary folder, which is deleted at the end.

    Raises:
        ConfigError: Another server uses the folder, or it is not writable.
    """
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="aiocdf-", ignore_cleanup_errors=True) as temporary:
            _prepare(Path(temporary))
            yield Path(temporary)
        return
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise ConfigError(f"the state folder {str(folder)!r} is not writable: {error.strerror}") from None
    # The system releases the lock when the process ends, even if it is killed.
    with os.fdopen(descriptor, "rb") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(
                f"another server uses the state folder {str(folder)!r}: stop it, or use another folder with --state or "
                "serve(state=...)"
            ) from None
        _prepare(folder)
        yield folder


def tidy(folder: Path, *, files: Container[str], functions: Container[str]) -> None:
    """Delete files without records, which a killed server leaves.

    Args:
        folder: The locked folder.
        files: The names to keep in the folder `files`.
        functions: The names to keep in the folder `functions`.
    """
    for place, known in zip(FOLDERS, (files, functions), strict=True):
        for path in (folder / place).iterdir():
            if path.name in known:
                continue
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


def _prepare(folder: Path) -> None:
    try:
        for name in FOLDERS:
            (folder / name).mkdir(exist_ok=True)
            (folder / name).chmod(0o700)
        # SQLite creates its other files with the same mode.
        (folder / DATABASE).touch(0o600)
        (folder / DATABASE).chmod(0o600)
    except OSError as error:
        raise ConfigError(f"the state folder {str(folder)!r} is not writable: {error.strerror}") from None


def clear(folder: Path) -> None:
    """Delete the state of an earlier server in a locked folder."""
    for name in FOLDERS:
        shutil.rmtree(folder / name, ignore_errors=True)
    for suffix in ("", "-wal", "-shm"):
        (folder / f"{DATABASE}{suffix}").unlink(missing_ok=True)
    _prepare(folder)
