"""Schedules of a function that is replaced: the service deletes them with the function."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf.models.kept_schedule import KeptSchedule

if TYPE_CHECKING:
    from aiocdf.models.functions import Function
    from aiocdf.models.schedules import FunctionSchedule
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
        return [await self._kept(schedule) async for schedule in self._schedules.list(function=function)]

    async def create(self, schedule: KeptSchedule, function: Function) -> None:
        """Create a schedule for a function, which must be `Ready`."""
        await self._schedules.create(
            schedule.name,
            schedule.cron,
            function=function,
            data=schedule.data or None,
            description=schedule.description,
        )

    async def _kept(self, schedule: FunctionSchedule) -> KeptSchedule:
        return KeptSchedule(
            name=schedule.name,
            cron=schedule.cron_expression,
            description=schedule.description,
            data=await self._schedules.input_data(schedule.id),
        )
