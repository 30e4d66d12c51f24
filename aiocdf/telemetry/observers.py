"""The observers of one client, and counts of its requests."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import attrs

from aiocdf.telemetry.events import RequestDone

if TYPE_CHECKING:
    from aiocdf.telemetry.events import Event, Observer

__all__ = ["Observers", "Tally"]

_log = logging.getLogger("aiocdf.client")

_TOO_MANY_REQUESTS = 429


@attrs.define
class Tally:
    """Counts of requests."""

    requests: int = 0
    retries: int = 0
    #: Answers with status 429.
    throttled: int = 0

    def count(self, event: Event) -> None:
        """Add the counts of an event."""
        if isinstance(event, RequestDone):
            self.requests += 1
            self.retries += event.attempt > 1
            self.throttled += event.status == _TOO_MANY_REQUESTS


@attrs.define(eq=False)
class Observers:
    """Passes each event on to all observers, and counts requests."""

    _observers: tuple[Observer, ...] = ()
    tally: Tally = attrs.field(factory=Tally, init=False)
    #: Whether there are observers. If not, events do not have to be created.
    listening: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Record whether there are observers: reading a field is faster than a property."""
        self.listening = bool(self._observers)

    def __call__(self, event: Event) -> None:
        """Count the event, and pass it to the observers. An exception of an observer is logged; calls continue."""
        self.tally.count(event)
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # noqa: BLE001 - no exception of an observer may stop calls
                name = type(event).__name__
                _log.exception("observer %r failed on %s", observer, name, extra={"event": "observer_failed"})
