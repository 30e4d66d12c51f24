"""The code of a function that came as a zip file: unpacked into a folder that nothing of it can leave."""

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
    """Unpack a zip file into a new folder, readable by the owner only. It blocks on the disk, so call it in a thread.

    Args:
        archive: The file.
        folder: Where; what is there is deleted before.

    Raises:
        ConfigError: It is not a zip file, is too large, or has a member that would be written outside of the folder.
            Nothing is left in the folder.
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
        # zipfile raises any of these for a damaged or encrypted file, and the system for names that it cannot have.
        shutil.rmtree(folder, ignore_errors=True)
        raise ConfigError(f"the code file cannot be unpacked: {error}") from None


def _unpack_all(opened: zipfile.ZipFile, folder: Path) -> None:
    members = opened.infolist()
    if len(members) > MAX_FILES:
        raise ConfigError(f"the code file has {len(members)} members, and at most {MAX_FILES} are allowed")
    room = MAX_BYTES
    for member in members:
        target = folder.joinpath(*_parts(member))
        if member.is_dir():
            target.mkdir(parents=True, exist_ok=True)
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        room -= _copy(opened, member, target, room)


def _parts(member: zipfile.ZipInfo) -> tuple[str, ...]:
    """Return the parts of a member's path, all of which lead down."""
    path, mode = PurePosixPath(member.filename), member.external_attr >> 16
    leads_away = path.is_absolute() or ".." in path.parts or "\\" in member.filename or ":" in member.filename
    special = stat.S_IFMT(mode) not in {0, stat.S_IFREG, stat.S_IFDIR}
    if leads_away or special or (not path.parts and not member.is_dir()):
        raise ConfigError(
            f"the code file has the member {member.filename!r}: only files and folders below it are allowed"
        )
    return path.parts


def _copy(opened: zipfile.ZipFile, member: zipfile.ZipInfo, target: Path, room: int) -> int:
    """Write a member to a file and return its size, which is what it unpacks to and not what the zip says of it."""
    size = 0
    with opened.open(member) as source, target.open("wb") as written:
        while piece := source.read(_PIECE):
            size += len(piece)
            if size > room:
                raise ConfigError(f"the code file unpacks to more than {MAX_BYTES:,} bytes")
            written.write(piece)
    return size
