"""Reads the files to upload from a folder. All of it blocks, so call it in a thread."""

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

#: The maximum size of all files together, in bytes. They are held in memory; larger data belongs in CDF.
MAX_BYTES = 500_000_000


def read_folder(folder: Path) -> dict[str, bytes]:
    """Return the contents of the files in a folder by their paths below it, with slashes, in a fixed order.

    Raises:
        InvalidArgument: The folder does not exist, is too large, or has an entry that is not uploadable: a link to a
            target outside the folder, a link to a folder, or something that is neither file nor folder.
        ConfigError: The folder has an ignore file, and the extra `deploy`, which reads it, is not installed.
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
                f"folder {root} has more than {MAX_BYTES:,} bytes. List files that are not needed in .funcignore."
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
                    f"{root / here / name} is a link to a folder, which a zip file does not support. Copy the folder, "
                    "or list the link in .funcignore."
                )
        wanted = (_path(here / name) for name in sorted(names))
        yield from (path for path in wanted if not ignore.skips(path, is_folder=False))


def _path(relative: Path) -> str:
    """Return a path as it is written in the zip file."""
    path = relative.as_posix()
    try:
        path.encode()
    except UnicodeEncodeError:
        raise InvalidArgument(f"the name of file {path!r} is not valid Unicode. Rename the file.") from None
    return path


def _read(root: Path, path: str) -> bytes:
    target = (root / path).resolve()
    if not target.is_relative_to(root):
        raise InvalidArgument(
            f"{root / path} is a link to {target}, outside the folder. Copy the file, or list the link in .funcignore."
        )
    if not target.is_file():
        raise InvalidArgument(f"{root / path} is not a regular file. List it in .funcignore.")
    try:
        return target.read_bytes()
    except OSError as error:
        _unreadable(error)


def _unreadable(error: OSError) -> NoReturn:
    raise InvalidArgument(f"cannot read {error.filename}: {error.strerror}") from None
