"""Unpacks the zip file with a function's code, and keeps all of its members inside of one folder."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["unpack"]

MAX_FILES = 20_000
MAX_BYTES = 500_000_000
_PIECE = 1_000_000


def unpack(archive: Path, folder: Path) -> None:
    """Unpack a zip file into a new folder that only the owner can read. Call it in a thread: it uses the disk.

    Args:
        archive: The zip file.
        folder: The folder to create. An existing folder is deleted first.

    Raises:
        ConfigError: The file is not a zip file or is too large, or a member is outside of the folder. The folder is
            removed again.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    try:
        with zipfile.ZipFile(archive) as opened:
            _unpack_all(opened, folder)
    except ConfigError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    except (zipfile.BadZipFile, zlib.error, ValueError, RuntimeError, EOFError, OSError) as error:
        # zipfile raises these for damaged or encrypted files, and the system for names that are not valid.
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(f"unpacking the code file failed: {error}") from None


def _unpack_all(opened: zipfile.ZipFile, folder: Path) -> None:
    members = opened.infolist()
    if len(members) > MAX_FILES:
        raise ConfigError(f"the code file has {len(members)} members: use at most {MAX_FILES}")
    room = MAX_BYTES
    for member in members:
        target = folder.joinpath(*_parts(member))
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        room -= _copy(opened, member, target, room)


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the parts of a member's path.

    Raises:
        ConfigError: The path leaves the folder, or the member is not a regular file or folder.
    """
    path, mode = PurePosixPath(member.filename), member.external_attr >> 16
    leads_away = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
    special = stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}
    if leads_away or special or (not path.parts and not member.is_dir()):
        raise ConfigError(
            f"the code file has the member {member.filename!r}: use only regular files and folders with relative paths"
        )
    return path.parts


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Write a member to a file. Return how many bytes were unpacked: the size in the zip file may be wrong."""
    size = 0
    with opened.open(member) as source, target.open("wb") as written:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > room:
                raise ConfigError(f"the code file unpacks to more than {MAX_BYTES:,} bytes, the limit")
            written.write(piece)
    return size
