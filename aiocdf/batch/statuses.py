"""Where an input stands, as the journal and the results have it."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["ENDED", "RETRIED_AS_FAILED", "InputStatus"]


class InputStatus(StrEnum):
    """Where an input stands. The journal does not have those that were not submitted yet."""

    #: Its POST may have been sent, and nothing is known of the answer.
    Submitting = "Submitting"
    #: The service has accepted the call.
    Running = "Running"
    Completed = "Completed"
    #: The function raised.
    Failed = "Failed"
    #: The service stopped the call at its time limit.
    Timeout = "Timeout"
    #: The call was accepted, and its end or its response could not be read. The next run attaches to it again.
    Lost = "Lost"
    #: The service refused this call: it was not started.
    Refused = "Refused"
    #: The call may or may not have been started.
    Uncertain = "Uncertain"
    #: The line is not a valid input.
    Invalid = "Invalid"


#: The statuses with a result.
ENDED = frozenset(InputStatus) - {InputStatus.Submitting, InputStatus.Running}

#: What `retry_failed` submits again: none of them runs any more.
RETRIED_AS_FAILED = frozenset({InputStatus.Failed, InputStatus.Timeout, InputStatus.Refused})
