"""What a client has done so far, in numbers."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Pause", "Stats"]


@attrs.frozen
class Pause:
    """Trouble that calls wait out: what is paused, since when, and why."""

    #: `function`, `submissions` of the whole project, or `look-ups` of functions.
    what: str
    #: The function that is paused, where it is one.
    function_id: int | None
    #: `open` while at most one call at a time tries; `reopening` or `closed` while it may have been a single fault.
    state: str
    #: Seconds since the trouble began.
    seconds: float
    #: The last error.
    reason: str


@attrs.frozen(kw_only=True)
class Stats:
    """Counts of one client since it started, and where its calls stand now.

    `made` is the sum of `waiting`, `submitting`, `recovering`, `running` and the eight ways in which a call ends.
    """

    #: Calls made or attached to; two that turn out to be the same count once.
    made: int = 0
    #: Calls whose function is looked up, and calls that wait for a free place or for trouble to pass.
    waiting: int = 0
    #: Calls whose POST is prepared or under way.
    submitting: int = 0
    #: Calls whose POST had no usable answer, while it is found out whether they started.
    recovering: int = 0
    #: Calls that run at the service and are polled.
    running: int = 0
    completed: int = 0
    failed: int = 0
    #: Calls that the service stopped at their time limit.
    timed_out: int = 0
    #: Calls that ended with `CallLost`.
    lost: int = 0
    #: Calls that may or may not have started.
    uncertain: int = 0
    #: Calls that could not start.
    refused: int = 0
    #: Calls cancelled during a POST that did not start them, and calls that the client's closing ended.
    cancelled: int = 0
    #: Calls cancelled while they waited; nothing was sent.
    withdrawn: int = 0
    #: HTTP requests to the service, tried again or not.
    requests: int = 0
    retries: int = 0
    #: Answers with status 429.
    throttled: int = 0
    #: Status requests; each may ask for many calls.
    polls: int = 0
    #: Places that count as taken in the project: running calls, and those being submitted or recovered.
    places: int = 0
    #: How many calls may run at once now: in the project, and in each function that was called lately.
    project_window: int = 0
    function_windows: Mapping[int, int] = attrs.field(factory=dict)
    #: Why calls were turned away last, if they were.
    throttle_cause: str | None = None
    #: What is paused by trouble now.
    pauses: tuple[Pause, ...] = ()
    #: Seconds between a call's end at the service and our seeing it, on average; None until one was seen.
    detection_lag: float | None = None

    @property
    def ended(self) -> int:
        """Calls whose end was seen."""
        return self.completed + self.failed + self.timed_out
