"""Counts of what a client has done so far."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

__all__ = ["Pause", "Stats"]


@attrs.frozen
class Pause:
    """A pause because of trouble: what is paused, since when, and why."""

    #: `function`, `submissions` of the whole project, or `look-ups` of functions.
    what: str
    #: The function that is paused; None unless *what* is `function`.
    function_id: int | None
    #: `open` while at most one call at a time is tried; `reopening` or `closed` while it may have been a single fault.
    state: str
    #: Seconds since the trouble began.
    seconds: float
    #: The last error.
    reason: str


@attrs.frozen(kw_only=True)
class Stats:
    """Counts of one client since it started, and the current states of its calls.

    `made` is the sum of `waiting`, `submitting`, `recovering`, `running` and the eight outcomes of calls.
    """

    #: Calls made or attached to. Two that turn out to be the same call count once.
    made: int = 0
    #: Calls whose function is looked up, and calls that wait for a free slot or for trouble to pass.
    waiting: int = 0
    #: Calls whose POST is prepared or in flight.
    submitting: int = 0
    #: Calls whose POST had no usable answer, while the client finds out whether they started.
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
    #: Calls that did not start.
    refused: int = 0
    #: Calls cancelled during a POST that did not start them, and calls that ended because the client closed.
    cancelled: int = 0
    #: Calls cancelled while they waited; nothing was sent.
    withdrawn: int = 0
    #: HTTP requests to the service, including retries.
    requests: int = 0
    retries: int = 0
    #: Answers with status 429.
    throttled: int = 0
    #: Status requests. One can read the status of many calls.
    polls: int = 0
    #: Slots in use in the project: running calls, and those being submitted or recovered.
    places: int = 0
    #: How many calls may run at once now: in the project, and in each function that was called recently.
    project_window: int = 0
    function_windows: Mapping[int, int] = attrs.field(factory=dict)
    #: Why the service last rejected calls with 429; None if it did not.
    throttle_cause: str | None = None
    #: What is paused now because of trouble.
    pauses: tuple[Pause, ...] = ()
    #: Mean seconds from a call's end at the service until the client sees it; None until the first.
    detection_lag: float | None = None

    @property
    def ended(self) -> int:
        """Calls whose end the client has seen."""
        return self.completed + self.failed + self.timed_out
