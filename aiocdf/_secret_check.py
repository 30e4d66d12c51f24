"""The check whether a call's data looks as if it held a secret, and the warning that it does."""

from __future__ import annotations

import sys
import warnings

from aiocdf._policy.secrecy import looks_secret
from aiocdf._wire.payload import strings
from aiocdf.errors import SecretInDataWarning

__all__ = ["SecretCheck"]


class SecretCheck:
    """Warns of secrets in data, once for each line of code that makes a call."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, int]] = set()

    def warn(self, data: object) -> None:
        """Warn where *data*, which is plain JSON, looks as if it held a secret, naming the path and never the value."""
        path = next((path for path, key, text in strings(data) if looks_secret(key, text)), None)
        if path is None:
            return
        # The caller's line is the first outside of aiocdf; `warnings` can find it itself from Python 3.12 on.
        level, frame = 2, sys._getframe(1)  # noqa: SLF001
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("aiocdf."):
            level, frame = level + 1, frame.f_back
        line = (frame.f_code.co_filename, frame.f_lineno)
        if line in self._warned:
            return
        self._warned.add(line)
        warnings.warn(
            f"data looks as if it held a secret at {path}, and everyone who may read the project's calls can read it. "
            "Put it into the function's secrets, or silence this with Settings(warn_secrets=False).",
            SecretInDataWarning,
            stacklevel=level,
        )
