"""Which functions to poll when: those with running calls, each at the time that was planned for it."""

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

# So many functions are polled together that would be polled within so many seconds.
_TOGETHER, _ALONG = 8, 0.06
# What was learned of so many functions is kept.
_FUNCTIONS = 1000


@attrs.frozen
class Demand:
    """What a plan depends on beside the running calls of a function."""

    #: Calls of the client that have not ended.
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
        #: Functions by the time of their next poll; entries that the watch no longer bears out are passed over.
        self._heap: list[tuple[float, int]] = []
        self._runtimes: Recent[int, Runtimes] = Recent(Runtimes, most=_FUNCTIONS, idle=lambda _: True)
        self._round_trip = math.inf
        #: Running calls a second that are expected to end, over all functions.
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
            since: When it started by our clock; for a call that was attached to, now.
            now: The time.
            demand: For a call that was just accepted, which is polled when it is worth it; None to poll at once.
            start: When it started by the service's clock, in epoch milliseconds; None if the service has not said.
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
        """Poll a call no longer."""
        watch = self.watches.get(function_id)
        if watch is not None and watch.calls.pop(call_id, None) is not None and not watch.calls and not watch.polling:
            self._drop(watch)

    def due(self, now: float) -> list[int]:
        """Return the functions to poll now, which count as being polled, with a few that soon would be.

        What is done together costs less processor time.
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
        """Return the time of the next poll; None where there is none."""
        due = self._next_due()
        return None if due is None else max(due, self.budget.ready_at())

    def answered(self, seconds: float, now: float) -> bool:
        """Note a poll that was answered after so many seconds; tell whether it ends an outage, after which others follow."""
        self._round_trip = min(seconds, 1.25 * self._round_trip)
        recovered = self.budget.failing
        self.budget.answered()
        for watch in self.watches.values() if recovered else ():
            if watch.failures:
                self._bring_forward(watch, now)
        return recovered

    def polled(self, function_id: int, now: float, demand: Demand) -> None:
        """Plan the function's next poll, after what one brought has been applied."""
        watch = self.watches.get(function_id)
        if watch is None:
            return
        watch.polling = False
        if not watch.calls:
            self._drop(watch)
            return
        gap = self._gap(watch, [now - call.since for call in watch.calls.values()], demand, keep=True)
        watch.due = math.inf
        # From poll to poll: the time that the answer took is part of the gap.
        self._bring_forward(watch, max(watch.sent_at + gap, now))

    def _next_due(self) -> float | None:
        """Return when the first function of the schedule is due."""
        while self._heap:
            due, function_id = self._heap[0]
            watch = self.watches.get(function_id)
            if watch is not None and not watch.polling and watch.due == due:
                return due
            heapq.heappop(self._heap)
        return None

    def _bring_forward(self, watch: Watch, due: float) -> None:
        """Have the function polled at *due*, if it would be later."""
        if due < watch.due:
            watch.due = due
            if not watch.polling:
                heapq.heappush(self._heap, (due, watch.function_id))

    def _drop(self, watch: Watch) -> None:
        self.ends -= watch.ends
        del self.watches[watch.function_id]

    def _least_gap(self, watch: Watch) -> float:
        """Return a gap that no plan goes below."""
        floor = self._polling.floor
        return min(floor, self._round_trip) if watch.runtimes.total and len(watch.calls) < BUSY else floor

    def _gap(self, watch: Watch, ages: Sequence[float], demand: Demand, *, keep: bool = False) -> float:
        """Return the seconds from one poll to the next for calls of these ages; *keep* how many are expected to end."""
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
