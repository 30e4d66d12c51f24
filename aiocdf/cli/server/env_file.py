"""A file with environment variables, there for as long as what it tells is true."""

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
    """Keep a file of KEY=VALUE lines that only its owner can read, and remove it at the end.

    It is small enough to be written on the event loop, where no cancellation can come in between.

    Args:
        path: The file; one that is there is replaced at once, never half.
        variables: What to write.

    Raises:
        ConfigError: It cannot be written.
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
    """Remove the file, unless it is another server's by now."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            path.unlink()
