"""The state machine of a call: its states, their fields, and the events that move it.

A call made by `client.call` goes from Resolving through Queued and Submitting to Running, and ends. A call whose POST
got no usable answer goes through Recovering. A call made by `client.attach` goes from Resolving to Running. The rules:

- `TABLE` has all moves. An event without a row for the current state is a bug, and `after` raises.
- Each state has only the fields that are known in it, so a running call always has its id.
- Doubt is sticky. If a POST may have started the call, the call never ends as withdrawn or refused, whatever later
  attempts bring. It ends as uncertain, unless a later attempt starts it or recovery finds out what the POST did.

The form follows h11's `_state.py`: a table that can be read, tested and drawn.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.errors import AiocdfError
    from aiocdf.models.calls import FunctionCall

__all__ = [
    "ENDINGS",
    "TABLE",
    "Ended",
    "Event",
    "Live",
    "Queued",
    "Recovering",
    "Resolving",
    "Running",
    "State",
    "Submitting",
    "after",
    "prospect",
    "status",
]


@attrs.frozen
class Resolving:
    """The function's id is being looked up."""

    #: The id of a call that was started elsewhere; None for a new call.
    call_id: int | None = None


@attrs.frozen
class Queued:
    """The call waits until it may start."""

    function_id: int
    #: How many POSTs so far may have started it or had their nonce refused.
    attempts: int = 0
    #: Why an earlier POST may have started the call; None if no POST can have.
    doubt: AiocdfError | None = None


@attrs.frozen
class Submitting:
    """A worker gets a nonce for the call and sends its POST."""

    function_id: int
    attempts: int = 0
    doubt: AiocdfError | None = None


@attrs.frozen
class Recovering:
    """A POST may have started the call, and recovery finds out whether it did."""

    function_id: int
    attempts: int
    doubt: AiocdfError


@attrs.frozen
class Running:
    """The call runs on the service, as far as the client knows, and is polled."""

    function_id: int
    call_id: int
    #: When it started, by this client's clock. For an attached call: when it was attached, until a poll shows its start.
    since: float
    #: As the service accepted it, and as the latest answer describes it; None until a poll finds an attached call.
    accepted: FunctionCall | None = None
    call: FunctionCall | None = None


@attrs.frozen
class Ended:
    """The call is over for this client."""

    #: The state before.
    last: Resolving | Queued | Submitting | Recovering | Running
    #: How it ended.
    event: Event
    #: When, by this client's clock.
    at: float
    #: Why the end of the call is unknown; None if it is known.
    error: AiocdfError | None = None


Live = Resolving | Queued | Submitting | Recovering | Running
State = Live | Ended


class Event(StrEnum):
    """What moves a call from one state to the next."""

    RESOLVED = "id found"
    ATTACHED = "id found, call started elsewhere"
    MOVED = "function has a new id"
    ADMITTED = "may start"
    REQUEUED = "not started, or in doubt and safe to repeat"
    ACCEPTED = "service accepted it"
    DOUBTED = "in doubt"
    CLEARED = "not started"
    FOUND = "found at the service"
    SEEN = "poll describes it"
    RETRIED = "ended, and is repeated"
    COMPLETED = "completed"
    FAILED = "failed"
    TIMED_OUT = "timed out at the service"
    LOST = "given up"
    UNCERTAIN = "may have started"
    REFUSED = "cannot start"
    WITHDRAWN = "cancelled before a POST"
    CANCELLED = "cancelled during a POST that did not start it"
    MERGED = "same call as another"
    CLOSED = "client closed"


_FINISHES = (Event.COMPLETED, Event.FAILED, Event.TIMED_OUT)

_BY_STATE: dict[type[State], dict[type[State], tuple[Event, ...]]] = {
    Resolving: {
        Queued: (Event.RESOLVED,),
        Running: (Event.ATTACHED,),
        Ended: (Event.REFUSED, Event.WITHDRAWN, Event.MERGED, Event.CLOSED),
    },
    Queued: {
        Submitting: (Event.ADMITTED,),
        Queued: (Event.MOVED,),
        Ended: (Event.REFUSED, Event.UNCERTAIN, Event.WITHDRAWN, Event.CLOSED),
    },
    Submitting: {
        Running: (Event.ACCEPTED,),
        Queued: (Event.REQUEUED,),
        Recovering: (Event.DOUBTED,),
        Ended: (Event.REFUSED, Event.UNCERTAIN, Event.CANCELLED, Event.WITHDRAWN, Event.CLOSED),
    },
    Recovering: {
        Running: (Event.FOUND,),
        Queued: (Event.CLEARED,),
        Ended: (Event.REFUSED, Event.UNCERTAIN),
    },
    Running: {
        Running: (Event.SEEN,),
        Queued: (Event.RETRIED,),
        Ended: (*_FINISHES, Event.LOST, Event.MERGED, Event.CLOSED),
    },
    Ended: {},
}

#: All moves: (state, event) to the next state.
TABLE: Mapping[tuple[type[State], Event], type[State]] = {
    (before, event): to for before, moves in _BY_STATE.items() for to, events in moves.items() for event in events
}

#: The events that end a call.
ENDINGS = frozenset(event for (_, event), to in TABLE.items() if to is Ended)

_NEVER_IN_DOUBT = (Event.REFUSED, Event.WITHDRAWN, Event.CANCELLED)


def after(state: State, event: Event) -> type[State]:
    """Return the state that follows *state* by *event*.

    Raises:
        LookupError: The table has no such move: the caller has a bug.
    """
    doubtful = isinstance(state, Queued | Submitting) and state.doubt is not None
    if doubtful and event in _NEVER_IN_DOUBT:
        raise LookupError(f"a call that may have started cannot end as {event.name}")
    to = TABLE.get((type(state), event))
    if to is None:
        raise LookupError(f"{event.name} does not happen to a call that is {type(state).__name__}")
    return to


def status(state: State) -> str:
    """Return the public status of a call: the service's own status once it is known."""
    match state:
        case Resolving(call_id=None) | Queued():
            return "Queued"
        case Submitting():
            return "Submitting"
        case Recovering():
            return "Recovering"
        case Running(call=call) | Ended(last=Running(call=call)) if call is not None:
            return str(call.status)
        case _:
            return "Unknown"


def prospect(state: State) -> str:
    """Return a sentence on what happens to a call when the client stops tracking it."""
    match state:
        case Running():
            return "It continues on the service; attach to its ref."
        case Resolving(call_id=int()):
            return "It continues on the service."
        case Resolving() | Queued(doubt=None):
            return "It never started."
        case _:
            return "It may have started."
