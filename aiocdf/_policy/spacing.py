"""When the next POST of a function may be sent while answers to POSTs get lost.

A call in doubt is found by when it started. Two calls that may have started at the same time, both in doubt, cannot be told
apart. But no call starts before its POST was sent. So while answers of a function get lost, its next POST is sent when the one
before has a clean answer, or when that one has surely started its call, if it ever does: after as long as most answers take,
and as long again as the service's clock is uncertain, which is at most the shortest answer. After enough answers in a row
that leave no doubt POSTs may come twice as fast, then four times, and so on, until they go as before. That takes more answers each time doubt
comes back. A function that has not shown yet that its answers arrive does the same while those of others get lost, and begins
with few POSTs otherwise: how many calls cannot be told apart when a loss is seen first is decided by how many are under way.
"""

from __future__ import annotations

import math
from collections import Counter, deque

import attrs

from aiocdf._policy.recent import Recent

__all__ = ["Spacing"]

# Answers in a row that halve the distance after a first doubt, and at most; POSTs that go at once where one went before, from
# which on all is as before.
_FIRST, _MOST, _ENOUGH = 20, 640, 32
# Attempts of a function that get ready while POSTs are kept apart.
_AHEAD = 2
# Attempts of a new function that may be under way before its first answer; from then on two for each answer.
_AT_FIRST = 2
# Answers in a row, of any function, after which a new function is not held to be in doubt.
_CALM = 100
# Seconds between two POSTs at most, and before the first answer.
_FARTHEST = 0.5
# So many answers are looked at; so large a part of them take no longer than what a POST takes, and so many times that surely.
_ANSWERS, _PART, _FACTOR = 64, 0.9, 2.0
# A loop may call a timer a clock tick too early.
_TICK = 1e-6
# Functions of which it is remembered.
_FUNCTIONS = 1000


@attrs.define
class _Answers:
    """The answers to a function's POSTs."""

    #: POSTs that may go where one would; none in doubt was seen yet where it is `_ENOUGH`.
    allowed: int = _ENOUGH
    #: Answers without doubt since that changed, how many change it, and how many do after the next doubt.
    clean: int = 0
    needed: int = _FIRST
    next: int = _FIRST
    #: So many answers without doubt have shown that they arrive.
    proven: bool = False
    #: Attempts that have not sent their POST yet, and those whose POST has no answer yet.
    preparing: int = 0
    sent: int = 0
    #: From when the next POST may be sent beside others.
    next_at: float = -math.inf


class Spacing:
    """Keeps the windows of submissions apart."""

    def __init__(self) -> None:
        self._answers: Recent[int, _Answers] = Recent(
            _Answers,
            most=_FUNCTIONS,
            idle=lambda each: each.allowed >= _ENOUGH and not each.preparing and not each.sent,
        )
        #: Submissions in doubt whose session was not looked at yet, by function.
        self._open: Counter[int] = Counter()
        #: Answers without doubt since the last one with.
        self._calm = _CALM
        #: Seconds that the last answers took.
        self._seconds: deque[float] = deque(maxlen=_ANSWERS)

    def permits(self, function: int, under_way: int) -> bool:
        """Tell whether one more attempt of *function* may begin beside those under way."""
        answers = self._answers[function]
        if self._keeps_apart(function):
            return answers.preparing < _AHEAD
        return answers.proven or under_way < max(_AT_FIRST, 2 * answers.clean)

    def opens_at(self, function: int) -> float | None:
        """Return when one may begin although those before have no clean answer; None where that makes no difference."""
        return self._answers[function].next_at if self._keeps_apart(function) else None

    def began(self, function: int) -> None:
        """Note an attempt: it gets a nonce first."""
        self._answers[function].preparing += 1

    def sends(self, function: int) -> None:
        """Note that an attempt sends its POST."""
        answers = self._answers[function]
        answers.preparing, answers.sent = answers.preparing - 1, answers.sent + 1

    def ended(self, function: int, *, posted: bool) -> None:
        """Note that an attempt ended, with or without having sent its POST."""
        answers = self._answers[function]
        if posted:
            answers.sent -= 1
        else:
            answers.preparing -= 1

    def wait(self, function: int, now: float) -> float:
        """Return the seconds until a POST may be sent, at the longest; with 0 it is sent now."""
        answers = self._answers[function]
        if self._keeps_apart(function) and answers.next_at > now + _TICK:
            return answers.next_at - now
        answers.next_at = now + self._distance() / self._allowed(function)
        return 0.0

    def started(self, function: int) -> None:
        """Note that a POST in doubt started its call, or may have: the function's next ones are kept apart."""
        answers, self._calm = self._answers[function], 0
        if answers.allowed > 1 or answers.clean:  # else it is of the same time as one before
            answers.needed, answers.next = answers.next, min(2 * answers.next, _MOST)
        answers.allowed, answers.clean = 1, 0

    def doubted(self, function: int) -> None:
        """Note that a POST is in doubt: until its session was looked at, it may have started its call."""
        self._open[function] += 1

    def looked(self, function: int) -> None:
        """Note that a session was read, or that it is unreadable."""
        self._open[function] -= 1
        if self._open[function] <= 0:
            del self._open[function]

    def answered(self, function: int, seconds: float) -> None:
        """Note a POST whose answer, after so many seconds, leaves no doubt."""
        self._seconds.append(seconds)
        answers = self._answers[function]
        if answers.sent <= 1:
            answers.next_at = -math.inf
        self._calm, answers.clean = self._calm + 1, answers.clean + 1
        if answers.clean >= answers.needed:
            answers.clean, answers.proven = 0, True
            if answers.allowed < _ENOUGH:
                answers.allowed *= 2
            else:
                answers.next = max(_FIRST, answers.next // 2)

    def _keeps_apart(self, function: int) -> bool:
        answers = self._answers[function]
        if self._calm < _CALM and not answers.proven:
            answers.allowed = 1
        return self._allowed(function) < _ENOUGH

    def _allowed(self, function: int) -> int:
        return 1 if self._open[function] else self._answers[function].allowed

    def _distance(self) -> float:
        """Return the seconds from a POST to one whose call surely starts later."""
        if not self._seconds:
            return _FARTHEST
        seconds = sorted(self._seconds)
        return min(_FACTOR * seconds[int(_PART * len(seconds))] + seconds[0], _FARTHEST)
