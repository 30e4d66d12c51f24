"""The packages that a function needs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["check_requirements", "requirements_in"]

# The form of Cognite's SDK.
_BLOCK = re.compile(r"^[ \t]*\[requirements\][ \t]*\n(.*?)^[ \t]*\[/requirements\][ \t]*$", re.MULTILINE | re.DOTALL)


def requirements_in(docstring: str | None) -> list[str]:
    """Return the lines between `[requirements]` and `[/requirements]` in a docstring; none without such a block."""
    found = _BLOCK.search(docstring or "")
    return [line.strip() for line in found[1].splitlines() if line.strip()] if found else []


def check_requirements(requirements: Iterable[str]) -> list[str]:
    """Return *requirements* as the lines of a `requirements.txt`.

    Raises:
        InvalidType: It is one text instead of several, or one of them is not text.
        InvalidArgument: One of them is not one line, or empty.
    """
    if isinstance(requirements, str):
        raise InvalidType("requirements must be a list of texts, as in ['numpy>=2']")
    lines = list(requirements)
    for index, line in enumerate(lines):
        if not isinstance(line, str):
            raise InvalidType(f"requirements[{index}] must be text, not {type(line).__name__}")
        if not line.strip() or len(line.splitlines()) != 1:
            raise InvalidArgument(f"requirements[{index}] is {line!r}; it must be one line, as in 'numpy>=2'")
    return lines
