"""Warns if a call's data seems to contain a secret."""

from __future__ import annotations

import sys
import warnings

from aiocdf._policy.secrecy import looks_secret
from aiocdf._wire.payload import strings
from aiocdf.errors import SecretInDataWarning

__all__ = ["SecretCheck"]


class SecretCheck:
    """Warns of secrets in data, once per line of code that makes a call."""

    def __init__(self) -> None:
        self._warned: set[tuple[str, int]] = set()

    def warn(self, data: object) -> None:
        """Warn if *data*, which is plain JSON, seems to contain a secret; the warning has the path, never the value."""
        path = next((path for path, key, text in strings(data) if looks_secret(key, text)), None)
        if path is None:
            return
        # The caller's line is the first outside of aiocdf; from Python 3.12 on, `warnings` can find it.
        level, frame = 2, sys._getframe(1)  # noqa: SLF001
        while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith("aiocdf."):
            level, frame = level + 1, frame.f_back
        line = (frame.f_code.co_filename, frame.f_lineno)
        if line in self._warned:
            return
        self._warned.add(line)
        warnings.warn(
            f"data seems to contain a secret at {path}. All users who may read the project's calls can read it. "
            "Put it into the function's secrets, or turn this warning off with Settings(warn_secrets=False).",
            SecretInDataWarning,
            stacklevel=level,
        )
