"""The events of a client, as plain values.

Events of one call have the same `number`: the client counts its calls from 1.
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
    """A call waits for a free place at the service; the first event of a call that the client makes."""

    number: int
    function: int | str


@attrs.frozen(kw_only=True)
class CallAttached:
    """A call that was started elsewhere is followed; its first event."""

    number: int
    function: int | str
    call_id: int


@attrs.frozen(kw_only=True)
class CallMoved:
    """A call went from one state to the next, or ended.

    The words are those of the counts in `Stats`: `waiting`, `submitting`, `recovering` and `running`; then `completed`,
    `failed`, `timed_out`, `lost`, `uncertain`, `refused`, `cancelled` or `withdrawn`, after which nothing more is told of
    the call. `merged` is also an end: the call turned out to be one that another number stands for.
    """

    number: int
    function: int | str
    before: str
    now: str
    #: Why the call ends, where its end was not seen at the service.
    error: Exception | None = None

    @property
    def ended(self) -> bool:
        """Tell whether this is the last move."""
        return self.now not in {"waiting", "submitting", "recovering", "running"}


@attrs.frozen(kw_only=True)
class CallPosted:
    """The POST that starts a call is sent; once more for each attempt."""

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
    #: Seconds from the end at the service to our seeing it, as well as the two clocks can be compared.
    lag: float | None


@attrs.frozen(kw_only=True)
class CallsThrottled:
    """The service turned a call away with 429; it stays queued."""

    number: int
    function_id: int
    cause: str


@attrs.frozen(kw_only=True)
class CallsPaused:
    """Trouble opened a circuit breaker: calls wait, while one at a time tries."""

    #: `function`, `submissions` of the whole project, or `look-ups` of functions.
    what: str
    #: The function that is paused, where it is one.
    function_id: int | None
    #: The last error.
    reason: str


@attrs.frozen(kw_only=True)
class CallsResumed:
    """The trouble is over: calls start again."""

    what: str
    function_id: int | None
    #: Seconds since `CallsPaused`.
    seconds: float


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
