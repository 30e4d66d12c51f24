"""Runs one contender on one workload with a new service."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ideal import ideal_makespan
from simulation import PER_FUNCTION, PER_PROJECT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from workloads import Workload

HERE = Path(__file__).parent


@contextmanager
def start_process(*command: str) -> Iterator[subprocess.Popen[str]]:
    """Start a process with pipes, and end it on exit. Its script can import its neighbours."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def send(whom: subprocess.Popen[str], what: Any) -> None:
    """Send a process one line of JSON."""
    print(json.dumps(what), file=whom.stdin, flush=True)


def receive(whom: subprocess.Popen[str]) -> str:
    """Return the next line that a process prints."""
    line = whom.stdout.readline() if whom.stdout else ""
    if not line:
        sys.exit(f"{whom.args!r} ended without an answer")
    return line


def measure(workload: Workload, python: str, script: str, *options: str) -> dict[str, Any]:
    """Run a contender on a workload, and return the results.

    Args:
        workload: The workload.
        python: The interpreter with the contender's packages.
        script: The contender's file in `contenders/`.
        options: Arguments for the script.
    """
    plan = {name: getattr(workload, name) for name in ("durations", "token_life", "token_delay")}
    task = {name: getattr(workload, name) for name in ("hold", "freeze", "fresh", "gaps")}
    with ExitStack() as stack:
        service = stack.enter_context(start_process(sys.executable, str(HERE / "service.py")))
        send(service, plan)
        url = f"http://127.0.0.1:{receive(service).strip()}"
        command = (python, str(HERE / "contenders" / script), *options)
        clients = [stack.enter_context(start_process(*command)) for _ in range(workload.clients)]
        for client in clients:
            receive(client)  # it has done its imports
        began = time.time()
        for number, client in enumerate(clients):
            send(client, task | {"url": url, "calls": workload.calls[number :: workload.clients]})
        reports = [json.loads(receive(client)) for client in clients]
        wall = time.time() - began if workload.clients > 1 else reports[0]["wall"]
        with urllib.request.urlopen(f"{url}/stats") as answer:
            stats = json.load(answer)
    return _figures(workload, wall, reports, stats) | {"began": began}


def _figures(workload: Workload, wall: float, reports: list[dict[str, Any]], stats: dict[str, Any]) -> dict[str, Any]:
    """Combine the measurements of the contender and of the service."""
    calls, counts = stats.pop("calls"), stats["counts"]
    lags = sorted((seen - end) / (end - start) for _, _, start, end, seen in calls if seen) or [math.nan]
    started = len(calls) or math.nan
    return {
        "makespan": wall,
        "ideal": ideal(workload),
        "requests": stats["requests"] / started,
        "polls": counts.get("polls", 0) / started,
        "lag_median": statistics.median(lags),
        "lag_p95": lags[math.ceil(0.95 * len(lags)) - 1],
        "cpu": sum(one["cpu"] for one in reports) / started,
        "throttled": counts.get("throttled", 0),
        "tokens": counts.get("token", 0),
        "wrong": sum(one["wrong"] for one in reports) + stats["twice"],
        "clients": reports,
        "service": stats,
        "calls": [[round(moment, 3) for moment in call[2:] if moment] for call in calls],
    }


def ideal(workload: Workload) -> float:
    """Return the minimum makespan of the workload in seconds."""
    if workload.fresh:
        return sum(workload.durations)
    return ideal_makespan(workload.calls, workload.durations, per_function=PER_FUNCTION, per_project=PER_PROJECT)
