"""A file with environment variables, there for as long as what it tells is true."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["env_file", "replace_private"]


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


def replace_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read. One that is there is replaced at once, never half."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink()
        raise


def _remove(path: Path, text: str) -> None:
    """Remove the file, unless it is another server's by now."""
    with contextlib.suppress(OSError):
        if path.read_text(encoding="utf-8") == text:
            path.unlink()
