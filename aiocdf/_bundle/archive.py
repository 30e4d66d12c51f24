"""Packs files into a zip file that depends on their paths and contents alone."""

from __future__ import annotations

import hashlib
import io
import stat
import zipfile
from typing import TYPE_CHECKING

from aiocdf.models.code_package import CodePackage

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["pack"]

# The earliest time that a zip file can hold.
_TIME = (1980, 1, 1, 0, 0, 0)
_MODE = stat.S_IFREG | 0o644
_UNIX = 3


def pack(files: Mapping[str, bytes]) -> CodePackage:
    """Return a package of *files*, which are given by path, with fixed times, modes and order.

    It compresses, so call it in a thread.
    """
    ordered = {path: files[path] for path in sorted(files)}
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as archive:
        for path, content in ordered.items():
            archive.writestr(_entry(path), content, zipfile.ZIP_DEFLATED)
    sizes = {path: len(content) for path, content in ordered.items()}
    return CodePackage(files=sizes, digest=_digest(ordered), content=written.getvalue())


def _entry(path: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(path, _TIME)
    entry.create_system = _UNIX
    entry.external_attr = _MODE << 16
    return entry


def _digest(files: Mapping[str, bytes]) -> str:
    """Hash paths and contents, each with its length before it, so that no two sets of files read the same."""
    hashed = hashlib.sha256()
    for path, content in files.items():
        name = path.encode()
        hashed.update(b"%d:%b%d:" % (len(name), name, len(content)))
        hashed.update(content)
    return hashed.hexdigest()
