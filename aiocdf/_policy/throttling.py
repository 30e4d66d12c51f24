"""Why the service answered 429: three causes share that status, and each needs a different reaction."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["Cause", "cause_of"]

# The reason phrase of a 429 does not name the cause.
_PHRASE = re.compile(r"too many requests\W*")
_RATE = re.compile(r"\brequests\b|\brate\b")
# From this utilization on, the client is near a limit.
_NEAR = 0.8


class Cause(StrEnum):
    """The limit that was exceeded."""

    FUNCTION = "running calls of the function"
    PROJECT = "running calls of the project"
    RATE = "requests"


def cause_of(message: str, *, function_use: float, project_use: float, alone: bool) -> Cause:
    """Return why the POST of a call was rejected with 429.

    The service's text decides if it is clear. Otherwise the cause is the function's limit if only its calls are rejected,
    else the limit that the client is near, else the request rate.

    Args:
        message: The service's text.
        function_use: Running calls of the function, as a fraction of its limit.
        project_use: Running calls, as a fraction of the project's limit.
        alone: All calls of this function are rejected, and those of other functions are not.
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
