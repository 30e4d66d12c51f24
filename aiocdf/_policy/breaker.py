"""The circuit breaker: trouble pauses the calls that share its cause, one call probes, and success reopens gradually.

Trouble is an error that is not the fault of the call: no token, no connection, 5xx, a hang, no session. Calls that
would meet the same trouble wait in the queue. This is the Circuit Breaker of Nygard's *Release It!*, with a slow start
instead of the half-open state: a service that recovers does not get all waiting calls at once.

Each function has a breaker, and so has the project. Trouble before the POST (sign-in, network, sessions) counts for the
project. A failed POST counts for its function. It counts for the project too when the POSTs of several functions fail
and none succeeds.
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

# How many failures in a row open the breaker: so many that chance alone, at the recent fault rate, causes them with a
# probability below _CHANCE; between _LEAST and _MOST.
_CHANCE, _LEAST, _MOST = 1e-6, 3, 12
# The weight of one attempt in the fault rate.
_WEIGHT = 0.03
# The gap between probes is _PART of the time since the trouble began, between these seconds. After a POST in doubt, each
# probe may cost a call; elsewhere it costs nothing.
_PART, _PROBES, _PROBES_IN_DOUBT = 0.2, (1.0, 1.5), (2.0, 30.0)
# The longest pause in seconds that the service can request.
_LONGEST_ASKED = 3600.0
# The breakers of this many functions are kept.
_FUNCTIONS = 1000


@attrs.define(kw_only=True, eq=False)
class Breaker:
    """Limits the attempts under way that share one cause of trouble.

    Args:
        ceiling: Attempts that may be under way when all is well.
        allowed: Attempts that may be under way now.
    """

    ceiling: int
    allowed: int
    under_way: int = 0
    _failures: int = 0
    #: The fraction of recent attempts that failed outside of outages.
    _faults: float = 0.0
    #: When attempts were last stopped; the outcome of an attempt that began before does not count.
    _opened_at: float = -math.inf
    #: When a probe may begin; None unless the breaker is open.
    _probe_at: float | None = None
    #: When the trouble began: at the first failure after the last success.
    since: float | None = None
    #: The last trouble, while it lasts.
    error: AiocdfError | None = None

    @property
    def state(self) -> str:
        """The state: `closed` in normal operation, `open` while only probes pass, `reopening` in between."""
        if self._probe_at is not None:
            return "open"
        return "closed" if self.allowed >= self.ceiling else "reopening"

    @property
    def idle(self) -> bool:
        """Return whether this breaker can be dropped."""
        return not self.under_way and not self._failures and self._probe_at is None

    def permits(self, now: float) -> bool:
        """Return whether one more attempt may begin."""
        if self._probe_at is not None:
            return now >= self._probe_at and self.under_way == 0
        return self.under_way == 0 or (self.under_way < self.allowed and not self._suspicious())

    def opens_at(self) -> float | None:
        """Return when the next probe may begin; None if the end of an attempt decides."""
        return None if self.under_way else self._probe_at

    def began(self) -> None:
        """Record that an attempt began."""
        self.under_way += 1

    def done(self) -> None:
        """Record that an attempt is over; `succeeded` or `failed` records its outcome."""
        self.under_way -= 1

    def succeeded(self, began_at: float) -> None:
        """Record that the service answered an attempt without trouble."""
        if began_at < self._opened_at:
            return
        if self._probe_at is None:
            self._note(self._failures)
        self._failures, self.since, self.error, self._probe_at = 0, None, None, None
        self.allowed = min(self.allowed + 1, self.ceiling)

    def failed(self, error: AiocdfError, now: float, began_at: float, *, in_doubt: bool, jitter: float) -> None:
        """Record that an attempt met trouble.

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
        # Attempts under way that began earlier may still succeed: a failure is often faster than a success.
        outage = self._suspicious() and self.under_way <= 1
        if not outage and self._probe_at is None and asked is None:
            return
        first, longest = _PROBES_IN_DOUBT if in_doubt else _PROBES
        gap = min(max(first, _PART * (now - self.since)), longest) * jitter
        self.pause(error, now, max(gap, min(asked or 0.0, _LONGEST_ASKED)))

    def pause(self, error: AiocdfError, now: float, seconds: float) -> None:
        """Let nothing begin for *seconds*, and then one probe."""
        self.since, self.error = now if self.since is None else self.since, error
        self._opened_at, self._probe_at, self.allowed = now, now + seconds, 1

    def _note(self, failures: int) -> None:
        """Update the fault rate with a success and the failures right before it."""
        self._faults = 1.0 - (1.0 - self._faults) * (1.0 - _WEIGHT) ** failures
        self._faults *= 1.0 - _WEIGHT

    def _suspicious(self) -> bool:
        """Return whether more attempts in a row failed than chance explains."""
        by_chance = math.log(_CHANCE) / math.log(self._faults) if self._faults > 0.0 else 0.0
        return self._failures >= min(max(_LEAST, by_chance), _MOST)

    def probe_soon(self, now: float) -> None:
        """Let a probe begin now: the trouble had another cause, which has ended."""
        if self._probe_at is not None:
            self._probe_at = min(self._probe_at, now)


