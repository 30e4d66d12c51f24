"""An enumeration that accepts unknown values."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["OpenEnum"]


class OpenEnum(StrEnum):
    """A `StrEnum` that turns an unknown value into a new member instead of raising an error.

    The service may add a status. A client that rejected it could no longer follow calls that run well.
    """

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        member = str.__new__(cls, value)
        member._name_ = value
        member._value_ = value
        return member

    @property
    def known(self) -> bool:
        """Return whether this version of aiocdf defines the value."""
        return self._name_ in type(self).__members__
