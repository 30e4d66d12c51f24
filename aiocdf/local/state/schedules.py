"""The stored form of schedules."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Schedule"]


@attrs.frozen(kw_only=True)
class Schedule:
    """A schedule. Times are in epoch milliseconds.

    Args:
        id: The id of the schedule.
        created_time: When it was created.
        name: The name; not unique.
        cron_expression: When it calls its function: five fields, in UTC.
        when: An English explanation of the cron expression.
        function_id: The id of the function that it calls.
        session_id: The id of the session of its calls.
        description: A description for readers.
        function_external_id: The external id of the function, if the schedule was created with it.
        data: The `data` of its calls; None if it was created without.
        last_scheduled: The last due time for which it started a call; None before the first.
    """

    id: int
    created_time: int
    name: str
    cron_expression: str
    when: str
    function_id: int
    session_id: int
    description: str | None = None
    function_external_id: str | None = None
    data: Mapping[str, Any] | None = None
    last_scheduled: int | None = None
