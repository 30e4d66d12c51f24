"""The circuit breaker: trouble pauses what shares its cause, one call probes, and success reopens by doubling.

Trouble is what says nothing of the call itself: no token, no connection, 5xx, a hang, no session. Calls that would meet
the same trouble wait in the queue meanwhile. The form is that of Nygard's *Release It!* (Circuit Breaker), with a slow
start in the place of its half-open state, so that a service that comes back is not hit by everything that has waited.

There is a breaker for each function and one for the project. What befalls the way to the service (sign-in, network,
sessions) is the project's. A POST in trouble is its function's, until POSTs of several functions end so and none succeeds.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import attrs

from aiocdf._policy.recent import Recent
from aiocdf.errors import ApiError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiocdf.errors import AiocdfError

__all__ = ["Breaker", "Breakers"]

# Attempts in a row that open the breaker: as many as fail by chance less often than this, where faults are as frequent as of
# late, and so many at least and at most.
_CHANCE, _LEAST, _MOST = 1e-6, 3, 12
# How much one attempt says of how frequent faults are.
_WEIGHT = 0.03
# Seconds to the first probe and between later ones at most, which are a part of the time since the trouble began. After a
# POST in doubt, each probe may cost a call; elsewhere it costs nothing.
_PART, _PROBES, _PROBES_IN_DOUBT = 0.2, (1.0, 1.5), (2.0, 30.0)
# Seconds that the service can ask for at most.
_LONGEST_ASKED = 3600.0
# The breakers of so many functions are kept.
_FUNCTIONS = 1000


@attrs.define(kw_only=True, eq=False)
class Breaker:
    """How many attempts may be under way that share one cause of trouble.

    Args:
        ceiling: Attempts that may be under way when all is well.
        allowed: Attempts that may be under way now.
    """

    ceiling: int
    allowed: int
    under_way: int = 0
    _failures: int = 0
    #: The part of attempts that failed lately, outside of outages.
    _faults: float = 0.0
    #: When attempts were stopped last; what began before says nothing of what came after.
    _opened_at: float = -math.inf
    #: From when a probe may begin; None unless the breaker is open.
    _probe_at: float | None = None
    #: When the trouble began: at the first failure after the last success.
    since: float | None = None
    #: The last trouble, while it lasts.
    error: AiocdfError | None = None

    @property
    def state(self) -> str:
        """How it stands: `closed` when all is well, `open` while only probes pass, `reopening` in between."""
        if self._probe_at is not None:
            return "open"
        return "closed" if self.allowed >= self.ceiling else "reopening"

    @property
    def idle(self) -> bool:
        """Tell whether there is nothing to remember."""
        return not self.under_way and not self._failures and self._probe_at is None

    def permits(self, now: float) -> bool:
        """Tell whether one more attempt may begin."""
        if self._probe_at is not None:
            return now >= self._probe_at and self.under_way == 0
        return self.under_way == 0 or (self.under_way < self.allowed and not self._suspicious())

    def opens_at(self) -> float | None:
        """Return when the next probe may begin; None where the end of an attempt decides."""
        return None if self.under_way else self._probe_at

    def began(self) -> None:
        """Note that an attempt began."""
        self.under_way += 1

    def done(self) -> None:
        """Note that an attempt is over; what it showed, `succeeded` or `failed` notes."""
        self.under_way -= 1

    def succeeded(self, began_at: float) -> None:
        """Note that the service answered an attempt as it does when all is well."""
        if began_at < self._opened_at:
            return
        if self._probe_at is None:
            self._note(self._failures)
        self._failures, self.since, self.error, self._probe_at = 0, None, None, None
        self.allowed = min(self.allowed + 1, self.ceiling)

    def failed(self, error: AiocdfError, now: float, began_at: float, *, in_doubt: bool, jitter: float) -> None:
        """Note that an attempt met trouble.

        Args:
            error: The trouble.
            now: The time.
            began_at: When the attempt began.
            in_doubt: It may have started its call, so that a probe can cost another.
            jitter: A random factor of about 1.
        """
        if began_at < self._opened_at:
            return
        self.since, self.error = now if self.since is None else self.since, error
        self._failures += 1
        asked = error.retry_after if isinstance(error, ApiError) else None
        # Attempts under way that began no later may still succeed: a failure is often faster than a success.
        outage = self._suspicious() and self.under_way <= 1
        if not outage and self._probe_at is None and asked is None:
            return
        first, longest = _PROBES_IN_DOUBT if in_doubt else _PROBES
        gap = min(max(first, _PART * (now - self.since)), longest) * jitter
        self.pause(error, now, max(gap, min(asked or 0.0, _LONGEST_ASKED)))

    def pause(self, error: AiocdfError, now: float, seconds: float) -> None:
        """Let nothing begin for so long, and then a probe."""
        self.since, self.error = now if self.since is None else self.since, error
        self._opened_at, self._probe_at, self.allowed = now, now + seconds, 1

    def _note(self, failures: int) -> None:
        """Learn how frequent faults are from a success and the failures right before it."""
        self._faults = 1.0 - (1.0 - self._faults) * (1.0 - _WEIGHT) ** failures
        self._faults *= 1.0 - _WEIGHT

    def _suspicious(self) -> bool:
        """Tell whether too many attempts in a row failed for chance."""
        by_chance = math.log(_CHANCE) / math.log(self._faults) if self._faults > 0.0 else 0.0
        return self._failures >= min(max(_LEAST, by_chance), _MOST)

    def probe_soon(self, now: float) -> None:
        """Let a probe begin now, for the cause of the trouble turned out to be another, which has ended."""
        if self._probe_at is not None:
            self._probe_at = min(self._probe_at, now)


class Breakers:
    """The breakers of the project and of its functions.

    Args:
        workers: Attempts that may be under way in all. A function has most of them, and half before its first success, so
            that one in trouble leaves room for others. The project has three quarters before its first success, so that
            what begins with an outage loses no more.
    """

    def __init__(self, workers: int) -> None:
        self._half = half = max(1, workers // 2)
        most = max(1, workers * 4 // 5)
        self._few = max(1, workers // 4)
        self.project = Breaker(ceiling=max(1, workers * 9 // 10), allowed=max(1, workers * 3 // 4))
        self._functions: Recent[int, Breaker] = Recent(
            lambda: Breaker(ceiling=most, allowed=half), most=_FUNCTIONS, idle=lambda breaker: breaker.idle
        )
        #: Look-ups of functions: calls that wait for one have no function to blame.
        self.lookups = Breaker(ceiling=half, allowed=half)
        #: Functions whose POSTs met trouble since the last POST of any that did not.
        self._suspects: set[int] = set()
        #: Functions that had trouble since their last success.
        self._troubled: set[int] = set()

    def permits(self, function: int, now: float, *, alone: bool) -> bool:
        """Tell whether one more attempt of *function* may begin, as far as that function is concerned.

        Args:
            function: The function.
            now: The time.
            alone: No calls of other functions wait, so that half of the workers are enough.
        """
        breaker = self._functions[function]
        return breaker.permits(now) and not (alone and breaker.under_way >= self._half)

    def began(self, function: int) -> None:
        """Note that an attempt began."""
        self.project.began()
        self._functions[function].began()

    def done(self, function: int) -> None:
        """Note that an attempt is over."""
        self.project.done()
        self._functions[function].done()

    def way_failed(self, error: AiocdfError, now: float, began_at: float, *, jitter: float) -> None:
        """Note trouble on the way to the service: sign-in, network, sessions. It started no call."""
        self.project.failed(error, now, began_at, in_doubt=False, jitter=jitter)

    def post_failed(
        self, function: int, error: AiocdfError, now: float, began_at: float, *, in_doubt: bool, jitter: float
    ) -> None:
        """Note trouble of a POST: its function's, and the project's if others have it and none succeeds."""
        self._suspects.add(function)
        breaker = self._functions[function]
        again = breaker.since is not None
        breaker.failed(error, now, began_at, in_doubt=in_doubt, jitter=jitter)
        if breaker.since is not None:
            self._troubled.add(function)
        if again:  # what is under way may fail, too: little more begins before something succeeds
            self.project.allowed = min(self.project.allowed, self._few)
        if len(self._suspects) > 1:
            self.project.failed(error, now, began_at, in_doubt=in_doubt, jitter=jitter)

    def post_answered(self, function: int, now: float, began_at: float) -> None:
        """Note that the service took or refused a POST for reasons of the call's own."""
        if self.project.state == "open":
            for suspect in self._suspects:
                self._functions[suspect].probe_soon(now)
        self._suspects.clear()
        self.project.succeeded(began_at)
        self._functions[function].succeeded(began_at)
        if self._functions[function].since is None:
            self._troubled.discard(function)

    def breaker(self, function: int) -> Breaker:
        """Return the breaker of *function*."""
        return self._functions[function]

    def reason(self, function: int | None, now: float) -> str | None:
        """Say why the calls of *function* wait, or with None those that wait for a look-up; None if no trouble is known."""
        own = self.lookups if function is None else self._functions.get(function)
        for breaker in (self.project, own):
            if breaker is not None and breaker.since is not None:
                return f"paused for {now - breaker.since:.0f} s: {breaker.error}"
        return None

    def opens_at(self, now: float) -> float | None:
        """Return when the next probe of a function may begin."""
        times = (self._functions[function].opens_at() for function in self._troubled)
        return min((time for time in times if time is not None and time > now), default=None)

    def pauses(self) -> Iterator[tuple[str, int | None, Breaker]]:
        """Give the breakers that met trouble last, in words, and with their functions."""
        for function, breaker in self.troubles():
            yield "submissions" if function is None else "function", function, breaker
        if self.lookups.since is not None:
            yield "look-ups", None, self.lookups

    def troubles(self) -> Iterator[tuple[int | None, Breaker]]:
        """Give the breakers that are not closed, with their functions; None is for the project's."""
        if self.project.since is not None:
            yield None, self.project
        for function in self._troubled:
            yield function, self._functions[function]
