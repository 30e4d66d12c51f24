"""When the next POST of a function may be sent while answers to POSTs get lost.

Recovery finds a call in doubt by its start time. It cannot distinguish two calls in doubt that may have started at the
same time. But no call starts before its POST is sent. So while answers get lost, the next POST of a function waits for
one of two things: the previous POST got a clean answer, or enough time has passed that its call has started, if it ever
does. That time is a little longer than most answers take, plus the uncertainty of the service's clock, which is at most
the shortest answer.

If few answers get lost, POSTs may come closer. Two calls are confused only if both are in doubt. With a POST every `s`
seconds, answers that take `t` and a probability `p` of doubt, that is a fraction of about `2 t p**2 / s` of all calls.
The gap keeps it at 1 in 2,000.

A new function begins with few POSTs, because the POSTs under way at the first loss are the calls that may be confused.
"""

from __future__ import annotations

import math
from collections import Counter, deque

import attrs

from aiocdf._policy.recent import Recent

__all__ = ["Spacing"]

# The fraction of calls that may be uncertain, and the number of POSTs over which losses are averaged.
_UNCERTAIN, _SPAN = 5e-4, 300
# If the gap allows this many POSTs in the time of one answer, it does not matter and is not kept.
_ENOUGH = 32
# How many attempts of a function get ready while POSTs are spaced.
_AHEAD = 2
# A new function may have this many attempts under way, then two for each answer, and any number after _PROVEN answers.
_AT_FIRST, _PROVEN = 2, 20
# The longest gap between two POSTs in seconds, and the gap before the first answer.
_FARTHEST = 0.5
# The time of a POST is the _PART quantile of the last _ANSWERS answers; after _FACTOR times that, it has surely arrived.
_ANSWERS, _PART, _FACTOR = 64, 0.9, 1.5
# An event loop may run a timer one clock tick early.
_TICK = 1e-6
# The state of this many functions is kept.
_FUNCTIONS = 1000


@attrs.define
class _Posts:
    """The POSTs of a function."""

    #: How many answers came, up to _PROVEN.
    answers: int = 0
    #: How many attempts have not sent their POST yet, and when the POSTs without an answer were sent.
    preparing: int = 0
    sent: list[float] = attrs.field(factory=list)
    #: When the next POST may be sent while others are under way.
    next_at: float = -math.inf


class Spacing:
    """Spaces POSTs, so that the windows of their calls do not overlap."""

    def __init__(self) -> None:
        self._posts: Recent[int, _Posts] = Recent(
            _Posts, most=_FUNCTIONS, idle=lambda posts: not posts.preparing and not posts.sent
        )
        #: How many submissions of each function are in doubt with their session not read yet.
        self._open: Counter[int] = Counter()
        #: Recent POSTs, and how many of them started a call in doubt; older ones count less.
        self._recent = self._lost = 0.0
        #: The times of the last answers in seconds.
        self._seconds: deque[float] = deque(maxlen=_ANSWERS)

    def permits(self, function: int, under_way: int) -> bool:
        """Return whether one more attempt of *function* may begin."""
        posts = self._posts[function]
        if self._gap(function):
            return posts.preparing < _AHEAD
        return posts.answers >= _PROVEN or under_way < max(_AT_FIRST, 2 * posts.answers)

    def opens_at(self, function: int) -> float | None:
        """Return when the next POST may be sent without a clean answer to the previous one; None without spacing."""
        return self._posts[function].next_at if self._gap(function) else None

    def began(self, function: int) -> None:
        """Record that an attempt began, with its nonce."""
        self._posts[function].preparing += 1

    def sends(self, function: int, now: float) -> None:
        """Record that an attempt sends its POST."""
        posts = self._posts[function]
        posts.preparing -= 1
        posts.sent.append(now)

    def ended(self, function: int, sent_at: float | None) -> None:
        """Record that an attempt ended; *sent_at* is when it sent its POST, or None."""
        posts = self._posts[function]
        if sent_at is None:
            posts.preparing -= 1
        else:
            posts.sent.remove(sent_at)

    def wait(self, function: int, now: float) -> float:
        """Return how many seconds a POST has to wait; with 0 it is sent now."""
        posts, gap = self._posts[function], self._gap(function)
        if gap and posts.next_at > now + _TICK:
            return posts.next_at - now
        posts.next_at = now + gap
        return 0.0

    def answered(self, function: int, sent_at: float, now: float) -> None:
        """Record a clear answer to a POST."""
        self._note(lost=False)
        self._seconds.append(now - sent_at)
        posts = self._posts[function]
        posts.answers = min(posts.answers + 1, _PROVEN)
        if posts.next_at > now:
            others = [at for at in posts.sent if at != sent_at]
            if not others or max(others) + self._longest() <= now:
                posts.next_at = -math.inf

    def doubted(self, function: int) -> None:
        """Record that a POST is in doubt: until its session is read, it may have started its call."""
        self._open[function] += 1

    def looked(self, function: int) -> None:
        """Record that a session was read, or is not readable."""
        self._open[function] -= 1
        if self._open[function] <= 0:
            del self._open[function]

    def started(self) -> None:
        """Record that a POST in doubt started its call, or may have."""
        self._note(lost=True)

    def _note(self, *, lost: bool) -> None:
        kept = 1.0 - 1.0 / _SPAN
        self._recent, self._lost = kept * self._recent + 1.0, kept * self._lost + lost

    def _gap(self, function: int) -> float:
        """Return the seconds between POSTs of a function without a clean answer; 0 if spacing is not needed."""
        if self._open[function]:
            return self._longest()
        if not self._lost:
            return 0.0
        answer = self._answer()
        gap = 2.0 * answer * (self._lost / self._recent) ** 2 / _UNCERTAIN
        return min(gap, self._longest()) if gap >= answer / _ENOUGH else 0.0

    def _longest(self) -> float:
        """Return the gap in seconds after which the next call surely starts later than the previous one."""
        return min(_FACTOR * self._answer() + min(self._seconds), _FARTHEST) if self._seconds else _FARTHEST

    def _answer(self) -> float:
        """Return the seconds within which most answers come."""
        return sorted(self._seconds)[int(_PART * len(self._seconds))] if self._seconds else _FARTHEST
