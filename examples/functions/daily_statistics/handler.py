"""Describe one column of four years of daily weather, which is deployed with the function as weather.csv."""

from __future__ import annotations

import csv
import functools
import random
import statistics
from pathlib import Path
from typing import Any

WEATHER = Path(__file__).with_name("weather.csv")
COLUMNS = ("precipitation", "temp_max", "temp_min", "wind")


def handle(data: dict[str, Any]) -> dict[str, Any]:
    """Return count, mean, spread and quartiles of a column, and a 95 % interval for its mean, by bootstrap.

    Args:
        data: `column`, one of `COLUMNS` (default temp_max); `year`, 2012 to 2015 (default all); `resamples`, 20 to
            20,000 (default 200, about 8 ms per year); `seed` of the resampling (default 0).

    Raises:
        ValueError: A value is not valid.
    """
    column, year = data.get("column", "temp_max"), data.get("year")
    if column not in COLUMNS:
        raise ValueError(f"no column {column!r}: choose one of {', '.join(COLUMNS)}")
    if year is not None:
        check("year", year, low=2012, high=2015)
    resamples = check("resamples", data.get("resamples", 200), low=20, high=20_000)
    seed = check("seed", data.get("seed", 0), low=0, high=2**32 - 1)
    values = [float(day[column]) for day in weather() if year is None or day["date"].startswith(str(year))]
    return describe(values) | {"mean_95": mean_interval(values, resamples, random.Random(seed))}


def check(name: str, value: object, *, low: int, high: int) -> int:
    """Return `value` if it is a whole number within the bounds."""
    if not isinstance(value, int) or not low <= value <= high:
        raise ValueError(f"{name} must be a whole number from {low} to {high}, not {value!r}")
    return value


@functools.cache
def weather() -> list[dict[str, str]]:
    """Read the file once per instance, not once per call."""
    with WEATHER.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def describe(values: list[float]) -> dict[str, Any]:
    """Return the usual statistics of a sample."""
    return {
        "count": len(values),
        "mean": statistics.fmean(values),
        "stdev": statistics.stdev(values),
        "min": min(values),
        "quartiles": statistics.quantiles(values, n=4),
        "max": max(values),
    }


def mean_interval(values: list[float], resamples: int, rng: random.Random) -> list[float]:
    """Return the interval in which 95 % of the means of resampled `values` lie."""
    means = [statistics.fmean(rng.choices(values, k=len(values))) for _ in range(resamples)]
    cuts = statistics.quantiles(means, n=40)
    return [cuts[0], cuts[-1]]
