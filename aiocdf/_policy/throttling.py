"""Why the service answered 429: three causes share that status, and each wants something else from us."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["Cause", "cause_of"]

# The reason phrase of every 429 says nothing.
_PHRASE = re.compile(r"too many requests\W*")
_RATE = re.compile(r"\brequests\b|\brate\b")
# From here on we count as near a limit.
_NEAR = 0.8


class Cause(StrEnum):
    """What there is too much of."""

    FUNCTION = "running calls of the function"
    PROJECT = "running calls of the project"
    RATE = "requests"


def cause_of(message: str, *, function_use: float, project_use: float, alone: bool) -> Cause:
    """Return why a call's POST was turned away.

    The service's text decides where it is clear. A vague one is blamed on the function when only its calls are turned
    away, else on the limit that we are near, else on the rate.

    Args:
        message: The service's words.
        function_use: Our running calls of the function over what the function may run.
        project_use: Our running calls over what the project may run.
        alone: There are other functions, of which calls are not turned away, and no call of this one passes.
    """
    text = message.lower()
    if _RATE.search(_PHRASE.sub("", text)):
        return Cause.RATE
    if "function" in text and "project" not in text:
        return Cause.FUNCTION
    if "project" in text and "function" not in text:
        return Cause.PROJECT
    if alone or function_use >= max(project_use, _NEAR):
        return Cause.FUNCTION
    return Cause.PROJECT if project_use >= _NEAR else Cause.RATE