class Breakers:
    """The breakers of the project and of its functions.

    Args:
        workers: How many attempts may be under way in all. A function gets most of them, and half before its first
            success: a function in trouble leaves room for others. The project gets three quarters before its first
            success, so that a client that starts during an outage risks fewer calls.
    """

    def __init__(self, workers: int) -> None:
        self._half = half = max(1, workers // 2)
        most = max(1, workers * 4 // 5)
        self._few = max(1, workers // 4)
        self.project = Breaker(ceiling=max(1, workers * 9 // 10), allowed=max(1, workers * 3 // 4))
        self._functions: Recent[int, Breaker] = Recent(
            lambda: Breaker(ceiling=most, allowed=half), most=_FUNCTIONS, idle=lambda breaker: breaker.idle
        )
        #: For look-ups of functions: calls that wait for one have no function id yet.
        self.lookups = Breaker(ceiling=half, allowed=half)
        #: Functions whose POSTs failed since the last successful POST of any function.
        self._suspects: set[int] = set()
        #: Functions that had trouble since their last success.
        self._troubled: set[int] = set()

    def permits(self, function: int, now: float, *, alone: bool) -> bool:
        """Return whether the breaker of *function* lets one more attempt begin.

        Args:
            function: The function.
            now: The time.
            alone: No calls of other functions wait, so half of the workers are enough.
        """
        breaker = self._functions[function]
        return breaker.permits(now) and not (alone and breaker.under_way >= self._half)

    def began(self, function: int) -> None:
        """Record that an attempt began."""
        self.project.began()
        self._functions[function].began()

    def done(self, function: int) -> None:
        """Record that an attempt is over."""
        self.project.done()
        self._functions[function].done()

    def way_failed(self, error: AiocdfError, now: float, began_at: float, *, jitter: float) -> None:
        """Record trouble before the POST: sign-in, network, sessions. It did not start a call."""
        self.project.failed(error, now, began_at, in_doubt=False, jitter=jitter)

    def post_failed(
        self, function: int, error: AiocdfError, now: float, began_at: float, *, in_doubt: bool, jitter: float
    ) -> None:
        """Record a failed POST: for its function, and for the project if POSTs of others fail and none succeeds."""
        self._suspects.add(function)
        breaker = self._functions[function]
        again = breaker.since is not None
        breaker.failed(error, now, began_at, in_doubt=in_doubt, jitter=jitter)
        if breaker.since is not None:
            self._troubled.add(function)
        if again:  # attempts under way may fail, too: few more begin before one succeeds
            self.project.allowed = min(self.project.allowed, self._few)
        if len(self._suspects) > 1:
            self.project.failed(error, now, began_at, in_doubt=in_doubt, jitter=jitter)

    def post_answered(self, function: int, now: float, began_at: float) -> None:
        """Record that the service accepted a POST, or refused it because of the call itself."""
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
        """Return why the calls of *function* wait, or None without trouble.

        Args:
            function: The function; None for calls that wait for a look-up.
            now: The time.
        """
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
        """Yield the breakers that are in trouble, each with what it pauses and its function."""
        for function, breaker in self.troubles():
            yield "submissions" if function is None else "function", function, breaker
        if self.lookups.since is not None:
            yield "look-ups", None, self.lookups

    def troubles(self) -> Iterator[tuple[int | None, Breaker]]:
        """Yield the breakers that are not closed, each with its function; None for the project."""
        if self.project.since is not None:
            yield None, self.project
        for function in self._troubled:
            yield function, self._functions[function]
