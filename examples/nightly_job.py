"""A batch job, as cron, Airflow or Prefect start it: two stages of calls, a table as result, and an exit status.

In one shell:      aiocdf serve examples/functions
In another, after setting the environment variables that it prints:

    python examples/nightly_job.py --out report.csv

What fails is tried again, and what still fails is in the table with its error. The job ends with status 1 then, so that
a scheduler shows it. In Prefect, put `@flow` above `report` and call that; each stage can be a `@task`.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import logging
import sys
from pathlib import Path
from typing import Any

import aiocdf

COLUMNS = ("precipitation", "temp_max", "temp_min", "wind")
YEARS = (2012, 2013, 2014, 2015)
RETRY = aiocdf.Retry(attempts=3, wait=1.0)
log = logging.getLogger("nightly_job")


async def describe_weather(client: aiocdf.Client) -> list[dict[str, Any]]:
    """Describe each column of each year, all at once."""
    inputs = [{"column": column, "year": year, "resamples": 50} for column in COLUMNS for year in YEARS]
    handles = [client.call("daily_statistics", data, retry=RETRY) for data in inputs]
    results = await asyncio.gather(*(handle.response() for handle in handles), return_exceptions=True)
    return [row("weather", data, result) for data, result in zip(inputs, results, strict=True)]


async def simulate_pumps(client: aiocdf.Client, stations: int) -> list[dict[str, Any]]:
    """Simulate stations of ever more pumps; the inputs are taken as there is room."""
    inputs = ({"pumps": pumps, "needed": 2, "samples": 50} for pumps in range(1, stations + 1))
    results = client.map("pump_availability", inputs, ordered=True, return_exceptions=True)
    return [row("pumps", data, result) async for data, result in results]


def row(stage: str, data: dict[str, Any], result: Any) -> dict[str, Any]:
    """Return a line of the table."""
    failed = isinstance(result, Exception)
    if failed:
        log.error("%s %s: %s", stage, data, result)
    return {"stage": stage, "input": data, "result": "" if failed else result, "error": str(result) if failed else ""}


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write the table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, ["stage", "input", "result", "error"])
        table.writeheader()
        table.writerows(rows)


async def report(out: Path, stations: int) -> int:
    """Run both stages, write the table, and return how many calls failed."""
    async with aiocdf.Client.from_env() as client:
        rows = await describe_weather(client)
        rows += await simulate_pumps(client, stations)
        stats = client.stats()
    await asyncio.to_thread(write, out, rows)
    failed = sum(bool(each["error"]) for each in rows)
    log.info("%d calls in %d requests, %d failed: %s", stats.made, stats.requests, failed, out)
    return failed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Make the nightly report.")
    parser.add_argument("--out", type=Path, default=Path("report.csv"))
    parser.add_argument("--stations", type=int, default=6)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    sys.exit(1 if asyncio.run(report(arguments.out, arguments.stations)) else 0)
