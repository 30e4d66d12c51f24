"""Let the contenders do the workloads, one after the other, and print what each took.

`nox -s bench` builds what the contenders need and runs this; `--workload over --contender aiocdf` runs one alone.
"""

from __future__ import annotations

import argparse
import json
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
from workloads import WORKLOADS, Workload

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
CONTENDERS = {
    "aiocdf": ["aiocdf_client.py"],
    "sdk": ["sdk_client.py"],
    "sdk20": ["sdk_client.py", "20"],
    "sdk50": ["sdk_client.py", "50"],
    "sdk100": ["sdk_client.py", "100"],
    "l1": ["loop_client.py", "100", "1"],
    "l2": ["loop_client.py", "100", "2"],
    "l4": ["loop_client.py", "100", "4"],
    "l8": ["loop_client.py", "100", "8"],
    "loop50": ["loop_client.py", "50"],
    "loop100": ["loop_client.py", "100"],
    "loop250": ["loop_client.py", "250"],
    "loop0": ["loop_client.py", "0"],
}


@contextmanager
def process(*command: str | Path) -> Iterator[subprocess.Popen[str]]:
    """Start a process to talk with, and end it on leaving."""
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def tell(whom: subprocess.Popen[str], what: Any) -> None:
    """Send a line of JSON."""
    assert whom.stdin
    print(json.dumps(what), file=whom.stdin, flush=True)


def hear(whom: subprocess.Popen[str]) -> str:
    """Read a line."""
    assert whom.stdout
    line = whom.stdout.readline()
    if not line:
        sys.exit(f"{whom.args} ended without an answer")
    return line


def measure(workload: Workload, contender: str, python: str) -> dict[str, Any]:
    """Let a contender do a workload against a fresh service, and return the figures."""
    plan = {name: getattr(workload, name) for name in ("durations", "token_life", "token_delay")}
    script, *options = CONTENDERS[contender]
    with ExitStack() as stack:
        service = stack.enter_context(process(sys.executable, HERE / "service.py"))
        tell(service, plan)
        url = f"http://127.0.0.1:{hear(service).strip()}"
        clients = [
            stack.enter_context(process(python, HERE / "contenders" / script, *options))
            for _ in range(workload.clients)
        ]
        for client in clients:
            hear(client)
        began = time.time()
        for number, client in enumerate(clients):
            task = {name: getattr(workload, name) for name in ("hold", "fresh", "gaps")}
            tell(client, task | {"url": url, "calls": workload.calls[number :: workload.clients]})
        told = [json.loads(hear(client)) for client in clients]
        wall = time.time() - began if workload.clients > 1 else told[0]["wall"]
        with urllib.request.urlopen(f"{url}/stats") as answer:
            stats = json.load(answer)
    return figures(workload, wall, told, stats)


def figures(workload: Workload, wall: float, told: list[dict[str, Any]], stats: dict[str, Any]) -> dict[str, Any]:
    """Return what a run comes to."""
    calls = len(stats["calls"])
    counts = stats["counts"]
    lags = sorted((seen - end) / (end - start) for _, _, start, end, seen in stats["calls"] if seen)
    ideal = sum(workload.durations) if workload.fresh else ideal_makespan(
        workload.calls, workload.durations, per_function=PER_FUNCTION, per_project=PER_PROJECT
    )
    return {
        "wall": wall,
        "ideal": ideal,
        "ratio": wall / ideal,
        "requests": stats["requests"] / calls,
        "polls": counts.get("polls", 0) / calls,
        "lag_median": statistics.median(lags),
        "lag_p95": lags[int(0.95 * (len(lags) - 1))],
        "cpu_ms": 1000 * sum(one["cpu"] for one in told) / calls,
        "throttled": counts.get("throttled", 0),
        "counts": counts,
        "wrong": sum(one["wrong"] for one in told),
        "twice": stats["twice"],
        "told": told,
        "service_cpu": stats["cpu"],
        "service_lag_p99": stats["lag_p99"],
        "service_lag_max": stats["lag_max"],
    }


def main() -> None:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workload", action="append", choices=WORKLOADS)
    parser.add_argument("--contender", action="append", choices=CONTENDERS)
    asked = parser.parse_args()
    for name in asked.workload or WORKLOADS:
        for contender in asked.contender or CONTENDERS:
            found = measure(WORKLOADS[name], contender, "/tmp/w/venv-sdk/bin/python" if contender.startswith("sdk") else sys.executable)
            print(name, contender)
            for key, value in found.items():
                print("   ", key, value)


if __name__ == "__main__":
    main()
