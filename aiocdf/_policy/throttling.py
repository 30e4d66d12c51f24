"""Why the service answered 429: three causes share that status, and each wants something else from us."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["LONGEST_PAUSE", "Cause", "cause_of"]

_RATE = re.compile(r"\brequests\b|\brate\b")


#: Seconds that we stay away at the service's request: as long as it asks, but no wait is without an end.
LONGEST_PAUSE = 3600.0


class Cause(StrEnum):
    """What there is too much of."""

    FUNCTION = "running calls of the function"
    PROJECT = "running calls of the project"
    RATE = "requests"


def cause_of(message: str, *, function_use: float, project_use: float) -> Cause:
    """Return why a call's POST was turned away.

    The service's text decides where it is clear; otherwise the limit that we are nearest to.

    Args:
        message: The service's words.
        function_use: Our running calls of the function over what the function may run.
        project_use: Our running calls over what the project may run.
    """
    text = message.lower()
    if _RATE.search(text):
        return Cause.RATE
    if "function" in text and "project" not in text:
        return Cause.FUNCTION
    if "project" in text and "function" not in text:
        return Cause.PROJECT
    return Cause.FUNCTION if function_use >= project_use else Cause.PROJECT
