"""Simulate a station whose pumps fail and are repaired: for how many hours a year do too few pumps run?"""

from __future__ import annotations

import random
import statistics
from typing import Any

HOURS_A_YEAR = 8760.0
DEFAULTS = {"pumps": 3, "needed": 2, "mtbf_hours": 500, "mttr_hours": 24, "samples": 500, "seed": 0}
RANGES = {
    "pumps": (1, 20),
    "needed": (1, 20),
    "mtbf_hours": (24, 100_000),
    "mttr_hours": (1, 1_000),
    "samples": (10, 20_000),
    "seed": (0, 2**32 - 1),
}


def handle(data: dict[str, Any]) -> dict[str, Any]:
    """Return the availability of the station, and the median and 90th percentile of its hours short in a year.

    Args:
        data: `pumps`, the number of pumps, and `needed`, how many must run; `mtbf_hours` and `mttr_hours`, the mean times
            between failures and to repair; `samples`, the years to simulate (about 40 µs each); `seed` of the simulation.
            All are whole numbers within `RANGES`, with the defaults in `DEFAULTS`.

    Raises:
        ValueError: A value is not valid, or more pumps are needed than exist.
    """
    plant = DEFAULTS | data
    for name, (low, high) in RANGES.items():
        if not isinstance(plant[name], int) or not low <= plant[name] <= high:
            raise ValueError(f"{name} must be a whole number from {low} to {high}, not {plant[name]!r}")
    if plant["needed"] > plant["pumps"]:
        raise ValueError(f"{plant['needed']} pumps are needed but there are only {plant['pumps']}")
    rng = random.Random(plant["seed"])
    hours = [
        hours_short(rng, plant["pumps"], plant["needed"], plant["mtbf_hours"], plant["mttr_hours"])
        for _ in range(plant["samples"])
    ]
    deciles = statistics.quantiles(hours, n=10)
    return {
        "availability": 1 - statistics.fmean(hours) / HOURS_A_YEAR,
        "hours_short_p50": deciles[4],
        "hours_short_p90": deciles[8],
        "samples": len(hours),
    }


def hours_short(rng: random.Random, pumps: int, needed: int, mtbf: float, mttr: float) -> float:
    """Simulate a year that starts with all pumps running; return the hours in which fewer than `needed` run."""
    hour, short, running = 0.0, 0.0, pumps
    while hour < HOURS_A_YEAR:
        failures, repairs = running / mtbf, (pumps - running) / mttr
        wait = min(rng.expovariate(failures + repairs), HOURS_A_YEAR - hour)
        if running < needed:
            short += wait
        hour += wait
        running += 1 if rng.random() * (failures + repairs) < repairs else -1
    return short
