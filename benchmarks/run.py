"""Runs each contender on each workload, one after the other, and prints the measurements.

`nox -s bench` builds the environments and runs everything; `--workload over --contender aiocdf` runs one combination.
The ideal is the makespan of greedy list scheduling without latency. Lag is the time from the end of a call to the first
answer that reports it. Wrong counts values other than the function's, and calls started twice. The processor time and lag
of the service show whether it kept up, because a slow service would delay every contender.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import target_table, workload_table
from trial import ideal, measure
from workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

RESULTS = Path(__file__).parent / "results"

# The peers use the fastest of the tried settings for the workload `over`.
CONTENDERS = {
    "aiocdf": ["aiocdf_client.py"],
    "sdk": ["sdk_client.py"],
    "sdk raised": ["sdk_client.py", "--concurrency=50", "--longest-backoff=2", "--leeway=5"],
    "loop": ["loop_client.py", "--longest-wait=2"],
    "loop patient": ["loop_client.py", "--longest-wait=4"],
    "oracle": ["oracle_client.py", "{workload}"],
}
CONTESTS = {
    "single": ["aiocdf", "sdk", "loop"],
    "within": ["aiocdf", "sdk", "sdk raised", "loop"],
    "over": ["aiocdf", "sdk", "sdk raised", "loop", "loop patient", "oracle"],
    "long": ["aiocdf", "sdk", "loop"],
    # For a peer it is the same as `long`, because no peer polls more than one call at a time.
    "sparse": ["aiocdf"],
    "many": ["aiocdf", "sdk", "sdk raised", "loop"],
    "queue": ["aiocdf", "loop"],
    "frozen": ["aiocdf", "loop"],
    # As shipped, the SDK fetches a new token for every request if tokens live shorter than half a minute.
    "expiry": ["aiocdf", "sdk raised", "loop"],
    "shared": ["aiocdf", "sdk raised", "loop"],
}
# Without the SDK, which would take half the time.
QUICK = {"single": ["aiocdf"], "within": ["aiocdf", "loop"], "over": ["aiocdf", "loop"]}


def chosen(arguments: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """Yield the workloads to run, each with its contenders."""
    contests = QUICK if arguments.quick else CONTESTS
    for workload in arguments.workload or contests:
        contenders = arguments.contender or contests.get(workload, CONTESTS[workload])
        runnable = [name for name in contenders if arguments.sdk_python or not name.startswith("sdk")]
        if skipped := set(contenders) - set(runnable):
            print(f"{workload}: without {', '.join(sorted(skipped))}, because --sdk-python is not given\n")
        if runnable:
            yield workload, runnable


def left_out() -> Iterator[str]:
    """Return text about the limits of a quick run."""
    for workload, contenders in CONTESTS.items():
        if missing := [name for name in contenders if name not in QUICK.get(workload, [])]:
            yield f"{workload}: {', '.join(missing)}"


def seconds_of_work() -> float:
    """Return how long the same work takes now: how it varies over a run is the machine's noise."""
    began = time.perf_counter()
    sum(number * number for number in range(2_000_000))
    return time.perf_counter() - began


def import_seconds() -> float:
    """Return how long `import aiocdf` takes where aiohttp is imported already: the median of fresh processes."""
    code = "import aiohttp, time; t = time.perf_counter(); import aiocdf; print(time.perf_counter() - t)"
    # With bytecode, as a package is after its first import.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-P", "-c", code]
    runs = [subprocess.run(command, capture_output=True, check=True, env=environment) for _ in range(9)]
    return statistics.median(float(run.stdout) for run in runs)


def versions(sdk_python: str) -> str:
    """Return text about the measured versions and machine."""
    code = "from importlib.metadata import distributions; print(*(f'{d.name} {d.version}' for d in distributions()), sep='\\n')"
    found = [f"Python {platform.python_version()}"]
    for python, wanted in ((sys.executable, ("aiocdf", "aiohttp", "uvloop")), (sdk_python, ("cognite-sdk", "httpx2"))):
        if python:
            lines = subprocess.check_output([python, "-c", code], text=True).splitlines()
            found += sorted(line for line in lines if line.partition(" ")[0] in wanted)
    return ", ".join(found)


def compare(contests: Iterable[tuple[str, list[str]]], sdk_python: str, show: Callable[..., None]) -> None:
    """Run everything, and print each result when it is there."""
    results: dict[str, Any] = {"import": import_seconds()}
    work = [seconds_of_work()]
    for name, contenders in contests:
        workload = WORKLOADS[name]
        results[name] = {}
        for contender in contenders:
            script, *options = (part.format(workload=name) for part in CONTENDERS[contender])
            python = sdk_python if script == "sdk_client.py" else sys.executable
            results[name][contender] = measure(workload, python, script, *options)
        work.append(seconds_of_work())
        (RESULTS / "latest.json").write_text(json.dumps(results))
        show(f"{name}: {workload.describe()}, ideal {ideal(workload):.2f} s")
        show(*workload_table(name, results[name]), "")
    show(*target_table(results), "")
    show(f"noise: the same work took {min(work):.3f} to {max(work):.3f} s, {max(work) / min(work) - 1:.0%} apart")
    show(versions(sdk_python))


def main() -> None:
    """Run the selected workloads."""
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="\n".join(["workloads:", *(f"  {name}: {one.describe()}" for name, one in WORKLOADS.items())]),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--contender", action="append", choices=CONTENDERS)
    parser.add_argument("--quick", action="store_true", help="the most important part, in under two minutes")
    parser.add_argument(
        "--sdk-python", default="", help="an interpreter that has cognite-sdk; without it the SDK takes no part"
    )
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    with (RESULTS / "latest.txt").open("w") as file:

        def show(*lines: str) -> None:
            for where in (sys.stdout, file):
                print(*lines, sep="\n", file=where, flush=True)

        if arguments.quick:
            show("quick; left out: " + "; ".join(left_out()), "")
        compare(list(chosen(arguments)), arguments.sdk_python, show)


if __name__ == "__main__":
    main()
