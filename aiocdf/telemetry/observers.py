"""The observers of one client, and what is counted of its requests."""

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
        """Add what an event says."""
        if isinstance(event, RequestDone):
            self.requests += 1
            self.retries += event.attempt > 1
            self.throttled += event.status == _TOO_MANY_REQUESTS


@attrs.define(eq=False)
class Observers:
    """Passes each event on to all observers, and counts requests."""

    _observers: tuple[Observer, ...] = ()
    tally: Tally = attrs.field(factory=Tally, init=False)
    #: Whether there are any: without, an event need not be made.
    listening: bool = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        """Note whether anyone listens: a field is looked at faster than a property."""
        self.listening = bool(self._observers)

    def __call__(self, event: Event) -> None:
        """Count, and tell the observers; an exception of theirs is logged, and calls go on."""
        self.tally.count(event)
        for observer in self._observers:
            try:
                observer(event)
            except Exception:  # noqa: BLE001 - whatever it is, calls go on
                name = type(event).__name__
                _log.exception("observer %r failed on %s", observer, name, extra={"event": "observer_failed"})
