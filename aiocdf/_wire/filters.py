"""Filters of lists, checked before they are sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from aiocdf._wire.arguments import check_text
from aiocdf._wire.converter import camel
from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from aiocdf.models.open_enum import OpenEnum

__all__ = ["exact_text", "filter_body", "known_status", "time_range"]

S = TypeVar("S", bound="OpenEnum")

# The longest name or id that the service has.
_LONGEST_TEXT = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def filter_body(**conditions: Any) -> dict[str, Any]:
    """Return the conditions that are not None, under the service's names."""
    return {camel(name): value for name, value in conditions.items() if value is not None}


def exact_text(**conditions: object) -> dict[str, str]:
    """Return the conditions that are not None, if each is text that is not empty; for `filter_body`.

    Raises:
        InvalidType: One is not text.
        InvalidArgument: One is empty, which the service refuses.
    """
    given = {name: value for name, value in conditions.items() if value is not None}
    return {name: check_text(value, name, longest=_LONGEST_TEXT) for name, value in given.items()}


def known_status(status: object, kind: type[S]) -> S | None:
    """Return *status* as a *kind*.

    Raises:
        InvalidType: It is not text.
        InvalidArgument: The service has no such status.
    """
    if status is None:
        return None
    if not isinstance(status, str):
        raise InvalidType(f"status must be text or a {kind.__name__}, not {type(status).__name__}")
    found = kind(status)
    if not found.known:
        raise InvalidArgument(f"status is {status!r}; it must be one of {', '.join(kind)}")
    return found


def time_range(span: object, name: str) -> dict[str, int] | None:
    """Return the condition for a pair of times, both included; None for no condition.

    Args:
        span: The earliest and the latest time, as `datetime` values with a time zone; None for no bound.
        name: The argument's name, for messages.

    Raises:
        InvalidType: It is not a pair of times.
        InvalidArgument: A time has no time zone, or the second time is before the first.
    """
    if span is None:
        return None
    if not isinstance(span, tuple | list) or len(span) != 2:
        raise InvalidType(f"{name} must be a pair of times (from, to); one may be None")
    bounds = {
        word: _milliseconds(time, name) for word, time in zip(("min", "max"), span, strict=True) if time is not None
    }
    if len(bounds) == 2 and bounds["max"] < bounds["min"]:
        raise InvalidArgument(f"{name} ends before it begins: give the earlier time first")
    return bounds or None


def _milliseconds(time: object, name: str) -> int:
    if not isinstance(time, datetime):
        raise InvalidType(f"{name} has a {type(time).__name__}; it must have datetime values")
    if time.tzinfo is None:
        raise InvalidArgument(f"{name} has a time without a time zone; for UTC, use datetime(..., tzinfo=UTC)")
    return max(0, (time - _EPOCH) // timedelta(milliseconds=1))
