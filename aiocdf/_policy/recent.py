"""What is kept of many keys, up to a bound: the least recently used go first, unless they are in use."""

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
    """A mapping that makes a value for a key it does not have, and forgets idle ones beyond its bound.

    Args:
        make: Makes the value of a new key.
        most: Keys that are kept; more only while their values are in use.
        idle: Tells whether a value may be forgotten.
    """

    def __init__(self, make: Callable[[], V], *, most: int, idle: Callable[[V], bool]) -> None:
        self._make = make
        self._most = most
        self._idle = idle
        self._values: OrderedDict[K, V] = OrderedDict()

    def __getitem__(self, key: K) -> V:
        """Return the value of *key*, which becomes the one used last."""
        value = self._values.get(key)
        if value is None:
            value = self._values[key] = self._make()
            self._trim()
        else:
            self._values.move_to_end(key)
        return value

    def __iter__(self) -> Iterator[K]:
        """Give the keys, the one used last at the end."""
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
        """Forget the key used longest ago; one that is in use comes to the end instead, and the next is looked at."""
        for key in list(islice(self._values, min(2, max(0, len(self._values) - self._most)))):
            if self._idle(self._values[key]):
                del self._values[key]
            else:
                self._values.move_to_end(key)
