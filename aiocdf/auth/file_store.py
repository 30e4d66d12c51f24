"""Sign-ins kept in files that only their owner can read."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import stat
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from aiocdf.auth.file_lock import file_lock
from aiocdf.auth.finish import finish
from aiocdf.auth.state_directory import make_private, state_directory
from aiocdf.errors import AuthError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

__all__ = ["FileTokenStore"]

_log = logging.getLogger(__name__)

_SAFELY = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)

T = TypeVar("T")


class FileTokenStore:
    """Keeps each sign-in in a file of its own, for all processes of one user on one computer.

    A file is replaced as a whole, or not at all. One that others could read counts as missing.

    Args:
        directory: Where; by default `aiocdf` in the user's state directory: `$XDG_STATE_HOME` or `~/.local/state` on
            Linux, `~/Library/Application Support` on macOS, `%LOCALAPPDATA%` on Windows. It is made with mode 0700.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        self._directory = state_directory() if directory is None else Path(directory)

    def __repr__(self) -> str:
        """Tell where it is."""
        return f"FileTokenStore({str(self._directory)!r})"

    async def load(self, key: str) -> Secret | None:
        """Return what is kept under *key*; None for nothing.

        Raises:
            AuthError: The file cannot be read.
        """
        return await self._in_thread(_read, self._file(key))

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*.

        Raises:
            AuthError: The file cannot be written.
        """
        await self._in_thread(_write, self._file(key), text)

    async def delete(self, key: str) -> None:
        """Forget what is kept under *key*.

        Raises:
            AuthError: The file cannot be removed.
        """
        await self._in_thread(lambda: self._file(key).unlink(missing_ok=True))

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:
        """Keep everyone else from renewing the sign-in under *key*, in other processes too.

        Raises:
            AuthError: Another one holds it for too long, or the directory cannot be used.
            ConfigError: The directory is not its owner's alone.
        """
        await self._in_thread(make_private, self._directory)
        async with contextlib.AsyncExitStack() as stack:
            with self._reported():
                await stack.enter_async_context(file_lock(self._directory / f"{key}.lock"))
            yield

    def _file(self, key: str) -> Path:
        return self._directory / f"{key}.json"

    async def _in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Do what may block in a thread, and to its end."""
        with self._reported():
            return await finish(asyncio.to_thread(function, *arguments))

    @contextlib.contextmanager
    def _reported(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise AuthError(f"cannot keep sign-ins in {self._directory}: {error.strerror}.") from None


def _read(path: Path) -> Secret | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | _SAFELY)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as file:
        found = os.fstat(descriptor)
        if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
            _log.warning("%s is not used, because other users can read it: remove it, and sign in again", path)
            return None
        return Secret(file.read())


def _write(path: Path, text: Secret) -> None:
    """Replace the file at once; the lock is held, so that nobody else writes here."""
    draft = path.with_suffix(".tmp")
    draft.unlink(missing_ok=True)  # of a process that was killed
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _SAFELY, stat.S_IRUSR | stat.S_IWUSR)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text.reveal())
        file.flush()
        os.fsync(descriptor)
    draft.replace(path)
