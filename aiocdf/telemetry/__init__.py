"""What a client tells its observers: events, as plain values, and observers that are ready to use.

An observer is any callable that takes one event. It is called on the event loop, so it must be quick.
"""

from __future__ import annotations

from aiocdf.telemetry.event_log import EventLog
from aiocdf.telemetry.events import (
    CallAccepted,
    CallAttached,
    CallEnded,
    CallMoved,
    CallPosted,
    CallQueued,
    CallsPaused,
    CallsPolled,
    CallsResumed,
    CallsThrottled,
    Event,
    Observer,
    RequestDone,
)

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
    "EventLog",
    "Observer",
    "RequestDone",
]
