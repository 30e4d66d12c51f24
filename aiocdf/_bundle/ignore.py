"""Which files of a folder are not uploaded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import ConfigError, InvalidArgument

if TYPE_CHECKING:
    from pathlib import Path

    from pathspec import GitIgnoreSpec

__all__ = ["IGNORE_FILES", "Ignore", "read_ignore"]

#: The first of these that the folder has counts.
IGNORE_FILES = (".funcignore", ".gitignore")

# Caches, versions, and environments: skipped at any depth.
_SKIPPED = frozenset({"__pycache__", ".git", ".venv"})
# Skipped at the top: the settings of the local server may hold secrets.
_SKIPPED_AT_TOP = frozenset({*IGNORE_FILES, "function.toml", "function.yaml"})


@attrs.frozen
class Ignore:
    """Decides what is skipped: caches, version control, environments, and what the ignore file names."""

    _spec: GitIgnoreSpec | None = None

    def skips(self, path: str, *, is_folder: bool) -> bool:
        """Say whether a file or folder is skipped.

        Args:
            path: Below the folder that is uploaded, with slashes.
            is_folder: It is a folder; what is below a skipped one is skipped, too.
        """
        if path.rpartition("/")[2] in _SKIPPED or path in _SKIPPED_AT_TOP:
            return True
        return self._spec is not None and self._spec.match_file(f"{path}/" if is_folder else path)


def read_ignore(folder: Path) -> Ignore:
    """Read the ignore file of a folder, if it has one. It blocks, so call it in a thread.

    Raises:
        ConfigError: It has one, and the extra that reads it is not installed.
        InvalidArgument: The file is not text, or a line of it is not a pattern.
    """
    for name in IGNORE_FILES:
        path = folder / name
        if path.is_file():
            return Ignore(_spec(path))
    return Ignore()


def _spec(path: Path) -> GitIgnoreSpec:
    try:
        from pathspec import GitIgnoreSpec  # of an extra
    except ImportError:
        raise ConfigError(f"pathspec is needed to read {path}: pip install 'aiocdf[deploy]'") from None
    try:
        return GitIgnoreSpec.from_lines(path.read_text(encoding="utf-8").splitlines())
    except ValueError as error:  # also for bytes that are not UTF-8
        raise InvalidArgument(f"{path} cannot be read as an ignore file: {error}") from None
