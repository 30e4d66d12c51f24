"""How many POSTs of a function may be under way while some of its submissions are in doubt.

A call in doubt is found by when it started. Two calls that started at the same time, both in doubt, cannot be told apart. So
after a POST in doubt the function's POSTs go one at a time, and none before the session of that POST was looked at: then its
window is closed. After enough answers in a row that leave no doubt, they go as before. That takes more answers each time
doubt comes back.
"""

from __future__ import annotations

from collections import Counter

import attrs

from aiocdf._policy.recent import Recent

__all__ = ["Spacing"]

# Answers in a row after a first doubt, and at most.
_FIRST, _MOST = 10, 640
# Functions of which it is remembered.
_FUNCTIONS = 1000


@attrs.define
class _Spaced:
    #: Answers without doubt that are still needed, and how many the next doubt asks for.
    left: int = 0
    next: int = _FIRST


class Spacing:
    """Keeps the windows of submissions apart."""

    def __init__(self) -> None:
        self._spaced: Recent[int, _Spaced] = Recent(_Spaced, most=_FUNCTIONS, idle=lambda each: not each.left)
        #: Submissions in doubt whose session was not looked at yet, by function.
        self._open: Counter[int] = Counter()

    def permits(self, function: int, under_way: int) -> bool:
        """Tell whether one more POST of *function* may begin beside those under way."""
        if self._open[function]:
            return False
        spaced = self._spaced.get(function)
        return spaced is None or not spaced.left or not under_way

    def doubted(self, function: int) -> None:
        """Note a POST in doubt: the function's next ones go one at a time."""
        spaced = self._spaced[function]
        spaced.left, spaced.next = spaced.next, min(2 * spaced.next, _MOST)

    def hold(self, function: int) -> None:
        """Let no POST of *function* begin before the session of one in doubt was looked at."""
        self._open[function] += 1

    def looked(self, function: int) -> None:
        """Note that a session was looked at, or cannot be."""
        self._open[function] -= 1
        if self._open[function] <= 0:
            del self._open[function]

    def answered(self, function: int) -> None:
        """Note a POST whose answer leaves no doubt."""
        spaced = self._spaced.get(function)
        if spaced is not None:
            if spaced.left:
                spaced.left -= 1
            elif spaced.next > _FIRST:
                spaced.next -= 1
