"""Reads a settings file that is safe for secrets: a regular file that other users cannot change."""

from __future__ import annotations

import os
import re
import stat
import sys
from typing import IO, TYPE_CHECKING, Any

from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, hide_arguments

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["plain_or_secret", "printable", "read_config_file"]

#: The place in the TOML parser's message.
_PLACE = re.compile(r" \(at (?:line \d+, column \d+|end of document)\)$")


@hide_arguments
def read_config_file(
    path: Path, *, shown: str, plain: frozenset[str], secret: frozenset[str], optional: bool
) -> dict[str, str | Secret]:
    """Return the settings in a TOML file by their names in upper case.

    Args:
        path: The file.
        shown: The file's name in messages.
        plain: Names of settings that messages may quote.
        secret: Names of settings that messages must not quote.
        optional: Whether the file may be missing.

    Raises:
        ConfigError: The file is not readable, not trusted, or has unknown names or values of another type.
    """
    try:
        # The descriptor is checked, not the path: another file may replace this one meanwhile.
        with open(path, "rb", opener=_open_without_waiting) as file:
            status = os.fstat(file.fileno())
            problem = _distrust(status)
            settings = {} if problem else _parse(file)
    except FileNotFoundError as error:
        if optional:
            return {}
        raise ConfigError(f"cannot read {shown}: {error.strerror}") from None
    except OSError as error:
        raise ConfigError(f"cannot read {shown}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        # Only the place from the parser's message: the rest quotes the file.
        raise ConfigError(f"{shown} is not a TOML file{''.join(_PLACE.findall(str(error)))}.") from None
    values = {name.upper(): plain_or_secret(value, is_plain=name.upper() in plain) for name, value in settings.items()}
    if problem := problem or _misuse(values, plain, secret, is_private=_is_private(status)):
        raise ConfigError(f"{shown} {problem}")
    return {name: value for name, value in values.items() if value}


def plain_or_secret(value: object, *, is_plain: bool) -> str | Secret | None:
    """Return a setting as text; None if it is neither text nor a list of texts.

    An unknown setting is wrapped: it may be a secret under a misspelled name.
    """
    if isinstance(value, Secret):
        return value
    values = value if isinstance(value, list) else [value]
    words = [word.strip() for word in values if isinstance(word, str)]
    if len(words) < len(values):
        return None
    return " ".join(words) if is_plain else Secret(" ".join(words))


def printable(text: str) -> str:
    """Return a name for an error's message, with control characters and undecodable bytes escaped."""
    return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in text)


def _open_without_waiting(path: str, flags: int) -> int:
    """Open a file; a named pipe would make an ordinary open wait for a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _parse(file: IO[bytes]) -> dict[str, Any]:
    import tomllib  # slow to import, and few programs have such a file

    return tomllib.load(file)


def _distrust(status: os.stat_result) -> str | None:
    """Return why a file may not decide where secrets are sent; on Windows, owner and mode do not show it."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file."
    if sys.platform == "win32":
        return None
    if status.st_uid not in {0, os.geteuid()}:
        return "belongs to another user, who could change where secrets are sent: use your own file."
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be changed by other users: chmod go-w"
    return None


def _misuse(
    values: Mapping[str, str | Secret | None], plain: frozenset[str], secret: frozenset[str], *, is_private: bool
) -> str | None:
    """Return what is wrong with the content of a file."""
    if unknown := values.keys() - plain - secret:
        known = ", ".join(sorted(plain | secret)).lower()
        return f"sets {printable(', '.join(sorted(unknown))).lower()}, which is not known. The known names are {known}."
    if (open_secrets := values.keys() & secret) and not is_private:
        return f"has {' and '.join(sorted(open_secrets)).lower()} and is readable by other users: chmod 600"
    if wrong := [name.lower() for name, value in values.items() if value is None]:
        return f"sets {', '.join(wrong)} to a value that is neither text nor a list of texts."
    return None


def _is_private(status: os.stat_result) -> bool:
    """Return whether only the owner can read the file; on Windows, the mode does not show it."""
    return sys.platform == "win32" or not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
