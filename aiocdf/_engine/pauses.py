"""The pauses that trouble caused, for users."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf.models.stats import Pause
from aiocdf.telemetry import CallsPaused, CallsResumed

if TYPE_CHECKING:
    from aiocdf._policy.breaker import Breakers
    from aiocdf.telemetry.observers import Observers

__all__ = ["Pauses"]


class Pauses:
    """Lists the pauses, and sends observers an event for each that began or ended since the last look.

    Args:
        breakers: The breakers.
        emit: Receives the events.
    """

    def __init__(self, breakers: Breakers, emit: Observers) -> None:
        self._breakers = breakers
        self._emit = emit
        #: When each pause began.
        self._since: dict[tuple[str, int | None], float] = {}

    def current(self) -> tuple[Pause, ...]:
        """Return the current pauses."""
        now = _clock.monotonic()
        return tuple(
            Pause(what, function, breaker.state, now - (breaker.since or now), str(breaker.error))
            for what, function, breaker in self._breakers.pauses()
        )

    def look(self) -> None:
        """Compare with the last look; without observers, it does nothing."""
        if not self._emit.listening:
            return
        now, troubled = _clock.monotonic(), set[tuple[str, int | None]]()
        for what, function, breaker in list(self._breakers.pauses()):
            troubled.add((what, function))
            if breaker.state == "open" and (what, function) not in self._since:
                self._since[what, function] = now
                self._emit(CallsPaused(what=what, function_id=function, reason=str(breaker.error)))
        for what, function in self._since.keys() - troubled:
            seconds = now - self._since.pop((what, function))
            self._emit(CallsResumed(what=what, function_id=function, seconds=seconds))
