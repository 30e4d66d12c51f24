"""One run of a function: what it is given, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.secret import Secret

__all__ = ["Invocation", "Outcome"]


@attrs.frozen(kw_only=True)
class Invocation:
    """One call of a function, as its process gets it.

    Args:
        call_id: The call's id.
        function_id: The function's id.
        data: What `handle` gets as `data`; JSON values only.
        base_url: Where a `client` inside the function finds the service.
        project: The project that `client` works in.
        token: The access token of the call's session.
        schedule_id: The schedule that started the call, if one did.
        scheduled_time: The time it was scheduled for, in epoch milliseconds.
    """

    call_id: int
    function_id: int
    data: Mapping[str, Any]
    base_url: str
    project: str
    token: Secret
    schedule_id: int | None = None
    scheduled_time: int | None = None

    @property
    def info(self) -> dict[str, int]:
        """What `handle` gets as `function_call_info`: ids as integers, the schedule's only in scheduled calls."""
        info = {"function_id": self.function_id, "call_id": self.call_id}
        if self.schedule_id is not None:
            info["schedule_id"] = self.schedule_id
        if self.scheduled_time is not None:
            info["scheduled_time"] = self.scheduled_time
        return info


@attrs.frozen(kw_only=True)
class Outcome:
    """How a call ended.

    Args:
        status: The call's last status.
        response: What the function returned, as JSON text; None when it returned None or did not complete.
        message: What went wrong, in a sentence.
        trace: The function's own traceback, if it raised.
    """

    status: Literal["Completed", "Failed", "Timeout"]
    response: bytes | None = None
    message: str | None = None
    trace: str | None = None
