"""How many POSTs of a function may be under way while answers to POSTs get lost.

A call in doubt is found by when it started. Two calls that started at the same time, both in doubt, cannot be told apart. So
after a POST in doubt none of the function begins before the session of that POST was looked at: then its window is closed. If it
had started its call, the function's POSTs go one at a time. After enough answers in a row that leave no doubt two may be under way, then four, and so on, until they go as
before. That takes more answers each time doubt comes back. A function that has not shown yet that its answers arrive does the same while those of others get lost.

A POST that has no answer for long holds back no other: what starts after it is told apart by that.
"""

from __future__ import annotations

import math
from collections import Counter

import attrs

from aiocdf._policy.recent import Recent

__all__ = ["Spacing"]

# Answers in a row that double the POSTs under way after a first doubt, and at most; with so many POSTs all is as before.
_FIRST, _MOST, _ENOUGH = 20, 640, 32
# Answers in a row, of any function, after which a new function is not held to be in doubt.
_CALM = 100
# Seconds after which a POST without an answer holds back no other.
_LONG = 0.5
_UNLIMITED = 1_000_000
# Functions of which it is remembered.
_FUNCTIONS = 1000


@attrs.define
class _Answers:
    """The answers to a function's POSTs."""

    #: POSTs that may be under way; none in doubt was seen yet where it is `_ENOUGH`.
    allowed: int = _ENOUGH
    #: Answers without doubt since that changed, how many change it, and how many do after the next doubt.
    clean: int = 0
    needed: int = _FIRST
    next: int = _FIRST
    #: So many answers without doubt have shown that they arrive.
    proven: bool = False
    #: When the last POST began.
    began_at: float = -math.inf


class Spacing:
    """Keeps the windows of submissions apart."""

    def __init__(self) -> None:
        self._answers: Recent[int, _Answers] = Recent(
            _Answers, most=_FUNCTIONS, idle=lambda each: each.allowed >= _ENOUGH
        )
        #: Submissions in doubt whose session was not looked at yet, by function.
        self._open: Counter[int] = Counter()
        #: Answers without doubt since the last one with.
        self._calm = _CALM

    def permits(self, function: int, under_way: int, now: float) -> bool:
        """Tell whether one more POST of *function* may begin beside those under way."""
        if self._open[function]:
            return False
        return under_way < self._allowed(function) or now >= self._answers[function].began_at + _LONG

    def opens_at(self, function: int) -> float | None:
        """Return when a POST of *function* may begin though others have no answer; None where that makes no difference."""
        return self._answers[function].began_at + _LONG if self._allowed(function) < _ENOUGH else None

    def began(self, function: int, now: float) -> None:
        """Note that a POST begins."""
        self._answers[function].began_at = now

    def started(self, function: int) -> None:
        """Note that a POST in doubt started its call, or may have: the function's next ones go one at a time."""
        answers, self._calm = self._answers[function], 0
        if answers.allowed > 1 or answers.clean:  # else it is of the same time as one before
            answers.needed, answers.next = answers.next, min(2 * answers.next, _MOST)
        answers.allowed, answers.clean = 1, 0

    def hold(self, function: int) -> None:
        """Let no POST of *function* begin before the session of one in doubt was looked at."""
        self._open[function] += 1

    def looked(self, function: int) -> None:
        """Note that a session was read, or that it is unreadable."""
        self._open[function] -= 1
        if self._open[function] <= 0:
            del self._open[function]

    def answered(self, function: int) -> None:
        """Note a POST whose answer leaves no doubt."""
        answers = self._answers[function]
        self._calm, answers.clean = self._calm + 1, answers.clean + 1
        if answers.clean >= answers.needed:
            answers.clean, answers.proven = 0, True
            if answers.allowed < _ENOUGH:
                answers.allowed *= 2
            else:
                answers.next = max(_FIRST, answers.next // 2)

    def _allowed(self, function: int) -> int:
        """Return how many POSTs of a function may be under way; no limit from `_ENOUGH` on."""
        answers = self._answers[function]
        if self._calm < _CALM and not answers.proven:
            answers.allowed = min(answers.allowed, 1)
        return answers.allowed if answers.allowed < _ENOUGH else _UNLIMITED
