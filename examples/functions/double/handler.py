"""Double a number: the smallest useful function."""

from __future__ import annotations

from typing import Any


def handle(data: dict[str, Any]) -> dict[str, float]:
    """Return twice a number.

    Args:
        data: `x`, a number.

    Raises:
        ValueError: `x` is missing or not a number.
    """
    match data:
        case {"x": int(x) | float(x)}:
            return {"value": 2 * x}
    raise ValueError(f"data needs a number 'x', such as {{'x': 2}}, not {data.get('x')!r}")
