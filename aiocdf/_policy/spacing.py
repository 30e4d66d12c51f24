"""When the next POST of a function may be sent while answers to POSTs get lost.

A call in doubt is found by when it started. Two calls that may have started at the same time, both in doubt, cannot be told
apart. But no call starts before its POST was sent. So while answers get lost, the next POST of a function is sent when the one before has
a clean answer, or when that one has surely started its call, if it ever does: after a little longer than most answers take, and
as long again as the service's clock is uncertain, which is at most the shortest answer.

Where few answers get lost, POSTs may come closer. Two calls are confused only if both are in doubt. With a POST every `s` seconds, answers
that take `t`, and a probability `p` of doubt, that befalls a part of about `2 t p**2 / s` of all calls, which is kept at 1 in 2,000.

A function without answers begins with few POSTs: how many calls cannot be told apart when a loss is first seen is decided by
how many are under way.
"""

from __future__ import annotations

import math
from collections import Counter, deque

import attrs

from aiocdf._policy.recent import Recent

__all__ = ["Spacing"]

# The part of calls that may be uncertain, and POSTs that decide about how many get lost.
_UNCERTAIN, _SPAN = 5e-4, 300
# POSTs that may come so many times in the time of one answer are not kept apart.
_ENOUGH = 32
# Attempts of a function that get ready while POSTs are kept apart.
_AHEAD = 2
# Attempts of a new function that may be under way before its first answer; then two for each answer, and any number after so many.
_AT_FIRST, _PROVEN = 2, 20
# Seconds between two POSTs at most, and before the first answer.
_FARTHEST = 0.5
# So many answers are looked at; so large a part of them take no longer than what a POST takes, and so many times that surely.
_ANSWERS, _PART, _FACTOR = 64, 0.9, 1.5
# A loop may call a timer a clock tick too early.
_TICK = 1e-6
# Functions of which it is remembered.
_FUNCTIONS = 1000


@attrs.define
class _Posts:
    """The POSTs of a function."""

    #: Answers, as far as they matter.
    answers: int = 0
    #: Attempts that have not sent their POST yet, and when POSTs were sent that have no answer yet.
    preparing: int = 0
    sent: list[float] = attrs.field(factory=list)
    #: From when the next POST may be sent beside others.
    next_at: float = -math.inf


class Spacing:
    """Keeps the windows of submissions apart."""

    def __init__(self) -> None:
        self._posts: Recent[int, _Posts] = Recent(
            _Posts, most=_FUNCTIONS, idle=lambda posts: not posts.preparing and not posts.sent
        )
        #: Submissions in doubt whose session was not looked at yet, by function.
        self._open: Counter[int] = Counter()
        #: POSTs of late, and those among them that started their calls in doubt; older ones count less.
        self._lately = self._lost = 0.0
        #: Seconds that the last answers took.
        self._seconds: deque[float] = deque(maxlen=_ANSWERS)

    def permits(self, function: int, under_way: int) -> bool:
        """Tell whether one more attempt of *function* may begin beside those under way."""
        posts = self._posts[function]
        if self._gap(function):
            return posts.preparing < _AHEAD
        return posts.answers >= _PROVEN or under_way < max(_AT_FIRST, 2 * posts.answers)

    def opens_at(self, function: int) -> float | None:
        """Return when one may begin although those before have no clean answer; None where that makes no difference."""
        return self._posts[function].next_at if self._gap(function) else None

    def began(self, function: int) -> None:
        """Note an attempt: it gets a nonce first."""
        self._posts[function].preparing += 1

    def sends(self, function: int, now: float) -> None:
        """Note that an attempt sends its POST."""
        posts = self._posts[function]
        posts.preparing -= 1
        posts.sent.append(now)

    def ended(self, function: int, sent_at: float | None) -> None:
        """Note that an attempt ended, which had sent its POST at that time, or None."""
        posts = self._posts[function]
        if sent_at is None:
            posts.preparing -= 1
        else:
            posts.sent.remove(sent_at)

    def wait(self, function: int, now: float) -> float:
        """Return the seconds until a POST may be sent, at the longest; with 0 it is sent now."""
        posts, gap = self._posts[function], self._gap(function)
        if gap and posts.next_at > now + _TICK:
            return posts.next_at - now
        posts.next_at = now + gap
        return 0.0

    def answered(self, function: int, sent_at: float, now: float) -> None:
        """Note the answer to a POST, which leaves no doubt."""
        self._note(lost=False)
        self._seconds.append(now - sent_at)
        posts = self._posts[function]
        posts.answers = min(posts.answers + 1, _PROVEN)
        if posts.next_at > now:
            others = [at for at in posts.sent if at != sent_at]
            if not others or max(others) + self._longest() <= now:
                posts.next_at = -math.inf

    def doubted(self, function: int) -> None:
        """Note that a POST is in doubt: until its session was looked at, it may have started its call."""
        self._open[function] += 1

    def looked(self, function: int) -> None:
        """Note that a session was read, or that it is unreadable."""
        self._open[function] -= 1
        if self._open[function] <= 0:
            del self._open[function]

    def started(self) -> None:
        """Note that a POST in doubt started its call, or may have."""
        self._note(lost=True)

    def _note(self, *, lost: bool) -> None:
        kept = 1.0 - 1.0 / _SPAN
        self._lately, self._lost = kept * self._lately + 1.0, kept * self._lost + lost

    def _gap(self, function: int) -> float:
        """Return the seconds from a POST of a function to its next, unless there is a clean answer; 0 where it does not matter."""
        if self._open[function]:
            return self._longest()
        if not self._lost:
            return 0.0
        answer = self._answer()
        gap = 2.0 * answer * (self._lost / self._lately) ** 2 / _UNCERTAIN
        return min(gap, self._longest()) if gap >= answer / _ENOUGH else 0.0

    def _longest(self) -> float:
        """Return the seconds from a POST to one whose call surely starts later."""
        return min(_FACTOR * self._answer() + min(self._seconds), _FARTHEST) if self._seconds else _FARTHEST

    def _answer(self) -> float:
        """Return the seconds that an answer takes, as most do."""
        return sorted(self._seconds)[int(_PART * len(self._seconds))] if self._seconds else _FARTHEST
