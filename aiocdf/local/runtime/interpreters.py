"""Finds an installed Python of the version that a function needs."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Interpreter", "find_interpreter"]

_PRINT_VERSION = "import sys; print(sys.version.split()[0])"
_PRINT_VERSION_LIMIT = 10.0


@attrs.frozen(kw_only=True)
class Interpreter:
    """An installed Python.

    Args:
        path: The path of the executable.
        version: The version, such as `3.11.7`.
    """

    path: str
    version: str


async def find_interpreter(runtime: str | None) -> Interpreter:
    """Return a Python of a version: the server's own if it matches, otherwise the newest patch version found.

    It searches the folders of pyenv and uv, and PATH.

    Args:
        runtime: The version that the function needs, such as `py311`; None uses the server's own Python.

    Raises:
        ConfigError: This version is not installed.
    """
    own = Interpreter(path=sys.executable, version=sys.version.split()[0])
    minor = f"3.{runtime.removeprefix('py3')}" if runtime else None
    if minor is None or _is_minor(own.version, minor):
        return own
    return await asyncio.to_thread(_search, minor, runtime)


def _search(minor: str, runtime: str | None) -> Interpreter:
    found = _search_all(minor)
    if not found:
        raise ConfigError(
            f"runtime {runtime} needs Python {minor}, which is not installed on this machine: "
            f"install it (python{minor} on PATH, or with pyenv or uv), or change `runtime`"
        )
    return max(found, key=lambda interpreter: _numbers(interpreter.version))


def _search_all(minor: str) -> list[Interpreter]:
    return [
        Interpreter(path=path, version=version)
        for path in dict.fromkeys(_candidates(minor))
        if (version := _version(path)) and _is_minor(version, minor)
    ]


def _candidates(minor: str) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    data = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share")
    uv = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or data / "uv/python")
    for folders in (pyenv.glob(f"{minor}*"), uv.glob(f"cpython-{minor}.*")):
        yield from _executables(folders, minor)
    if on_path := shutil.which(f"python{minor}"):
        yield on_path


def _executables(folders: Iterable[Path], minor: str) -> Iterator[str]:
    for folder in folders:
        executable = folder / "bin" / f"python{minor}"
        if executable.is_file():
            yield str(executable)


def _version(path: str) -> str | None:
    """Return the version that a Python prints; None if it does not run, such as a pyenv shim that is not active."""
    try:
        answer = subprocess.run(  # noqa: S603 - an interpreter that the user installed
            [path, "-I", "-S", "-c", _PRINT_VERSION],
            capture_output=True,
            text=True,
            timeout=_PRINT_VERSION_LIMIT,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()


def _is_minor(version: str, minor: str) -> bool:
    return version.startswith(minor + ".")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())
