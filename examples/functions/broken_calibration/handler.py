"""Fail like a real function: a bad table entry raises an error a few calls deep, when its transmitter is read."""

from __future__ import annotations

from typing import Any

# Tag: the currents in mA at which the transmitter shows 0 % and 100 %. TT-104 was never filled in.
TRANSMITTERS = {"TT-101": (4.0, 20.0), "TT-102": (4.0, 20.0), "TT-104": (0.0, 0.0)}


class CalibrationError(Exception):
    """The configuration of a transmitter is not valid."""


def handle(data: dict[str, Any]) -> dict[str, float]:
    """Return the readings in percent. This fails for TT-104, which is one of the default tags.

    Args:
        data: `currents` in mA of each tag (default all tags at 12 mA).

    Raises:
        ValueError: A tag is unknown.
        CalibrationError: A transmitter's configuration is not valid.
    """
    currents = data.get("currents", dict.fromkeys(TRANSMITTERS, 12.0))
    if unknown := currents.keys() - TRANSMITTERS.keys():
        raise ValueError(f"unknown tags {sorted(unknown)}; valid tags are {', '.join(TRANSMITTERS)}")
    return {tag: calibrate(tag, current) for tag, current in currents.items()}


def calibrate(tag: str, current: float) -> float:
    """Return the reading of one transmitter in percent."""
    low, high = TRANSMITTERS[tag]
    try:
        return 100 * fraction(current, low, high)
    except ZeroDivisionError as error:
        raise CalibrationError(
            f"{tag} is configured from {low} to {high} mA: enter its span in TRANSMITTERS"
        ) from error


def fraction(value: float, low: float, high: float) -> float:
    """Return the position of `value` between `low` (0.0) and `high` (1.0)."""
    return (value - low) / (high - low)
