"""Which queued call may be started now.

The service turns away what is above its limits instead of queueing it, so the queue is here: fair across functions,
first come first served within one, and never more running calls than the limits, or the windows we have learned, allow.
Functions take turns of as many calls as they may run at once. That keeps the number of functions small that run at a
time, and so the number of polls that ask after them, for a poll asks after one function. So that a lone call need not
wait for others' turns, a function that had no calls waiting comes first, once a round, as in FQ-CoDel (RFC 8290).
A window shrinks by a tenth when the service says it is full (schedules and other clients share the limits) and grows
with the calls that end, hardly at first and by one each when the last refusal was long ago: multiplicative decrease and
an increase that depends on the time since, as in CUBIC (RFC 9438), so that clients who share a limit seldom collide.
"""

from __future__ import annotations

import heapq
from collections import deque
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Admission", "Window"]

T = TypeVar("T")

_SHRINK = 0.9
_SHRINK_EVERY = 1.0
# Seconds after a refusal from which a window grows by one with each call that ends.
_RECOVERY = 5.0


@attrs.define(kw_only=True)
class Window:
    """How many calls may run at once in one function, or in the project."""

    limit: int
    size: float = attrs.field(default=attrs.Factory(lambda self: float(self.limit), takes_self=True))
    running: int = 0
    #: Nothing starts before this time, or before a call ends; 0 where the service has not turned anything away since.
    closed_until: float = 0.0
    _patience: float = 0.0
    #: When a call started to try the closed window, until it is known what that told.
    _tried_at: float | None = None
    _shrunk_at: float = float("-inf")

    def open(self, now: float) -> bool:
        """Tell whether one more call may start: others' calls end unseen, so one may try when the window reopens."""
        if now < self.closed_until or self.running >= self.limit:
            return False
        return self.running < int(self.size) or self.closed_until > 0.0

    @property
    def room(self) -> int:
        """How many more calls may start; none before a window that was full has been tried again."""
        return 0 if self.closed_until > 0.0 else max(0, int(self.size) - self.running)

    def take(self, now: float) -> None:
        """Take note that a call starts; if that is to try, the next may try after as long again."""
        if self.closed_until > 0.0:
            self.size = max(self.size, self.running + 1.0)
            self.closed_until = now + self._patience
            self._tried_at = now
        self.running += 1

    def put_back(self) -> None:
        """Take note that a call did not start, for a reason that tells nothing of this limit: another may try it."""
        self.running -= 1
        if self._tried_at is not None:
            self.closed_until, self._tried_at = self._tried_at, None

    def full(self, now: float, reopen: float) -> None:
        """Take note that the service turned a call away, and try again at *reopen* unless a call ends before."""
        self.closed_until = reopen
        self._patience = reopen - now
        self._tried_at = None
        if now - self._shrunk_at >= _SHRINK_EVERY:
            self._shrunk_at = now
            self.size = max(1.0, min(self.size, self.running + 1) * _SHRINK)

    def ended(self, now: float) -> None:
        """Take note that a call ended: a place is free, and if the window was used it may grow."""
        used = self.running >= self.size / 2
        self.running -= 1
        self.closed_until, self._tried_at = 0.0, None
        if used:
            growth = min(1.0, ((now - self._shrunk_at) / _RECOVERY) ** 2)
            self.size = min(float(self.limit), self.size + growth)


@attrs.define
class _Queue(Generic[T]):
    """The waiting calls of a function, by their number."""

    window: Window
    #: The last round in which the function had calls to start.
    round: int = -1
    #: How many more may start in that round before others' turns.
    turn: int = 0
    waiting: dict[int, T] = attrs.field(factory=dict)
    #: The numbers in `waiting`, and of calls that have left it since.
    order: list[int] = attrs.field(factory=list)

    def pop(self) -> T:
        while True:
            number = heapq.heappop(self.order)
            if number in self.waiting:
                return self.waiting.pop(number)


