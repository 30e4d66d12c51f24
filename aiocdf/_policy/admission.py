"""Which queued call may start now.

The service rejects calls above its limits instead of queueing them, so the client queues. The queue is fair across
functions and first in, first out within a function. The number of running calls stays below the limits of the service
and below the windows that this module learns.

Functions take turns. A turn has as many calls as the function may run at once, so that few functions run at the same
time: one poll covers one function. A function that had no waiting calls comes first, once a round, so that a single
call does not wait for the turns of others (FQ-CoDel, RFC 8290).

A window shrinks by a tenth when the service rejects a call, because schedules and other clients share the limits. It
grows when calls end: slowly after a rejection, and by one call each when the last rejection was long ago. This is a
multiplicative decrease with a time-dependent increase, as in CUBIC (RFC 9438): clients that share a limit seldom
collide. Every few seconds one call probes beyond a window that was rejected. After each accepted probe, twice as many
follow. Without probes, the window would stay small until a call of this client ends, because it cannot see the calls of
other clients end.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from itertools import chain
from typing import TYPE_CHECKING, Generic, TypeVar

import attrs

from aiocdf._policy.recent import Recent

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

__all__ = ["Admission", "Window"]

T = TypeVar("T")

_SHRINK = 0.9
_SHRINK_EVERY = 1.0
# Seconds after a refusal from which a window grows by one with each call that ends.
_RECOVERY = 5.0
# This many rejections in a row shrink the window; for this many seconds after, each one does. A few rejections among
# accepted calls mean nothing.
_BELIEVED_FOR = 5.0
_BELIEVED = 4
# Seconds until a full window is probed if the service does not say, and the longest pause that the service can request.
_BACKSTOP, _LONGEST_PAUSE = 1.8, 3600.0
# Seconds for which the peak of running calls is remembered.
_LATELY = 1.0
# At most this many calls above the proven number probe at once.
_MOST_TRIED = 16
# The queues and windows of this many functions are kept.
_FUNCTIONS = 1000


@attrs.define(kw_only=True)
class Window:
    """How many calls may run at once in one function, or in the project."""

    limit: int
    size: float = attrs.field(default=attrs.Factory(lambda self: float(self.limit), takes_self=True))
    running: int = 0
    #: Running calls that the service has accepted, and the most of them in the last second.
    held: int = 0
    _peak: int = 0
    _peak_at: float = -math.inf
    #: Rejections since the last accepted call, and when one last shrank the window, unless it has grown since.
    _refusals: int = 0
    _believed_at: float = -math.inf
    #: Nothing starts before this time, or before a call ends.
    _closed_until: float = -math.inf
    #: When one call may probe beyond the size; never if the service has not rejected any.
    _trial_at: float = math.inf
    #: When the current probe began; None without a probe. And the seconds until the next one.
    _tried_at: float | None = None
    _patience: float = 0.0
    _shrunk_at: float = -math.inf
    #: When the last rejected POST was sent.
    _refused_at: float = -math.inf
    #: `held` at the last rejection or probe, and its maximum since then.
    _base: int = 0
    _proven: int = 0

    def is_open(self, now: float) -> bool:
        """Return whether one more call may start."""
        if self.running >= self.limit:
            return False
        return now >= self._trial_at or (now >= self._closed_until and self.running < int(self.size))

    def room(self, now: float) -> int:
        """Return how many more calls may start; 0 while the window is closed."""
        return 0 if now < self._closed_until else max(0, int(self.size) - self.running)

    def opens_at(self, now: float) -> float | None:
        """Return when the window opens by itself; None if only the end of a call opens it."""
        if self.running >= self.limit:
            return None
        times = [self._trial_at, self._closed_until if self.running < int(self.size) else math.inf]
        return min((time for time in times if now < time < math.inf), default=None)

    def take(self, now: float) -> None:
        """Record that a call starts; a call beyond the size is a probe, and delays the next one."""
        if now >= self._trial_at:
            self._trial_at, self._tried_at = now + self._patience, now
            self.size = max(self.size, self.running + 1.0)
            self._base = self._proven = self.held
        self.running += 1

    def put_back(self) -> None:
        """Record that a call did not start, for a reason unrelated to this limit: another call may use the place."""
        self.running -= 1
        if self._tried_at is not None:
            self._trial_at, self._tried_at = self._tried_at, None

    def accepted(self, now: float, sent_at: float) -> None:
        """Record that the service accepted a call.

        There is room if more calls run than at the last rejection, and this one was sent after it.
        """
        self.held += 1
        if self.held >= self._peak or now - self._peak_at > _LATELY:
            self._peak, self._peak_at = self.held, now
        if sent_at < self._refused_at:
            return
        self._refusals = 0
        if self.size < self.limit and self.held > self._proven:
            self._tried_at, self._proven, self._believed_at = None, self.held, -math.inf
            more = min(max(1, self._proven - self._base), _MOST_TRIED)
            self.size = min(float(self.limit), max(self.size, self._proven + more))
            self._closed_until = -math.inf

    def rejected(self, now: float, sent_at: float, *, retry_after: float | None, jitter: float) -> None:
        """Record that the service rejected a call with 429.

        A few rejections in a row close the window. They also shrink it, unless they only answered a probe.

        Args:
            now: The time.
            sent_at: When the call's POST was sent.
            retry_after: Seconds that the service requests to wait; None if it does not.
            jitter: A random factor of at least 1.
        """
        self.running -= 1
        self._refusals += 1
        self._refused_at = max(self._refused_at, sent_at)
        beyond = self._tried_at is not None or self._proven > self._base
        self._base, self._proven, self._tried_at = self.held, self.held, None
        if self._refusals < _BELIEVED and retry_after is None and now - self._believed_at > _BELIEVED_FOR:
            return
        self._believed_at = now
        self._patience = min(_BACKSTOP if retry_after is None else retry_after, _LONGEST_PAUSE) * jitter
        self._closed_until = self._trial_at = now + self._patience
        self.size = min(self.size, max(self.held, self._peak if now - self._peak_at <= _LATELY else 0))
        if not beyond and now - self._shrunk_at >= _SHRINK_EVERY:
            self._shrunk_at = now
            self.size *= _SHRINK
        self.size = max(1.0, self.size)

    def ended(self, now: float) -> None:
        """Record that a call ended: its place is free, and a window in use may grow."""
        used = self.running >= self.size / 2
        self.running -= 1
        self.held -= 1
        self._closed_until = -math.inf
        if used:
            growth = min(1.0, ((now - self._shrunk_at) / _RECOVERY) ** 2)
            self.size = min(float(self.limit), self.size + growth)


@attrs.define
class _Queue(Generic[T]):
    """The waiting calls of a function, by their number."""

    window: Window
    #: The last round in which the function had calls to start.
    round: int = -1
    #: How many more may start in that round before the turns of others.
    turn: int = 0
    waiting: dict[int, T] = attrs.field(factory=dict)
    #: A heap of the numbers in `waiting`, and of calls that have left it since.
    order: list[int] = attrs.field(factory=list)

    @property
    def idle(self) -> bool:
        """Return whether this queue can be dropped: no calls, and a window at its limit."""
        return not self.waiting and not self.window.running and self.window.size >= self.window.limit

    def pop(self) -> T:
        while True:
            number = heapq.heappop(self.order)
            if number in self.waiting:
                return self.waiting.pop(number)


class Admission(Generic[T]):
    """The queues of all functions, and the windows they share.

    Args:
        function_limit: How many calls of one function the service runs at once.
        project_limit: How many calls of the project the service runs at once.
    """

    def __init__(self, *, function_limit: int, project_limit: int) -> None:
        self._project = Window(limit=project_limit)
        self._queues: Recent[int, _Queue[T]] = Recent(
            lambda: _Queue(Window(limit=function_limit)), most=_FUNCTIONS, idle=lambda queue: queue.idle
        )
        #: How many items wait.
        self.queued = 0
        #: Functions with waiting calls that come first, and after them those that take turns.
        self._newcomers: deque[int] = deque()
        self._turns: deque[int] = deque()
        self._round = 0

    def enqueue(self, function: int, number: int, item: T) -> None:
        """Put *item* into the function's queue, in the order of the numbers."""
        queue = self._queues[function]
        if not queue.waiting:
            self._renew(queue)
            (self._newcomers if queue.turn else self._turns).append(function)
        queue.waiting[number] = item
        heapq.heappush(queue.order, number)
        self.queued += 1

    def withdraw(self, function: int, number: int) -> None:
        """Remove a waiting item."""
        queue = self._queues[function]
        if queue.waiting.pop(number, None) is not None:
            self.queued -= 1
            if not queue.waiting:
                self._retire(function, queue)

    def first(self, function: int) -> T | None:
        """Return the item that is next in the function's queue."""
        queue = self._queues[function]
        while queue.order:
            if (item := queue.waiting.get(queue.order[0])) is not None:
                return item
            heapq.heappop(queue.order)
        return None

    def waiting(self, function: int) -> list[T]:
        """Return all items of the function's queue."""
        return list(self._queues[function].waiting.values())

    @property
    def busy(self) -> int:
        """How many functions have waiting items."""
        return len(self._newcomers) + len(self._turns)

    @property
    def functions(self) -> tuple[int, ...]:
        """The functions that have waiting items."""
        return (*self._newcomers, *self._turns)

    def admit(self, now: float, permits: Callable[[int], bool]) -> T | None:
        """Return the item to start now, and count it as running; None if nothing may start.

        Args:
            now: The time.
            permits: Returns whether a function may start a call, for reasons other than the windows.
        """
        if not self._project.is_open(now):
            return None
        for functions in (self._newcomers, self._turns):
            for place, function in enumerate(functions):
                queue = self._queues[function]
                if queue.window.is_open(now) and permits(function):
                    return self._take(functions, place, queue, now)
        return None

    def occupy(self, function: int) -> None:
        """Count a running call that was not admitted here."""
        for window in (self._project, self._queues[function].window):
            window.running += 1
            window.held += 1

    def vacate(self, function: int) -> None:
        """Stop counting a running call that turned out to be the same as another one."""
        for window in (self._project, self._queues[function].window):
            window.running -= 1
            window.held -= 1

    def accepted(self, function: int, now: float, sent_at: float) -> None:
        """Record that the service accepted an admitted call whose POST was sent at *sent_at*."""
        self._project.accepted(now, sent_at)
        self._queues[function].window.accepted(now, sent_at)

    def leave(self, function: int, now: float) -> None:
        """Record that a running call ended."""
        self._queues[function].window.ended(now)
        self._project.ended(now)

    def rejected(
        self,
        function: int,
        now: float,
        sent_at: float,
        *,
        whole_project: bool,
        retry_after: float | None = None,
        jitter: float = 1.0,
    ) -> None:
        """Record that the service rejected an admitted call because the project or the function is full."""
        own = self._queues[function].window
        full, other = (self._project, own) if whole_project else (own, self._project)
        full.rejected(now, sent_at, retry_after=retry_after, jitter=jitter)
        other.put_back()

    def put_back(self, function: int) -> None:
        """Record that an admitted call did not start, for a reason unrelated to the limits."""
        self._queues[function].window.put_back()
        self._project.put_back()

    def utilization(self, function: int) -> tuple[float, float]:
        """Return how full the function and the project are by this client's count, from 0 to 1."""
        window = self._queues[function].window
        return window.running / window.limit, self._project.running / self._project.limit

    def reopens_at(self, now: float) -> float | None:
        """Return when a window with waiting items opens by itself; None if none does."""
        if not self.queued:
            return None
        if not self._project.is_open(now):
            return self._project.opens_at(now)
        times = (self._queues[function].window.opens_at(now) for function in self.functions)
        return min((time for time in times if time is not None), default=None)

    def startable(self, now: float, most: int) -> int:
        """Return how many waiting items the windows have room for, up to *most*."""
        room, found = min(most, self._project.room(now)), 0
        for function in chain(self._newcomers, self._turns):
            if found >= room:
                break
            queue = self._queues[function]
            found += min(len(queue.waiting), queue.window.room(now))
        return min(found, room)

    def awaits(self, function: int, now: float) -> bool:
        """Return whether the end of a call of *function* lets a waiting item start."""
        if self._project.room(now):
            return bool(self._queues[function].waiting)
        return bool(self.queued)

    @property
    def places(self) -> int:
        """How many calls count as running in the project."""
        return self._project.running

    @property
    def project_window(self) -> int:
        """How many calls may run at once in the project."""
        return int(self._project.size)

    @property
    def function_windows(self) -> Mapping[int, int]:
        """How many calls each recently called function may run at once."""
        return {function: int(queue.window.size) for function, queue in self._queues.items()}

    def _take(self, functions: deque[int], place: int, queue: _Queue[T], now: float) -> T:
        """Start the next item of *queue*, whose function is at *place* in *functions*."""
        self._renew(queue)
        if not queue.turn:
            # All waiting functions have had their turns since this one: another round.
            self._round += 1
            self._renew(queue)
        queue.turn -= 1
        item = queue.pop()
        self.queued -= 1
        function = functions[place]
        if not queue.waiting or not queue.turn:
            del functions[place]
        if not queue.waiting:
            queue.order.clear()
        elif not queue.turn:
            self._turns.append(function)
        queue.window.take(now)
        self._project.take(now)
        return item

    def _renew(self, queue: _Queue[T]) -> None:
        """Give a function its turn if it has not had one in this round."""
        if queue.round != self._round:
            queue.round = self._round
            queue.turn = int(min(queue.window.size, self._project.size))

    def _retire(self, function: int, queue: _Queue[T]) -> None:
        """Remove an empty queue from the turns."""
        queue.order.clear()
        (self._newcomers if function in self._newcomers else self._turns).remove(function)
