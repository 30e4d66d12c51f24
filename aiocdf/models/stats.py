"""What a client has done so far, in numbers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Stats"]


@attrs.frozen(kw_only=True)
class Stats:
    """Counts of one client since it started, and where its calls stand now."""

    #: Calls waiting for a free place at the service.
    queued: int = 0
    #: Calls whose POST is under way.
    submitting: int = 0
    #: Calls that run at the service and are polled.
    running: int = 0
    #: Calls whose end was seen.
    ended: int = 0
    #: HTTP requests to the service, tried again or not.
    requests: int = 0
    retries: int = 0
    #: Answers with status 429.
    throttled: int = 0
    #: Status requests; each may ask for many calls.
    polls: int = 0
    #: How many calls may run at once now: in the project, and in each function that was called.
    project_window: int = 0
    function_windows: Mapping[int, int] = attrs.field(factory=dict)
    #: Why calls were turned away last, if they were.
    throttle_cause: str | None = None
    #: Seconds between a call's end at the service and our seeing it, on average; None until one was seen.
    detection_lag: float | None = None
