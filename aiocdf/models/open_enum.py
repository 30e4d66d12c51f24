"""An enumeration that survives values it has not heard of."""

from __future__ import annotations

from enum import StrEnum
from typing import Self

__all__ = ["OpenEnum"]


class OpenEnum(StrEnum):
    """A `StrEnum` whose unknown values become members of their own instead of errors.

    The service may grow a status; a client that then fails to read an answer would lose calls that run well.
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
        """Tell whether this value is one that aiocdf was written for."""
        return self._name_ in type(self).__members__
