"""Secrets that options name. They are not on the command line, because other users can see that."""

from __future__ import annotations

import os
from pathlib import Path

from aiocdf.errors import ConfigError, InvalidArgument
from aiocdf.secret import Secret

__all__ = ["given_secret"]


def given_secret(source: str, *, option: str) -> Secret:
    """Return the secret that an option names.

    Args:
        source: `env:NAME` or `file:PATH`.
        option: The option, for messages.

    Raises:
        InvalidArgument: The source is neither of the two.
        ConfigError: It holds no secret.
    """
    kind, _, name = source.partition(":")
    if kind not in {"env", "file"} or not name:
        # The text is not repeated: it may be the secret.
        raise InvalidArgument(
            f"{option} must be env:NAME or file:PATH, which say where the secret is; "
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
        raise ConfigError(f"{option}: there is no secret in {source}")
    return Secret(text.strip())
