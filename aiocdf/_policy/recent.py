"""A bounded mapping that drops the least recently used values, except those in use."""

from __future__ import annotations

from collections import OrderedDict
from itertools import islice
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Recent"]

K = TypeVar("K")
V = TypeVar("V")


class Recent(Generic[K, V]):
    """A mapping that makes missing values, and drops idle ones beyond its bound.

    Args:
        make: Makes the value of a new key.
        most: How many keys are kept; more only while their values are in use.
        idle: Returns whether a value may be dropped.
    """

    def __init__(self, make: Callable[[], V], *, most: int, idle: Callable[[V], bool]) -> None:
        self._make = make
        self._most = most
        self._idle = idle
        self._values: OrderedDict[K, V] = OrderedDict()

    def __getitem__(self, key: K) -> V:
        """Return the value of *key*, and mark it as the most recently used."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = self._make()
            self._trim()
        else:
            self._values.move_to_end(key)
        return value

    def __iter__(self) -> Iterator[K]:
        """Yield the keys, the most recently used one last."""
        return iter(self._values)

    def __len__(self) -> int:
        """Return how many keys are kept."""
        return len(self._values)

    def get(self, key: K) -> V | None:
        """Return the value of *key*, if there is one, without marking it as used."""
        return self._values.get(key)

    def items(self) -> list[tuple[K, V]]:
        """Return keys and values."""
        return list(self._values.items())

    def _trim(self) -> None:
        """Drop the least recently used key; one in use moves to the end instead, and the next key is checked."""
        for key in list(islice(self._values, min(2, max(0, len(self._values) - self._most)))):
            if self._idle(self._values[key]):
                del self._values[key]
            else:
                self._values.move_to_end(key)
