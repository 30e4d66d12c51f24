"""Reading a settings file that secrets may be trusted to: a regular file that other users cannot change."""

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

#: Where the parser of TOML says that it stopped.
_PLACE = re.compile(r" \(at (?:line \d+, column \d+|end of document)\)$")


@hide_arguments
def read_config_file(
    path: Path, *, shown: str, plain: frozenset[str], secret: frozenset[str], optional: bool
) -> dict[str, str | Secret]:
    """Return the settings in a TOML file by their names in upper case.

    Args:
        path: The file.
        shown: What messages call it.
        plain: Names of settings that messages may quote.
        secret: Names of the other settings.
        optional: The file may be missing.

    Raises:
        ConfigError: It cannot be read or trusted, or holds names or values of another kind.
    """
    try:
        # The descriptor is checked, not the path: another file could be put in its place meanwhile.
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
        # Of what the parser raised no more than the place: the rest holds the text.
        raise ConfigError(f"{shown} is not a TOML file{''.join(_PLACE.findall(str(error)))}.") from None
    values = {name.upper(): plain_or_secret(value, is_plain=name.upper() in plain) for name, value in settings.items()}
    if problem := problem or _misuse(values, plain, secret, is_private=_is_private(status)):
        raise ConfigError(f"{shown} {problem}")
    return {name: value for name, value in values.items() if value}


def plain_or_secret(value: object, *, is_plain: bool) -> str | Secret | None:
    """Return a setting as text; None if it is neither a text nor a list of texts.

    What is not known to be plain is wrapped: it may be a secret under a name with a slip in it.
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
    import tomllib  # takes its time to import, and few programs have such a file

    return tomllib.load(file)


def _distrust(status: os.stat_result) -> str | None:
    """Say why a file is not trusted to decide where secrets are sent; on Windows, owner and mode do not tell."""
    if not stat.S_ISREG(status.st_mode):
        return "is not a regular file."
    if sys.platform == "win32":
        return None
    if status.st_uid not in {0, os.geteuid()}:
        return "belongs to another user, who could change where secrets are sent: use a file of your own."
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        return "can be changed by other users: chmod go-w"
    return None


def _misuse(
    values: Mapping[str, str | Secret | None], plain: frozenset[str], secret: frozenset[str], *, is_private: bool
) -> str | None:
    """Say what is wrong with what a file holds."""
    if unknown := values.keys() - plain - secret:
        known = ", ".join(sorted(plain | secret)).lower()
        return f"sets {printable(', '.join(sorted(unknown))).lower()}, and can set {known}."
    if (open_secrets := values.keys() & secret) and not is_private:
        return f"holds {' and '.join(sorted(open_secrets)).lower()} and is open to other users: chmod 600"
    if wrong := [name.lower() for name, value in values.items() if value is None]:
        return f"sets {', '.join(wrong)} to what is neither a text nor a list of texts."
    return None


def _is_private(status: os.stat_result) -> bool:
    """Tell whether only the owner can read the file; on Windows, the mode does not tell."""
    return sys.platform == "win32" or not status.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
