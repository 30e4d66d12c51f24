"""The directory in which this computer's user keeps what programs are to remember."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from aiocdf.errors import ConfigError

__all__ = ["make_private", "state_directory"]


def state_directory() -> Path:
    """Return our directory among those of the user: one that stays on this computer and is no part of a backup by habit."""
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "aiocdf"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "aiocdf"
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state") / "aiocdf"


def make_private(directory: Path) -> None:
    """Make a directory that is its owner's alone, or see to it that it is.

    Raises:
        ConfigError: It is a link, another user's, or open to others.
        OSError: It cannot be made.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = directory.lstat()
    if not stat.S_ISDIR(found.st_mode):
        raise ConfigError(f"{directory} is no directory. Sign-ins are kept in a directory of their own.")
    if sys.platform != "win32" and (found.st_uid != os.geteuid() or found.st_mode & 0o077):
        raise ConfigError(
            f"{directory} is open to other users, and sign-ins are to be kept in it: chmod 700 {directory}"
        )
