"""Where the code of a function comes from."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from aiocdf.models.code_package import CodePackage

__all__ = ["CodeSource"]


@attrs.frozen(kw_only=True)
class CodeSource:
    """A folder, a callable, or a file that is uploaded already: one of the three.

    Raises:
        UsageError: Not just one of the three is given, or one of the wrong type.
    """

    folder: str | os.PathLike[str] | None = None
    handle: Callable[..., Any] | None = None
    file_id: int | None = None
    #: For *handle*; None for what its docstring says.
    requirements: Iterable[str] | None = None

    def __attrs_post_init__(self) -> None:
        given = [name for name in ("folder", "handle", "file_id") if getattr(self, name) is not None]
        if len(given) != 1:
            raise InvalidArgument(f"give one of folder, handle and file_id, not {' and '.join(given) or 'none'}")
        if self.requirements is not None and self.handle is None:
            raise InvalidArgument("requirements go with handle; a folder has a requirements.txt")
        if self.folder is not None and not isinstance(self.folder, str | os.PathLike):
            raise InvalidType(f"folder must be a path, not {type(self.folder).__name__}")

    async def pack(self, function_path: str) -> CodePackage:
        """Read, check and pack the code, in a thread.

        Args:
            function_path: The module with `handle`.

        Raises:
            UsageError: The code cannot be deployed.
            ConfigError: The folder has an ignore file, and the extra that reads it is not installed.
        """
        return await asyncio.to_thread(self._pack, function_path)

    def _pack(self, function_path: str) -> CodePackage:
        # These take milliseconds to import, and most programs deploy nothing.
        from aiocdf._bundle.archive import pack
        from aiocdf._bundle.callable_source import read_callable
        from aiocdf._bundle.folder import read_folder
        from aiocdf._bundle.handler import check_handler

        if self.folder is not None:
            files = read_folder(Path(self.folder))
        else:
            files = read_callable(self.handle, self.requirements)
        source = files.get(function_path)
        if source is None:
            raise InvalidArgument(f"function_path is {function_path!r}, and the code has no such file: {_shown(files)}")
        check_handler(source, str(Path(self.folder, function_path)) if self.folder is not None else "handle")
        return pack(files)


def _shown(files: Iterable[str]) -> str:
    """Name some files."""
    names = sorted(files)
    return f"it has {', '.join(names[:5])}{' and more' if len(names) > 5 else ''}" if names else "it has no file at all"
