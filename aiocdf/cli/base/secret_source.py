"""Reads secrets that options refer to. The secret itself is not an argument, because other users can see arguments."""

from __future__ import annotations

import os
from pathlib import Path

from aiocdf.errors import ConfigError, InvalidArgument
from aiocdf.secret import Secret

__all__ = ["given_secret"]


def given_secret(source: str, *, option: str) -> Secret:
    """Return the secret that an option refers to.

    Args:
        source: `env:NAME` or `file:PATH`.
        option: The name of the option, for messages.

    Raises:
        InvalidArgument: The source has another form.
        ConfigError: The variable or file is missing, not readable, or empty.
    """
    kind, _, name = source.partition(":")
    if kind not in {"env", "file"} or not name:
        # The message does not repeat the option's value, which may be the secret.
        raise InvalidArgument(
            f"{option} must be env:NAME or file:PATH, not the secret itself: "
            "other users can see the arguments of a command"
        )
    if kind == "env":
        text = os.environ.get(name, "")
    else:
        try:
            text = Path(name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"{option}: cannot read the secret from {name!r}: {error}") from None
    if not text.strip():
        raise ConfigError(f"{option}: {source} is missing or empty")
    return Secret(text.strip())
