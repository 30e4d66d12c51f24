"""Counts the calls by state, and the ended ones by outcome; observers get an event for each move."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from aiocdf._policy.lifecycle import Ended, Event, Queued, Recovering, Resolving, Running, State, Submitting
from aiocdf.telemetry import CallMoved

if TYPE_CHECKING:
    from aiocdf._engine.records import CallRecord
    from aiocdf._policy.lifecycle import Live
    from aiocdf.telemetry.observers import Observers

__all__ = ["Ledger"]

# The names of states, as the counts of `Stats` are named.
_WORDS: dict[type[State], str] = {
    Resolving: "waiting",
    Queued: "waiting",
    Submitting: "submitting",
    Recovering: "recovering",
    Running: "running",
}


class Ledger:
    """Counts calls by state and by outcome.

    Args:
        emit: Receives an event for each move.
    """

    def __init__(self, emit: Observers) -> None:
        self._emit = emit
        #: Calls that have not ended, in the order of their creation.
        self.open: dict[int, CallRecord] = {}
        self._made = 0
        self._in: Counter[type[State]] = Counter()
        self._by: Counter[Event] = Counter()
        self._lags = 0
        self._lag_sum = 0.0

    def number(self) -> int:
        """Return the number of the next call."""
        self._made += 1
        return self._made

    def opened(self, record: CallRecord, state: Live) -> None:
        """Count a new call."""
        self.open[record.number] = record
        self._in[type(state)] += 1

    def moved(self, record: CallRecord, before: State, now: State) -> None:
        """Count a call's move from one state to the next."""
        self._in[type(before)] -= 1
        if isinstance(now, Ended):
            self._by[now.event] += 1
            del self.open[record.number]
        else:
            self._in[type(now)] += 1
        if self._emit.listening:
            self._report(record, before, now)

    def _report(self, record: CallRecord, before: State, now: State) -> None:
        """Send observers an event for a move, if it changes a count."""
        error = now.error if isinstance(now, Ended) else None
        left, came = _word(before), _word(now)
        if left != came:
            moved = CallMoved(number=record.number, function=record.function, before=left, now=came, error=error)
            self._emit(moved)

    def lagged(self, seconds: float) -> None:
        """Record how late an end was seen."""
        self._lags, self._lag_sum = self._lags + 1, self._lag_sum + seconds

    @property
    def detection_lag(self) -> float | None:
        """The average delay in seconds until an end was seen; None until one was seen."""
        return self._lag_sum / self._lags if self._lags else None

    def counts(self) -> dict[str, int]:
        """Return the counts by their names in `Stats`."""
        by = self._by
        return {
            "made": self._made - by[Event.MERGED],
            "waiting": self._in[Resolving] + self._in[Queued],
            "submitting": self._in[Submitting],
            "recovering": self._in[Recovering],
            "running": self._in[Running],
            "completed": by[Event.COMPLETED],
            "failed": by[Event.FAILED],
            "timed_out": by[Event.TIMED_OUT],
            "lost": by[Event.LOST],
            "uncertain": by[Event.UNCERTAIN],
            "refused": by[Event.REFUSED],
            "cancelled": by[Event.CANCELLED] + by[Event.CLOSED],
            "withdrawn": by[Event.WITHDRAWN],
        }


def _word(state: State) -> str:
    """Return the state of a call, or how it ended."""
    if not isinstance(state, Ended):
        return _WORDS[type(state)]
    return "cancelled" if state.event is Event.CLOSED else state.event.name.lower()
