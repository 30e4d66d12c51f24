"""What functions and calls are known by, checked before it goes into a URL."""

from __future__ import annotations

from aiocdf.errors import InvalidArgument, InvalidType
from aiocdf.models.functions import Function

__all__ = ["check_function", "check_id"]

_LARGEST_ID = 2**53 - 1
_LONGEST_EXTERNAL_ID = 255


def check_function(function: int | str | Function) -> int | str:
    """Return the id or external id of *function*, if it can be one.

    Raises:
        UsageError: It cannot.
    """
    if isinstance(function, Function):
        return function.id
    if isinstance(function, str):
        if not 0 < len(function) <= _LONGEST_EXTERNAL_ID:
            raise InvalidArgument(f"an external id has 1 to {_LONGEST_EXTERNAL_ID} characters, not {len(function)}")
        return function
    return check_id(function, "function")


def check_id(number: object, what: str) -> int:
    """Return *number* if it can be an id of *what*.

    Raises:
        InvalidType: It is no whole number.
        InvalidArgument: It is out of the service's range, 1 to 9007199254740991.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidType(f"a {what}'s id is a whole number, not {type(number).__name__}")
    if not 0 < number <= _LARGEST_ID:
        raise InvalidArgument(f"{what} id {number} cannot be: ids are from 1 to {_LARGEST_ID}")
    return number
