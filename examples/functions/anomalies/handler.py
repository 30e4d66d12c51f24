"""Find the values of a series that differ from the values before them."""

from __future__ import annotations

import statistics
from typing import Any

# Scales the median absolute deviation to a standard deviation, for normally distributed values.
MAD_TO_STDEV = 1.4826
SMALLEST_WINDOW = 5


def handle(data: dict[str, Any]) -> dict[str, Any]:
    """Return the values whose distance from the median of the window before them exceeds `threshold` deviations.

    Unlike mean and standard deviation, the median and the median absolute deviation are not affected by outliers.

    Args:
        data: `values`, a list of numbers; `window`, how many values before each to compare with, 5 or more
            (default 30); `threshold`, in standard deviations (default 3.5).

    Raises:
        ValueError: A value is not valid, or there are too few values for the window.
    """
    values, window, threshold = data.get("values"), data.get("window", 30), data.get("threshold", 3.5)
    if not isinstance(values, list) or not all(isinstance(value, int | float) for value in values):
        raise ValueError("data needs 'values', a list of numbers")
    if not isinstance(window, int) or not SMALLEST_WINDOW <= window < len(values):
        last = len(values) - 1
        raise ValueError(f"window must be a whole number from {SMALLEST_WINDOW} to {last}, not {window!r}")
    if not isinstance(threshold, int | float) or threshold <= 0:
        raise ValueError(f"threshold must be a number above 0, not {threshold!r}")
    scored = ((index, score(values[index - window : index], values[index])) for index in range(window, len(values)))
    found = [{"index": i, "value": values[i], "score": round(z, 2)} for i, z in scored if abs(z) > threshold]
    return {"checked": len(values) - window, "anomalies": found}


def score(before: list[float], value: float) -> float:
    """Return how many robust deviations `value` is from the values before it; 0 if these are almost constant."""
    middle = statistics.median(before)
    deviation = MAD_TO_STDEV * statistics.median(abs(other - middle) for other in before)
    return (value - middle) / deviation if deviation else 0.0
