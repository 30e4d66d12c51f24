"""The token store that keeps sign-ins in files that only their owner can read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aiocdf.auth._finish import finished
from aiocdf.auth.store.base import wait_for_turn
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

if sys.platform == "win32":
    import msvcrt

    def _lock_at_once(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
else:
    import fcntl

    def _lock_at_once(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


__all__ = ["FileTokenStore"]

_log = logging.getLogger(__name__)

# Without O_NONBLOCK, opening a FIFO would wait for its other end.
_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
_LOCKED = os.O_RDWR | os.O_CREAT

T = TypeVar("T")


class FileTokenStore:
    """Keeps each sign-in in its own file, for all processes of one user on one computer.

    A file is replaced atomically. A file that other users could read counts as missing.

    Args:
        directory: Where to keep them; by default `aiocdf` in the user's state directory: `$XDG_STATE_HOME` or `~/.local/state` on
            Linux, `~/Library/Application Support` on macOS, `%LOCALAPPDATA%` on Windows. It is made with mode 0700.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = _state_directory() if directory is None else Path(directory)

    def __repr__(self) -> str:
        """Show the directory."""
        return f"FileTokenStore({str(getattr(self, '_directory', ''))!r})"

    async def load(self, key: str) -> Secret | None:
        """Return the text under *key*; None if there is none.

        Raises:
            AuthError: The file is not readable.
            ConfigError: Other users can use the directory.
        """
        return await self._in_thread(_read, self._file(key))

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*.

        Raises:
            AuthError: Writing the file failed.
        """
        await self._in_thread(_write, self._file(key), text)

    async def delete(self, key: str) -> None:
        """Delete the text under *key*.

        Raises:
            AuthError: Deleting the file failed.
        """
        await self._in_thread(lambda: self._file(key).unlink(missing_ok=True))

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Prevent other clients and processes from renewing the sign-in under *key*.

        Raises:
            AuthError: Another one holds the lock for too long, or the directory is not usable.
            ConfigError: Other users can use the directory.
        """
        await self._in_thread(_make_private, self._directory)
        async with contextlib.AsyncExitStack() as stack:
            with self._reported():
                await stack.enter_async_context(_file_lock(self._directory / f"{key}.lock"))
            yield

    def _file(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function in a thread, to its end even if cancelled."""
        with self._reported():
            return await finished(asyncio.to_thread(function, *arguments))

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuthError(f"cannot keep sign-ins in {self._directory}: {error.strerror}.") from None


def _read(path: Path) -> Secret | None:
    try:
        _check_private(path.parent)
        descriptor = _open_file(path, os.O_RDONLY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        found = os.fstat(descriptor)
        if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
            _log.warning(
                "%s is not used, because other users can read it: remove it, and sign in again",
                path,
                extra={"event": "token_file_not_safe"},
            )
            return None
        return Secret(file.read())


def _open_file(path: Path, flags: int) -> int:
    """Open a regular file, and nothing else of that name.

    Raises:
        AuthError: It is a directory, a device or a FIFO.
        OSError: Opening it failed.
    """
    descriptor = os.open(path, flags | _SAFELY, 0o600)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise AuthError(f"{path} is not a file, and sign-ins are kept in files: remove it.")
    return descriptor


def _write(path: Path, text: Secret) -> None:
    """Replace the file atomically; the lock is held, so no other process writes here."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.reveal())
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)


@contextlib.asynccontextmanager
async def _file_lock(path: Path) -> AsyncIterator[None]:
    """Hold the lock on a file, which is created if missing and stays; the system releases it when the process ends.

    Raises:
        AuthError: Another process, or another client of this one, holds the lock for too long.
        OSError: Opening the file failed.
    """
    with await finished(asyncio.to_thread(lambda: os.fdopen(_open_file(path, _LOCKED), "wb", buffering=0))) as file:
        await wait_for_turn(lambda: _try_lock(file.fileno()))  # tried without waiting, so not worth a thread
        yield


def _try_lock(descriptor: int) -> bool:
    try:
        _lock_at_once(descriptor)
    except OSError:
        return False
    return True


def _state_directory() -> Path:
    """Return the directory for aiocdf's state: it stays on this computer, and backups usually skip it."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "aiocdf"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "aiocdf"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "aiocdf"


def _make_private(directory: Path) -> None:
    """Make a private directory, and private missing parents, or check an existing one.

    Raises:
        ConfigError: It is a link, another user's, or open to others.
        OSError: Making it failed.
    """
    for missing in reversed([path for path in (directory, *directory.parents) if not path.exists()]):
        with contextlib.suppress(FileExistsError):  # another process was faster
            missing.mkdir(mode=0o700)
            missing.chmod(0o700)  # in case the umask removed the owner's rights
    _check_private(directory)


def _check_private(directory: Path) -> None:
    """Check that only the owner can use a directory.

    Raises:
        ConfigError: It is a link, another user's, or open to others.
        FileNotFoundError: It does not exist.
    """
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{directory} is not a directory. Sign-ins need their own directory.")
    if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
        raise ConfigError(f"{directory} is open to other users, so sign-ins are not safe in it: chmod 700 {directory}")
