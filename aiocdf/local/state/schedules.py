"""Schedules of calls, as the server keeps them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Schedule"]


@attrs.frozen(kw_only=True)
class Schedule:
    """A schedule; times in epoch milliseconds.

    Args:
        id: Its id.
        created_time: When it was created.
        name: Its name; other schedules may have the same.
        cron_expression: When it calls its function, in five fields, in UTC.
        when: The same in words.
        function_id: The function that it calls.
        session_id: The session that its calls run with.
        description: What it is for.
        function_external_id: The external id of the function, if it was created by that.
        data: What its calls get as `data`; None if nothing was given.
        last_scheduled: The latest time for which it has started a call.
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
