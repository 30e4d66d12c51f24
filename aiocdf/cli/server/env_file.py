"""A file with environment variables that exists only while the server runs."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from aiocdf.cli.base.private_file import replace_private
from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["env_file"]


@contextlib.contextmanager
def env_file(path: Path, variables: Mapping[str, str]) -> Iterator[None]:
    """Write a file of KEY=VALUE lines that only its owner can read, and remove it at the end.

    The file is small, so it is written on the event loop, where no cancellation can interrupt the write.

    Args:
        path: The file. An existing file is replaced atomically.
        variables: The variables to write.

    Raises:
        ConfigError: The file is not writable.
    """
    text = "".join(f"{name}={value}\n" for name, value in variables.items())
    problem = None
    try:
        replace_private(path, text)
    except OSError as error:
        problem = error.strerror
    if problem:
        del text, variables  # a traceback with local variables must not show them
        raise ConfigError(f"cannot write the environment to {str(path)!r}: {problem}")
    try:
        yield
    finally:
        _remove(path, text)


def _remove(path: Path, text: str) -> None:
    """Remove the file, unless another server has replaced it."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            path.unlink()
