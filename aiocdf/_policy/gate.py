"""Which queued call may be submitted now: windows, breakers, spacing and rate combined."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from aiocdf._policy.admission import Admission
from aiocdf._policy.breaker import Breakers
from aiocdf._policy.rate import Rate
from aiocdf._policy.spacing import Spacing
from aiocdf._policy.throttling import Cause, cause_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.errors import AiocdfError, RateLimited

__all__ = ["Gate"]


class Waiting(Protocol):
    """An item of a queue."""

    @property
    def number(self) -> int:
        """Its place among all."""

    @property
    def created_at(self) -> float:
        """When it was made."""


T = TypeVar("T", bound=Waiting)

# Seconds for which an accepted POST shows that the service takes calls of a function.
_LATELY = 2.0
# When the rate requires a longer wait than this, in seconds, no nonces are made ahead.
_LONG = 1.0


class Gate(Generic[T]):
    """Admits queued items, and learns from their outcomes.

    Args:
        function_limit: How many calls of one function the service runs at once.
        project_limit: How many calls of the project the service runs at once.
        workers: How many attempts may be under way at once.
    """

    def __init__(self, *, function_limit: int, project_limit: int, workers: int) -> None:
        self.admission: Admission[T] = Admission(function_limit=function_limit, project_limit=project_limit)
        self.breakers = Breakers(workers)
        self.spacing = Spacing()
        self._rate = Rate()
        #: Functions whose id or status is being checked after the service refused a call.
        self._held: set[int] = set()
        #: When a POST of each function was last accepted, recent ones only; the latest at the end.
        self._accepted_at: dict[int, float] = {}
        #: Functions whose POSTs were rejected since the last accepted POST of any function.
        self._turned_away: set[int] = set()

    def admit(self, now: float) -> T | None:
        """Return the item to submit now, and count it as running; None if none may start."""
        if self._rate.ready_at() > now or not self.breakers.project.permits(now):
            return None
        item = self.admission.admit(now, lambda function: self._permits(function, now))
        if item is not None:
            self._rate.take(now)
        return item

    def opens_at(self, now: float) -> float | None:
        """Return when to look again if nothing else happens; None if only the end of a call can admit an item."""
        if not self.admission.queued:
            return None
        if not self.breakers.project.permits(now):
            return self.breakers.project.opens_at()
        if self._rate.ready_at() > now:
            return self._rate.ready_at()
        times = [self.admission.reopens_at(now), self.breakers.opens_at(now)]
        times += [self.spacing.opens_at(function) for function in self.admission.functions]
        return min((time for time in times if time is not None and time > now), default=None)

    def paused(self, now: float) -> bool:
        """Return whether trouble or the rate of the whole project pauses all submissions."""
        return self._rate.ready_at() > now + _LONG or self.breakers.project.state == "open"

    def startable(self, now: float, most: int) -> int:
        """Return how many items could be submitted at once, up to *most*; 0 while the project is paused."""
        return 0 if self.paused(now) else self.admission.startable(now, most)

    def hold(self, function: int) -> None:
        """Admit no items of *function*."""
        self._held.add(function)

    def release(self, function: int) -> None:
        """Admit items of *function* again."""
        self._held.discard(function)

    def accepted(self, function: int, now: float, sent_at: float) -> None:
        """Record that the service accepted a call whose POST was sent at *sent_at*."""
        self._rate.passed(now)
        self.admission.accepted(function, now, sent_at)
        self.answered(function, now, sent_at)
        self._accepted_at.pop(function, None)
        self._accepted_at[function] = now
        while now - self._accepted_at[first := next(iter(self._accepted_at))] > _LATELY:
            del self._accepted_at[first]
        self._turned_away.clear()

    def answered(self, function: int, now: float, sent_at: float) -> None:
        """Record that the service gave a clear answer to a POST sent at *sent_at*."""
        self.breakers.post_answered(function, now, sent_at)
        self.spacing.answered(function, sent_at, now)

    def turned_away(self, function: int, error: RateLimited, now: float, sent_at: float, *, jitter: float) -> Cause:
        """Record that the service rejected an attempt with 429, free its place, and return the cause.

        Args:
            function: The call's function.
            error: The answer to its POST.
            now: The time.
            sent_at: When the POST was sent.
            jitter: A random factor of at least 1.
        """
        use, project_use = self.admission.utilization(function)
        alone = self._alone(function, now)
        cause = cause_of(error.detail, function_use=use, project_use=project_use, alone=alone)
        self.answered(function, now, sent_at)
        if cause is Cause.RATE:
            return self.too_fast(function, error, now, sent_at)
        self.admission.rejected(
            function,
            now,
            sent_at,
            whole_project=cause is Cause.PROJECT,
            retry_after=error.retry_after,
            jitter=jitter,
        )
        return cause

    def too_fast(self, function: int, error: RateLimited, now: float, sent_at: float) -> Cause:
        """Record that the service rejected a request for a session or a call because of the request rate."""
        self._rate.refused(now, sent_at, error.retry_after)
        self.admission.put_back(function)
        return Cause.RATE

    def expires_at(self, patience: Callable[[AiocdfError], float]) -> float | None:
        """Return when the first waiting item reaches the end of its patience; None if none does."""
        times = [
            max(item.created_at, breaker.since) + patience(breaker.error)
            for function, breaker in self.breakers.troubles()
            if breaker.error is not None and breaker.since is not None
            for queue in (self.admission.functions if function is None else (function,))
            if (item := self.admission.first(queue)) is not None
        ]
        return min((time for time in times if time < math.inf), default=None)

    def expired(self, now: float, patience: Callable[[AiocdfError], float]) -> list[tuple[T, float, AiocdfError]]:
        """Remove the items that have waited in trouble for longer than their patience.

        Args:
            now: The time.
            patience: Returns how many seconds to wait for an error to pass.

        Returns:
            The items, each with the seconds it waited and the error.
        """
        found: list[tuple[T, float, AiocdfError]] = []
        for function, breaker in list(self.breakers.troubles()):
            if breaker.error is None or breaker.since is None or now - breaker.since < patience(breaker.error):
                continue
            for queue in self.admission.functions if function is None else (function,):
                while (item := self.admission.first(queue)) is not None:
                    waited = now - max(item.created_at, breaker.since)
                    if waited < patience(breaker.error):
                        break
                    self.admission.withdraw(queue, item.number)
                    found.append((item, waited, breaker.error))
        return found

    def _permits(self, function: int, now: float) -> bool:
        alone = self.admission.busy == 1
        if function in self._held or not self.breakers.permits(function, now, alone=alone):
            return False
        return self.spacing.permits(function, self.breakers.breaker(function).under_way)

    def _alone(self, function: int, now: float) -> bool:
        """Return whether all recent calls of this function are rejected, and those of no other."""
        self._turned_away.add(function)
        if now - self._accepted_at.get(function, -math.inf) <= _LATELY or len(self._turned_away) > 1:
            return False
        others = len(self.admission.functions) > (function in self.admission.functions)
        return others or now - max(self._accepted_at.values(), default=-math.inf) <= _LATELY
