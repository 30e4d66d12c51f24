"""Calls of functions, as the service describes them (API: Function calls)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from aiocdf.models.functions import FunctionError
from aiocdf.models.html import HtmlTable
from aiocdf.models.open_enum import OpenEnum

__all__ = ["CallStatus", "FunctionCall", "LogEntry"]


class CallStatus(OpenEnum):
    """The status of a call. A call that waits for a machine has the status `Running`."""

    Running = "Running"
    Completed = "Completed"
    Failed = "Failed"
    Timeout = "Timeout"


@attrs.frozen(kw_only=True)
class FunctionCall(HtmlTable):
    """One call, as the service last described it."""

    id: int
    function_id: int
    status: CallStatus
    start_time: datetime
    end_time: datetime | None = None
    #: What the function raised, if it failed. The service sends an object or a plain string; both are read as this type.
    error: FunctionError | None = None
    schedule_id: int | None = None
    scheduled_time: datetime | None = None
    #: Fields that this version of aiocdf does not know, unchanged.
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)

    @property
    def ended(self) -> bool:
        """Return whether the call has ended. With an unknown status, it has ended once it has an end time."""
        if self.status.known:
            return self.status is not CallStatus.Running
        return self.end_time is not None

    @property
    def runtime(self) -> float | None:
        """Seconds from start to end by the service's clock; None while the call runs or if its end time is unknown."""
        if self.end_time is None or not self.ended:
            return None
        return (self.end_time - self.start_time).total_seconds()


@attrs.frozen(kw_only=True)
class LogEntry(HtmlTable):
    """One line that a call printed to its log."""

    message: str = ""
    timestamp: datetime | None = None
