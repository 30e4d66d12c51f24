"""Cron expressions, checked before they are sent, and the times that they mean."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice

from aiocdf._wire.arguments import check_text
from aiocdf.errors import ConfigError, InvalidArgument

__all__ = ["check_cron", "next_times"]

_LONGEST = 1024
_FIELDS = "minute, hour, day of the month, month, day of the week"


def check_cron(expression: object) -> str:
    """Return *expression* if it can be a cron expression; without cronsim, only its fields are counted.

    Raises:
        InvalidType: It is not text.
        InvalidArgument: It is not valid; the message says why.
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
    """Return the next times that an expression means.

    Args:
        expression: A cron expression.
        after: An aware time.
        count: Times to return.

    Raises:
        ConfigError: cronsim is not installed.
        InvalidArgument: The expression is not valid.
    """
    try:
        from cronsim import CronSim  # an extra
    except ModuleNotFoundError:
        raise ConfigError("run times need one more package: pip install 'aiocdf[deploy]'") from None
    return list(islice(CronSim(check_cron(expression), after), count))
