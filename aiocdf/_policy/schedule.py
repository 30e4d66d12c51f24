"""Which functions to poll, and when: each function with running calls has the time of its next poll."""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

import attrs

from aiocdf._policy.polling import BUSY, Budget, plan
from aiocdf._policy.recent import Recent
from aiocdf._policy.runtimes import Runtimes
from aiocdf._policy.watch import Followed, Watch

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf.config import Polling

__all__ = ["Demand", "Schedule"]

# Up to _TOGETHER functions whose polls are due within _ALONG seconds are polled together.
_TOGETHER, _ALONG = 8, 0.06
# The runtimes of this many functions are kept.
_FUNCTIONS = 1000


@attrs.frozen
class Demand:
    """What a plan depends on besides the running calls of a function."""

    #: How many calls of the client have not ended.
    unfinished: int
    #: A queued call starts when one of the function's calls ends.
    awaited: bool
    #: A random factor of about 1.
    jitter: float


class Schedule:
    """The times of polls, within the budget.

    Args:
        polling: The settings.
    """

    def __init__(self, polling: Polling) -> None:
        self._polling = polling
        self.budget = Budget(rate=polling.budget)
        self.watches: dict[int, Watch] = {}
        #: Functions by the time of their next poll; entries that no longer match the watch are skipped.
        self._heap: list[tuple[float, int]] = []
        self._runtimes: Recent[int, Runtimes] = Recent(Runtimes, most=_FUNCTIONS, idle=lambda _: True)
        self._round_trip = math.inf
        #: Expected ends a second of all running calls.
        self.ends = 0.0

    def follow(
        self,
        function_id: int,
        call_id: int,
        since: float,
        now: float,
        demand: Demand | None,
        *,
        start: int | None = None,
    ) -> None:
        """Poll a call from now on.

        Args:
            function_id: Its function.
            call_id: The call.
            since: When it started, by this client's clock; now for an attached call.
            now: The time.
            demand: What the plan for a call that was just accepted depends on; None to poll at once.
            start: When it started, in epoch milliseconds of the service's clock; None if the service has not said.
        """
        watch = self.watches.get(function_id)
        if watch is None:
            watch = self.watches[function_id] = Watch(function_id, self._runtimes[function_id])
        watch.calls[call_id] = Followed(since, start)
        if demand is None:
            self._bring_forward(watch, now)
        elif watch.due > now + self._least_gap(watch):
            self._bring_forward(watch, now + self._gap(watch, [0.0], demand))

    def forget(self, function_id: int, call_id: int) -> None:
        """Stop polling a call."""
        watch = self.watches.get(function_id)
        if watch is not None and watch.calls.pop(call_id, None) is not None and not watch.calls and not watch.polling:
            self._drop(watch)

    def due(self, now: float) -> list[int]:
        """Return the functions to poll now, and a few whose polls are due soon; they count as being polled.

        Polls that are sent together need less processor time.
        """
        found: list[int] = []
        while self.budget.ready_at() <= now and (due := self._next_due()) is not None:
            if due > now + (_ALONG if len(found) < _TOGETHER else 0.0):
                break
            watch = self.watches[heapq.heappop(self._heap)[1]]
            watch.polling = True
            self.budget.take(now)
            found.append(watch.function_id)
        return found

    def due_at(self) -> float | None:
        """Return the time of the next poll; None if none is planned."""
        due = self._next_due()
        return None if due is None else max(due, self.budget.ready_at())

    def answered(self, seconds: float, now: float) -> bool:
        """Record a poll that was answered after *seconds*; return whether it ends an outage, after which others are due."""
        self._round_trip = min(seconds, 1.25 * self._round_trip)
        recovered = self.budget.failing
        self.budget.answered()
        for watch in self.watches.values() if recovered else ():
            if watch.failures:
                self._bring_forward(watch, now)
        return recovered

    def polled(self, function_id: int, now: float, demand: Demand) -> None:
        """Plan the function's next poll, after the results of the last one were applied."""
        watch = self.watches.get(function_id)
        if watch is None:
            return
        watch.polling = False
        if not watch.calls:
            self._drop(watch)
            return
        gap = self._gap(watch, [now - call.since for call in watch.calls.values()], demand, keep=True)
        watch.due = math.inf
        # The gap is from poll to poll, so the time that the answer took is part of it.
        self._bring_forward(watch, max(watch.sent_at + gap, now))

    def _next_due(self) -> float | None:
        """Return when the next function is due."""
        while self._heap:
            due, function_id = self._heap[0]
            watch = self.watches.get(function_id)
            if watch is not None and not watch.polling and watch.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def _bring_forward(self, watch: Watch, due: float) -> None:
        """Poll the function at *due*, unless its poll is planned earlier."""
        if due < watch.due:
            watch.due = due
            if not watch.polling:
                heapq.heappush(self._heap, (due, watch.function_id))

    def _drop(self, watch: Watch) -> None:
        self.ends -= watch.ends
        del self.watches[watch.function_id]

    def _least_gap(self, watch: Watch) -> float:
        """Return a lower bound of all planned gaps."""
        floor = self._polling.floor
        return min(floor, self._round_trip) if watch.runtimes.total and len(watch.calls) < BUSY else floor

    def _gap(self, watch: Watch, ages: Sequence[float], demand: Demand, *, keep: bool = False) -> float:
        """Return the seconds between polls for calls of these ages; with *keep*, store the expected ends."""
        planned = plan(
            ages,
            watch.runtimes,
            running=len(watch.calls),
            functions=len(self.watches),
            calls=demand.unfinished,
            awaited=demand.awaited,
            round_trip=self._round_trip,
            failures=watch.failures,
            polling=self._polling,
            jitter=demand.jitter,
        )
        if keep:
            self.ends += planned.ends - watch.ends
            watch.ends = planned.ends
        return planned.gap
