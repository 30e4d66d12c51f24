"""One run of a function: its input and its outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf.secret import Secret

__all__ = ["Invocation", "Outcome"]


@attrs.frozen(kw_only=True)
class Invocation:
    """The input of one call of a function.

    Args:
        call_id: The call's id.
        function_id: The function's id.
        data: The `data` argument of `handle`; JSON values only.
        base_url: The URL of the service for `client` in the function.
        project: The project for `client`.
        token: The access token of the call's session.
        schedule_id: The id of the schedule that started the call; None for other calls.
        scheduled_time: When the schedule was due, in epoch milliseconds; None for other calls.
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
        """The `function_call_info` argument of `handle`: ids as integers; the schedule's only if a schedule called."""
        info = {"function_id": self.function_id, "call_id": self.call_id}
        if self.schedule_id is not None:
            info["schedule_id"] = self.schedule_id
        if self.scheduled_time is not None:
            info["scheduled_time"] = self.scheduled_time
        return info


@attrs.frozen(kw_only=True)
class Outcome:
    """The outcome of a call.

    Args:
        status: The final status of the call.
        response: The function's return value as JSON; None if it returned None or did not complete.
        message: Why the call failed; None if it completed.
        trace: The function's traceback; None if the function did not raise.
    """

    status: Literal["Completed", "Failed", "Timeout"]
    response: bytes | None = None
    message: str | None = None
    trace: str | None = None
