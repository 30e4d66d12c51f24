"""Reads the files of a folder that are uploaded. All of it blocks, so call it in a thread."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from aiocdf._bundle.ignore import read_ignore
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiocdf._bundle.ignore import Ignore

__all__ = ["MAX_BYTES", "read_folder"]

#: Bytes of all files together. They are held in memory, and a function with more is better without its data.
MAX_BYTES = 500_000_000


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder by their paths below it, with slashes, in a fixed order.

    Raises:
        InvalidArgument: The folder is not there, is too large, or has something that cannot be uploaded: a link that
            leads out of it, a link to a folder, or something that is neither file nor folder.
        ConfigError: It has an ignore file, and the extra that reads it is not installed.
    """
    if not folder.is_dir():
        raise InvalidArgument(f"folder is {str(folder)!r}, which is not a folder")
    root = folder.resolve()
    files: dict[str, bytes] = {}
    room = MAX_BYTES
    for path in _paths(root, read_ignore(root)):
        content = _read(root, path)
        room -= len(content)
        if room < 0:
            raise InvalidArgument(
                f"folder {root} holds more than {MAX_BYTES:,} bytes: name what is not needed in .funcignore"
            )
        files[path] = content
    return files


def _paths(root: Path, ignore: Ignore) -> Iterator[str]:
    """Yield the paths of the files that are not ignored."""
    for place, folders, names in os.walk(root, onerror=_unreadable):
        here = Path(place).relative_to(root)
        folders[:] = [name for name in sorted(folders) if not ignore.skips(_path(here / name), is_folder=True)]
        for name in folders:
            if (root / here / name).is_symlink():
                raise InvalidArgument(
                    f"{root / here / name} is a link to a folder, which a zip file cannot have: copy the folder, "
                    "or name it in .funcignore"
                )
        wanted = (_path(here / name) for name in sorted(names))
        yield from (path for path in wanted if not ignore.skips(path, is_folder=False))


def _path(relative: Path) -> str:
    """Return a path as it stands in the zip file."""
    path = relative.as_posix()
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"the name of file {path!r} is not Unicode: rename it") from None
    return path


def _read(root: Path, path: str) -> bytes:
    target = (root / path).resolve()
    if not target.is_relative_to(root):
        raise InvalidArgument(
            f"{root / path} is a link that leads out of the folder, to {target}: copy the file, or name it in .funcignore"
        )
    if not target.is_file():
        raise InvalidArgument(f"{root / path} is not a file that can be read: name it in .funcignore")
    try:
        return target.read_bytes()
    except OSError as error:
        _unreadable(error)


def _unreadable(error: OSError) -> NoReturn:
    raise InvalidArgument(f"{error.filename} cannot be read: {error.strerror}") from None
