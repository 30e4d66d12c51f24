"""Cron expressions: checks them before they are sent, and computes their times."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from aiocdf._wire.arguments import check_text
from aiocdf.errors import ConfigError, InvalidArgument

__all__ = ["check_cron", "next_times"]

_LONGEST = 1024
_FIELDS = "minute, hour, day of the month, month, day of the week"


def check_cron(expression: object) -> str:
    """Return *expression* if it is a valid cron expression; without cronsim, only the number of fields is checked.

    Raises:
        InvalidType: It is not text.
        InvalidArgument: It is not valid; the message has the reason.
    """
    text = check_text(expression, "cron", longest=_LONGEST)
    if len(text.split()) != 5:
        raise InvalidArgument(f"cron is {text!r}; it must have five fields: {_FIELDS}")
    try:
        from cronsim import CronSim, CronSimError  # an extra
    except ModuleNotFoundError:
        return text
    try:
        CronSim(text, datetime(2000, 1, 1, tzinfo=UTC))
    except CronSimError as error:
        raise InvalidArgument(f"cron is {text!r}; it is not a valid cron expression: {error}") from None
    return text


def next_times(expression: str, after: datetime, count: int) -> list[datetime]:
    """Return the next times of an expression.

    Args:
        expression: A cron expression.
        after: The time to begin after, with a time zone.
        count: The number of times.

    Raises:
        ConfigError: cronsim is not installed.
        InvalidArgument: The expression is not valid.
    """
    try:
        from cronsim import CronSim  # an extra
    except ModuleNotFoundError:
        raise ConfigError("run times need one more package: pip install 'aiocdf[deploy]'") from None
    return list(islice(CronSim(check_cron(expression), after), count))
