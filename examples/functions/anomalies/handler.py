"""Find the values of a series that do not fit in with those just before them."""

from __future__ import annotations

import statistics
from typing import Any

# Makes the median absolute deviation comparable to a standard deviation, if the values are normally distributed.
MAD_TO_STDEV = 1.4826
SMALLEST_WINDOW = 5


def handle(data: dict[str, Any]) -> dict[str, Any]:
    """Return the values that are further from the median of the window before them than `threshold` deviations.

    Median and median absolute deviation, unlike mean and standard deviation, are not moved by the outliers sought.

    Args:
        data: `values`, a list of numbers; `window`, how many values before each to compare with, 5 or more
            (default 30); `threshold`, in standard deviations (default 3.5).

    Raises:
        ValueError: One of them is something else, or there are too few values for the window.
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
    """Return how many robust deviations `value` is from the values before it; 0 where those are all but constant."""
    middle = statistics.median(before)
    deviation = MAD_TO_STDEV * statistics.median(abs(other - middle) for other in before)
    return (value - middle) / deviation if deviation else 0.0
