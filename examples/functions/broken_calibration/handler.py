"""Fail as real functions do: a bad entry in a table, found a few calls deep, when its transmitter is read."""

from __future__ import annotations

from typing import Any

# Tag: the currents in mA at which the transmitter shows 0 % and 100 %. TT-104 was never filled in.
TRANSMITTERS = {"TT-101": (4.0, 20.0), "TT-102": (4.0, 20.0), "TT-104": (0.0, 0.0)}


class CalibrationError(Exception):
    """A transmitter cannot be read as it is configured."""


def handle(data: dict[str, Any]) -> dict[str, float]:
    """Return the readings in percent; fails for TT-104, which is among the default ones.

    Args:
        data: `currents` in mA of each tag (default all tags at 12 mA).

    Raises:
        ValueError: A tag is unknown.
        CalibrationError: A transmitter's configuration makes no sense.
    """
    currents = data.get("currents", dict.fromkeys(TRANSMITTERS, 12.0))
    if unknown := currents.keys() - TRANSMITTERS.keys():
        raise ValueError(f"unknown tags {sorted(unknown)}: there are {', '.join(TRANSMITTERS)}")
    return {tag: calibrate(tag, current) for tag, current in currents.items()}


def calibrate(tag: str, current: float) -> float:
    """Return what one transmitter shows, in percent."""
    low, high = TRANSMITTERS[tag]
    try:
        return 100 * fraction(current, low, high)
    except ZeroDivisionError as error:
        raise CalibrationError(
            f"{tag} is configured from {low} to {high} mA: enter its span in TRANSMITTERS"
        ) from error


def fraction(value: float, low: float, high: float) -> float:
    """Return where `value` lies between `low` (0.0) and `high` (1.0)."""
    return (value - low) / (high - low)
