"""The events of a client as plain values.

All events of one call have the same `number`. The client numbers its calls from 1.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

__all__ = [
    "CallAccepted",
    "CallAttached",
    "CallEnded",
    "CallMoved",
    "CallPosted",
    "CallQueued",
    "CallsPaused",
    "CallsPolled",
    "CallsResumed",
    "CallsThrottled",
    "Event",
    "Observer",
    "RequestDone",
]


@attrs.frozen(kw_only=True)
class CallQueued:
    """A call waits for a free slot at the service. This is the first event of a call that the client makes."""

    number: int
    function: int | str


@attrs.frozen(kw_only=True)
class CallAttached:
    """The client follows a call that was started elsewhere. This is its first event."""

    number: int
    function: int | str
    call_id: int


@attrs.frozen(kw_only=True)
class CallMoved:
    """A call changed its state, or ended.

    The states are named as in `Stats`: `waiting`, `submitting`, `recovering` and `running`; then `completed`,
    `failed`, `timed_out`, `lost`, `uncertain`, `refused`, `cancelled` or `withdrawn`, after which the call has
    no more events. `merged` is also an end: the call turned out to be the same as one with another number.
    """

    number: int
    function: int | str
    before: str
    now: str
    #: Why the call ends, if the client did not see its end at the service.
    error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Return whether the new state is an end."""
        return self.now not in {"waiting", "submitting", "recovering", "running"}


@attrs.frozen(kw_only=True)
class CallPosted:
    """The POST that starts a call is sent. Each attempt has its own event."""

    number: int
    function_id: int


@attrs.frozen(kw_only=True)
class CallAccepted:
    """The service started a call."""

    number: int
    function_id: int
    call_id: int
    #: Seconds from `client.call` to the service's answer.
    waited: float


@attrs.frozen(kw_only=True)
class CallsPolled:
    """A poll of a function's running calls is sent."""

    function_id: int
    call_ids: tuple[int, ...]


@attrs.frozen(kw_only=True)
class CallEnded:
    """The end of a call was seen."""

    number: int
    function_id: int
    call_id: int
    status: str
    #: Seconds from start to end by the service's clock, if it gave both.
    runtime: float | None
    #: Seconds from the end at the service until the client sees it, as exactly as the two clocks can be compared.
    lag: float | None


@attrs.frozen(kw_only=True)
class CallsThrottled:
    """The service rejected a call with 429. The call stays queued."""

    number: int
    function_id: int
    cause: str


@attrs.frozen(kw_only=True)
class CallsPaused:
    """Trouble opened a circuit breaker: calls wait, while one at a time is tried."""

    #: `function`, `submissions` of the whole project, or `look-ups` of functions.
    what: str
    #: The function that is paused; None unless *what* is `function`.
    function_id: int | None
    #: The last error.
    reason: str


@attrs.frozen(kw_only=True)
class CallsResumed:
    """The trouble has ended: calls start again."""

    what: str
    function_id: int | None
    #: Seconds since `CallsPaused`.
    seconds: float


@attrs.frozen(kw_only=True)
class RequestDone:
    """One HTTP attempt has ended."""

    #: What the request does, such as "call function 12".
    name: str
    #: None if there was no answer.
    status: int | None
    #: Counted from 1. More than 1 is a retry.
    attempt: int
    seconds: float


Event = (
    CallQueued
    | CallAttached
    | CallMoved
    | CallPosted
    | CallAccepted
    | CallsPolled
    | CallEnded
    | CallsThrottled
    | CallsPaused
    | CallsResumed
    | RequestDone
)
Observer = Callable[[Event], None]
