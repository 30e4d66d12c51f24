"""Cron expressions of five fields: the times they mean, in UTC."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cronsim import CronSim

__all__ = ["explain", "next_time"]


def next_time(expression: str, after: int) -> int | None:
    """Return the first time after *after*, both in epoch milliseconds; None if there is none within many years.

    Raises:
        ValueError: The expression is not a cron expression of five fields.
    """
    found = next(_simulation(expression, datetime.fromtimestamp(after / 1000, UTC)), None)
    return None if found is None else int(found.timestamp()) * 1000


def explain(expression: str) -> str:
    """Return an English explanation of an expression, such as "Every hour".

    Raises:
        ValueError: The expression is not a cron expression of five fields.
    """
    return _simulation(expression, datetime.fromtimestamp(0, UTC)).explain()


def _simulation(expression: str, after: datetime) -> CronSim:
    if len(expression.split()) != 5:
        raise ValueError("use five fields: minute, hour, day of the month, month, day of the week")
    try:
        from cronsim import CronSim, CronSimError
    except ModuleNotFoundError:
        raise ValueError(
            "schedules need another package: run pip install 'aiocdf[local]' where the server runs"
        ) from None
    try:
        return CronSim(expression, after)
    except CronSimError as error:
        raise ValueError(str(error)) from None
