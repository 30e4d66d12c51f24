"""Schedules of functions, as the service describes them (API: Function schedules)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from aiocdf.models.html import HtmlTable

__all__ = ["FunctionSchedule"]


@attrs.frozen(kw_only=True)
class FunctionSchedule(HtmlTable):
    """A schedule: the service calls a function at each of its times."""

    id: int
    name: str
    #: Minute, hour, day of the month, month, day of the week; in UTC.
    cron_expression: str
    #: The cron expression as readable text.
    when: str | None = None
    function_id: int | None = None
    function_external_id: str | None = None
    description: str | None = None
    created_time: datetime | None = None
    #: The session that the calls run with.
    session_id: int | None = None
    #: Fields that this version of aiocdf does not know, unchanged.
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
