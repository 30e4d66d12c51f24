"""Checks of the fields of a request. Each error names the field."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from re import Pattern

__all__ = ["TextMap", "check_amount"]


def check_amount(value: object, field: str) -> None:
    """Check a number that must be above 0.

    Raises:
        InvalidType: It is not a number.
        InvalidArgument: It is not finite, or not above 0.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise InvalidType(f"{field} must be a number, not {type(value).__name__}")
    if not (math.isfinite(value) and value > 0):
        raise InvalidArgument(f"{field} is {value!r}; it must be more than 0")


@attrs.frozen(kw_only=True)
class TextMap:
    """The constraints of a mapping from text to text. Messages never show its values."""

    most: int
    key_length: int | None = None
    key_pattern: Pattern[str] | None = None
    #: The pattern as text, for messages.
    key_rule: str = ""
    #: The maximum number of characters of a value.
    value_length: int | None = None
    #: The maximum number of bytes of a key and its value.
    pair_bytes: int | None = None
    #: The maximum number of bytes of all keys and values.
    total_bytes: int | None = None

    def check(self, given: object, field: str) -> None:
        """Check a mapping.

        Raises:
            InvalidType: It is not a mapping from text to text.
            InvalidArgument: It is too large, or a key or value violates a constraint.
        """
        if not isinstance(given, Mapping):
            raise InvalidType(f"{field} must be a mapping of texts, not {type(given).__name__}")
        if len(given) > self.most:
            raise InvalidArgument(f"{field} has {len(given)} entries; at most {self.most} are allowed")
        sizes = [self._check_pair(key, value, field) for key, value in given.items()]
        if self.total_bytes is not None and sum(sizes) > self.total_bytes:
            raise InvalidArgument(f"{field} has {sum(sizes):,} bytes; at most {self.total_bytes:,} are allowed")

    def _check_pair(self, key: object, value: object, field: str) -> int:
        """Check a key and its value, and return their size in bytes."""
        if not isinstance(key, str):
            raise InvalidType(f"{field} has a key of type {type(key).__name__}; keys must be text")
        if self.key_length is not None and len(key) > self.key_length:
            raise InvalidArgument(f"{field} has the key {key!r}; keys have at most {self.key_length} characters")
        if self.key_pattern is not None and not self.key_pattern.fullmatch(key):
            raise InvalidArgument(f"{field} has the key {key!r}; {self.key_rule}")
        if not isinstance(value, str):
            raise InvalidType(f"{field}[{key!r}] must be text, not {type(value).__name__}")
        if self.value_length is not None and len(value) > self.value_length:
            raise InvalidArgument(
                f"{field}[{key!r}] has {len(value):,} characters; at most {self.value_length:,} are allowed"
            )
        size = len(key.encode(errors="replace")) + len(value.encode(errors="replace"))
        if self.pair_bytes is not None and size > self.pair_bytes:
            raise InvalidArgument(
                f"{field}[{key!r}] has {size:,} bytes with its key; at most {self.pair_bytes:,} are allowed"
            )
        return size
