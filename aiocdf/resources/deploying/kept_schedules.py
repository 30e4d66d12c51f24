"""Schedules of a function that is replaced: the service deletes them with the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._chunks import in_chunks
from aiocdf.models.kept_schedule import KeptSchedule

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from aiocdf.models.functions import Function
    from aiocdf.resources.schedules import Schedules

__all__ = ["KeptSchedules"]


class KeptSchedules:
    """Reads the schedules of a function, and creates them again.

    Args:
        schedules: The resource.
    """

    def __init__(self, schedules: Schedules) -> None:
        self._schedules = schedules

    async def read(self, function: Function) -> list[KeptSchedule]:
        """Return the schedules of a function, with their data."""
        schedules = await self._schedules.list(function=function)
        data = await in_chunks([schedule.id for schedule in schedules], 1, self._data)
        return [
            KeptSchedule(name=each.name, cron=each.cron_expression, description=each.description, data=given)
            for each, given in zip(schedules, data, strict=True)
        ]

    async def create(self, schedule: KeptSchedule, function: Function) -> None:
        """Create a schedule for a function, which must be `Ready`."""
        await self._schedules.create(
            schedule.name,
            schedule.cron,
            function=function,
            data=schedule.data or None,
            description=schedule.description,
        )

    async def _data(self, schedule_ids: Sequence[int]) -> list[dict[str, Any]]:
        return [await self._schedules.input_data(number) for number in schedule_ids]
