"""What a client tells its observers, as plain values.

An observer is any callable that takes one event. It is called on the event loop, so it must be quick.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

__all__ = ["CallAccepted", "CallEnded", "CallQueued", "CallsThrottled", "Event", "Observer", "RequestDone", "Tally"]


@attrs.frozen(kw_only=True)
class CallQueued:
    """A call waits for a free place at the service."""

    function: int | str


@attrs.frozen(kw_only=True)
class CallAccepted:
    """The service started a call."""

    function_id: int
    call_id: int
    #: Seconds from `client.call` to the service's answer.
    waited: float


@attrs.frozen(kw_only=True)
class CallEnded:
    """The end of a call was seen."""

    function_id: int
    call_id: int
    status: str
    #: Seconds from start to end by the service's clock, if it gave both.
    runtime: float | None
    #: Seconds from the end at the service to our seeing it, as well as the two clocks can be compared.
    lag: float | None


@attrs.frozen(kw_only=True)
class CallsThrottled:
    """The service turned a call away with 429; it stays queued."""

    function_id: int
    cause: str


@attrs.frozen(kw_only=True)
class RequestDone:
    """One HTTP attempt is over."""

    #: The request in the service's words, such as "call function 12".
    name: str
    #: None when no answer came.
    status: int | None
    #: Counted from 1; more than 1 is a retry.
    attempt: int
    seconds: float


Event = CallQueued | CallAccepted | CallEnded | CallsThrottled | RequestDone
Observer = Callable[[Event], None]

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
