"""Counts the outcomes of calls while the network, the gateway and the service fail.

Each contender makes the same calls in its own process, on real sockets, with the same faults at the same rates. The
service counts how often each call was executed; the contender reports how each of them ended. `nox -s chaos` includes
Cognite's SDK.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import urllib.request
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from faults import Mix
from trial import receive, send, start_process

if TYPE_CHECKING:
    from collections.abc import Iterable

HERE = Path(__file__).parent
FUNCTIONS = 4
REQUEST_SECONDS = 5
TOKEN_LIFE = 20.0

BEFORE = {"reset_before": 0.05, "error_before": 0.05}
AFTER = {"reset_after": 0.05, "garbage": 0.05, "half": 0.03}
HANG = {"hang_before": 0.01, "hang_after": 0.01}
ALL = {
    "reset_before": 0.03,
    "reset_after": 0.03,
    "half": 0.02,
    "garbage": 0.02,
    "garbage_body": 0.02,
    "hang_before": 0.01,
    "hang_after": 0.01,
    "error_before": 0.03,
    "error_after": 0.02,
    "late": 0.05,
}
MIXES = {
    "calm": Mix(rates={}),
    "lost before": Mix(rates=BEFORE),
    "lost after": Mix(rates=AFTER),
    "hangs": Mix(rates=HANG),
    "all": Mix(rates=ALL, storms=15.0),
    "all, clock 120 s ahead": Mix(rates=ALL, storms=15.0, skew=120.0),
    "all, clock 120 s behind": Mix(rates=ALL, storms=15.0, skew=-120.0),
    "all, beside another client": Mix(rates=ALL, storms=15.0, others=2.0, functions=FUNCTIONS),
}
CONTENDERS = {
    "aiocdf": ["aiocdf_client.py"],
    "sdk": ["sdk_client.py", "--concurrency=50", "--longest-backoff=2", "--leeway=5"],
    "loop": ["loop_client.py", "--longest-wait=2"],
}


@dataclass(frozen=True, kw_only=True)
class Tally:
    """The outcomes of the calls of one run."""

    mix: str
    contender: str
    seed: int
    calls: int
    #: Requests that a fault hit.
    faults: int
    #: Calls that the service started more than once.
    twice: int
    #: Calls with the response of another call.
    wrong: int
    #: Calls that ended with `SubmissionUncertain`.
    uncertain: int
    #: Calls that ended with another error, and how many of these were executed anyway.
    errors: int
    errors_executed: int
    #: The names of the errors and their counts.
    names: dict[str, int]
    makespan: float
    requests: float

    def line(self) -> str:
        """Return the outcomes as a line of the table."""
        names = ", ".join(f"{number} {name}" for name, number in sorted(self.names.items()))
        cells = (
            self.mix,
            self.contender,
            f"{self.seed}",
            f"{self.calls:,}",
            f"{self.faults:,}",
            f"{self.twice}",
            f"{self.wrong}",
            f"{self.uncertain}",
            f"{self.errors} ({self.errors_executed} executed)" if self.errors else "0",
            f"{self.makespan:.1f}",
            f"{self.requests:.2f}",
            names or "-",
        )
        return f"| {' | '.join(cells)} |"


HEAD = (
    "| faults | contender | seed | calls | requests hit | executed twice | wrong | uncertain | other errors | seconds"
    " | requests a call | errors by name |\n|" + "---|" * 12
)


def run(name: str, mix: Mix, contender: str, python: str, count: int) -> Tally:
    """Let a contender make *count* calls through a mix of faults.

    Args:
        name: The name of the mix.
        mix: The faults and their rates.
        contender: The name of the contender.
        python: The interpreter with the contender's packages.
        count: The number of calls.
    """
    source = random.Random(mix.seed)
    durations = [source.uniform(0.3, 1.7) for _ in range(count)]
    calls = [(key % FUNCTIONS + 1, key, 0.0) for key in range(count)]
    task = {"hold": 0.0, "freeze": False, "fresh": False, "gaps": False, "calls": calls}
    script, *options = CONTENDERS[contender]
    command = (python, str(HERE / "contenders" / script), *options, f"--timeout={REQUEST_SECONDS}")
    with ExitStack() as stack:
        service = stack.enter_context(start_process(sys.executable, str(HERE / "faulty_service.py")))
        send(service, {"plan": {"durations": durations, "token_life": TOKEN_LIFE}, "mix": mix.plan()})
        url = f"http://127.0.0.1:{receive(service).strip()}"
        client = stack.enter_context(start_process(*command))
        receive(client)  # it has done its imports
        send(client, task | {"url": url})
        report = json.loads(receive(client))
        with urllib.request.urlopen(f"{url}/stats") as answer:
            stats = json.load(answer)
    return Tally(
        mix=name,
        contender=contender,
        seed=mix.seed,
        calls=count,
        faults=sum(number for fault, number in stats["faults"].items() if fault != "none"),
        makespan=report["wall"],
        requests=stats["requests"] / count,
        **_ends(report, stats),
    )


def _ends(report: dict[str, Any], stats: dict[str, Any]) -> dict[str, Any]:
    """Compare how the calls ended for the contender with what the service executed."""
    executed = Counter(key for key, *_ in stats["calls"] if key >= 0)
    names = Counter(report["ends"].values())
    failed = [int(key) for key, end in report["ends"].items() if end not in {"wrong", "SubmissionUncertain"}]
    return {
        "twice": sum(times > 1 for times in executed.values()),
        "wrong": names["wrong"],
        "uncertain": names["SubmissionUncertain"],
        "errors": len(failed),
        "errors_executed": sum(key in executed for key in failed),
        "names": dict(names),
    }


def chosen(arguments: argparse.Namespace) -> Iterable[tuple[str, Mix, str]]:
    """Return the command-line parser."""
    for name in arguments.mix or MIXES:
        for contender in arguments.contender or CONTENDERS:
            for seed in range(1, arguments.seeds + 1):
                if arguments.sdk_python or contender != "sdk":
                    yield name, replace(MIXES[name], seed=seed), contender


def main() -> None:
    """Run the selected combinations, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=5000)
    parser.add_argument("--seeds", type=int, default=1, help="how many seeds to run everything with")
    parser.add_argument("--mix", action="append", choices=MIXES)
    parser.add_argument("--contender", action="append", choices=CONTENDERS)
    parser.add_argument("--sdk-python", help="the interpreter that has Cognite's client")
    arguments = parser.parse_args()
    print(HEAD, flush=True)
    for name, mix, contender in chosen(arguments):
        python = arguments.sdk_python if contender == "sdk" else sys.executable
        print(run(name, mix, contender, python, arguments.calls).line(), flush=True)


if __name__ == "__main__":
    main()