class Admission(Generic[T]):
    """The queues of all functions, and the windows they share.

    Args:
        function_limit: Calls of one function that the service lets run at once.
        project_limit: Calls of the project that the service lets run at once.
    """

    def __init__(self, *, function_limit: int, project_limit: int) -> None:
        self._function_limit = function_limit
        self._project = Window(limit=project_limit)
        self._queues: dict[int, _Queue[T]] = {}
        #: Functions with waiting calls that come first, and after them those that take turns.
        self._newcomers: deque[int] = deque()
        self._turns: deque[int] = deque()
        self._round = 0

    def enqueue(self, function: int, number: int, item: T) -> None:
        """Put *item* into the function's queue, in the place that its number gives it."""
        queue = self._queue(function)
        if not queue.waiting:
            self._renew(queue)
            (self._newcomers if queue.turn else self._turns).append(function)
        queue.waiting[number] = item
        heapq.heappush(queue.order, number)

    def withdraw(self, function: int, number: int) -> None:
        """Take a waiting item out."""
        queue = self._queue(function)
        if queue.waiting.pop(number, None) is not None and not queue.waiting:
            self._retire(function, queue)

    def admit(self, now: float) -> T | None:
        """Return the item to start now, counted as running from here on; None if nothing may start."""
        if not self._project.open(now):
            return None
        for functions in (self._newcomers, self._turns):
            for _ in range(len(functions)):
                queue = self._queues[functions[0]]
                if queue.window.open(now):
                    return self._take(functions, queue, now)
                functions.rotate(-1)
        return None

    def occupy(self, function: int) -> None:
        """Count a running call that was not admitted here."""
        self._queue(function).window.running += 1
        self._project.running += 1

    def leave(self, function: int, now: float) -> None:
        """Take note that a running call ended."""
        self._queue(function).window.ended(now)
        self._project.ended(now)

    def turned_away(self, function: int, now: float, *, whole_project: bool, reopen: float) -> None:
        """Take note that the service refused an admitted call for want of a place.

        Args:
            function: The call's function.
            now: The time.
            whole_project: The project is full, not the function.
            reopen: When to try again if no call of ours ends before.
        """
        self.put_back(function)
        (self._project if whole_project else self._queue(function).window).full(now, reopen)

    def put_back(self, function: int) -> None:
        """Take note that an admitted call did not start, for a reason that says nothing of the limits."""
        self._queue(function).window.put_back()
        self._project.put_back()

    def use(self, function: int) -> tuple[float, float]:
        """Return how full the function and the project are by our own count, from 0 to 1."""
        window = self._queue(function).window
        return window.running / window.limit, self._project.running / self._project.limit

    def reopens_at(self, now: float) -> float | None:
        """Return the time at which a closed window with waiting calls opens by itself; None if there is none."""
        waiting = self._waiting()
        if not waiting:
            return None
        closed = [self._project, *(queue.window for queue in waiting)]
        return min((window.closed_until for window in closed if window.closed_until > now), default=None)

    def startable(self, most: int) -> int:
        """Return how many of the waiting items the windows have room for, as far as *most*."""
        room, found = min(most, self._project.room), 0
        for queue in self._waiting():
            if found >= room:
                break
            found += min(len(queue.waiting), queue.window.room)
        return min(found, room)

    def awaits(self, function: int) -> bool:
        """Tell whether a waiting item may start when a call of *function* ends."""
        if self._project.room:
            return bool(self._queue(function).waiting)
        return bool(self._newcomers or self._turns)

    @property
    def queued(self) -> int:
        """How many items wait."""
        return sum(len(queue.waiting) for queue in self._waiting())

    @property
    def project_window(self) -> int:
        """How many calls may run at once in the project."""
        return int(self._project.size)

    @property
    def function_windows(self) -> Mapping[int, int]:
        """How many calls may run at once in each function that was called."""
        return {function: int(queue.window.size) for function, queue in self._queues.items()}

    def _queue(self, function: int) -> _Queue[T]:
        if function not in self._queues:
            self._queues[function] = _Queue(Window(limit=self._function_limit))
        return self._queues[function]

    def _waiting(self) -> list[_Queue[T]]:
        """Return the queues that are not empty."""
        return [self._queues[function] for function in (*self._newcomers, *self._turns)]

    def _take(self, functions: deque[int], queue: _Queue[T], now: float) -> T:
        """Start the next item of the first of *functions*, whose queue this is."""
        self._renew(queue)
        if not queue.turn:
            # All who waited have had their turns since this one had: another round.
            self._round += 1
            self._renew(queue)
        queue.turn -= 1
        item = queue.pop()
        if not queue.waiting:
            self._retire(functions[0], queue)
        elif not queue.turn:
            self._turns.append(functions.popleft())
        queue.window.take(now)
        self._project.take(now)
        return item

    def _renew(self, queue: _Queue[T]) -> None:
        """Give a function its turn if it had none in this round."""
        if queue.round != self._round:
            queue.round = self._round
            queue.turn = int(min(queue.window.size, self._project.size))

    def _retire(self, function: int, queue: _Queue[T]) -> None:
        """Let an empty queue wait no more."""
        queue.order.clear()
        (self._newcomers if function in self._newcomers else self._turns).remove(function)
