"""What a durable map keeps of its promise, and what that costs.

Prints Markdown tables of three measurements:

- `kill`: `aiocdf map` is killed again and again at random moments, and goes on each time. A simulated service in a process of
  its own counts how often it executed each input.
- `cost`: the same calls with and without a journal, by `batch.map` and `client.map`, in turns.
- `million`: a million inputs, most of them done by an earlier run, on a transport that answers at once: memory, and the time
  that `--status` takes.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import aiocdf
from aiocdf import batch
from aiocdf.batch.inputs import Source
from aiocdf.batch.journal import Identity, Journal, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
#: Seconds after its start at which a process is killed.
KILLED = (0.5, 5.0)
FUNCTION = 1
NOWHERE = "http://127.0.0.1:1"


@contextmanager
def service(durations: list[float]) -> Iterator[str]:
    """Run the simulated service, and give its address."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "service.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(json.dumps({"durations": durations}), file=process.stdin, flush=True)
        try:
            yield f"http://127.0.0.1:{process.stdout.readline().strip()}"
        finally:
            process.kill()


def executions(url: str) -> Counter[int]:
    """Return how often each key was executed."""
    with urllib.request.urlopen(f"{url}/stats") as answer:
        return Counter(call[0] for call in json.load(answer)["calls"])


def environment(url: str) -> dict[str, str]:
    """Return the variables by which `aiocdf` finds the service."""
    return os.environ | {
        "CDF_PROJECT": "benchmark",
        "CDF_URL": url,
        "LOGIN_FLOW": "client_credentials",
        "PROVIDER": "other",
        "IDP_TOKEN_URL": f"{url}/token",
        "IDP_CLIENT_ID": "benchmark",
        "IDP_CLIENT_SECRET": "secret",
    }


def write_inputs(folder: Path, count: int) -> Path:
    """Write a file of inputs whose keys are 0, 1, 2, ..."""
    path = folder / "inputs.jsonl"
    with path.open("w") as file:
        file.writelines(f'{{"key":{key}}}\n' for key in range(count))
    return path


def table(*rows: tuple[object, ...]) -> None:
    """Print a Markdown table, its head first."""
    head, *others = rows
    for row in (head, ["---"] * len(head), *others):
        print("|", " | ".join(f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row), "|")
    print(flush=True)


# Killed at random moments


def measure_kills(inputs: int, kills: int, seconds: float, seed: int) -> None:
    """Kill a map at random moments, let it end, and compare its results with what the service executed."""
    chance = random.Random(seed)
    durations = [chance.uniform(0.5, 1.5) * seconds for _ in range(inputs)]
    with tempfile.TemporaryDirectory() as name, service(durations) as url:
        folder, began = Path(name), time.monotonic()
        write_inputs(folder, inputs)
        command = [sys.executable, "-m", "aiocdf", "map", str(FUNCTION), "inputs.jsonl", "--out", "results.jsonl"]
        killed, interrupted = 0, 0
        while killed < kills:
            if not run_until_killed(command, folder, url, chance.uniform(*KILLED)):
                break
            killed += 1
            if killed % 10 == 0:
                counts = asyncio.run(batch.status(folder / "results.jsonl.journal"))[0]
                interrupted = counts.counts.get(batch.InputStatus.Submitting, 0)
                print(f"{killed} kills, {counts.done} done, {interrupted} cut short", file=sys.stderr, flush=True)
        last = subprocess.run(command, check=False, cwd=folder, env=environment(url), capture_output=True, text=True)
        print(last.stdout, last.stderr, file=sys.stderr)
        results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
        executed = executions(url)
        wall = time.monotonic() - began
    by_key = Counter(result["key"] - 1 for result in results)
    uncertain = {result["key"] - 1 for result in results if result["status"] == "Uncertain"}
    for reason, count in Counter(result["error"]["message"][:60] for result in results if result["error"]).items():
        print(f"{count} x {reason}", file=sys.stderr)
    wrong = sum(
        result["status"] == "Completed" and result["response"]["key"] != result["key"] - 1 for result in results
    )
    table(
        (
            "inputs",
            "kills",
            "results",
            "executed once",
            "twice",
            "never",
            "wrong result",
            "no result",
            "uncertain",
            "time",
        ),
        (
            inputs,
            killed,
            len(results),
            sum(count == 1 for count in executed.values()),
            sum(count > 1 for count in executed.values()),
            sum(not executed[key] and key not in uncertain for key in range(inputs)),
            wrong,
            sum(by_key[key] != 1 for key in range(inputs)),
            f"{len(uncertain)} ({sum(not executed[key] for key in uncertain)} of them not executed)",
            f"{wall:.0f} s",
        ),
    )


def run_until_killed(command: list[str], folder: Path, url: str, seconds: float) -> bool:
    """Run a command for so long; tell whether it had to be killed."""
    with subprocess.Popen(
        command, cwd=folder, env=environment(url), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            return True
        return False


# What the journal costs


def measure_cost(inputs: int, seconds: float, rounds: int, seed: int) -> None:
    """Make the same calls with and without a journal, in turns, each in a process of its own."""
    chance = random.Random(seed)
    durations = [chance.uniform(0.5, 1.5) * seconds for _ in range(inputs)]
    took: dict[str, list[dict[str, float]]] = {"client.map": [], "batch.map": []}
    for _ in range(rounds):
        for how, figures in took.items():
            with tempfile.TemporaryDirectory() as name, service(durations) as url:
                figures.append(in_child("one", how, url, str(write_inputs(Path(name), inputs))))
    wall = {how: statistics.median(each["wall"] for each in figures) for how, figures in took.items()}
    table(
        ("", "calls a second", "processor time a call", "compared with `client.map`"),
        *(
            (
                f"`{how}`, {inputs:,} calls of {seconds:g} s",
                f"{inputs / wall[how]:.1f}",
                f"{1e3 * statistics.median(each['cpu'] for each in figures) / inputs:.2f} ms",
                f"{100 * (wall['client.map'] / wall[how] - 1):+.1f} %",
            )
            for how, figures in took.items()
        ),
    )


def in_child(*arguments: str) -> dict[str, float]:
    """Run a part of this script in a process of its own, and return the figures that it prints."""
    done = subprocess.run([sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return figures


async def make_calls(how: str, url: str, inputs: str) -> None:
    """Make the calls of a file of inputs in one of two ways, and write their results."""
    path = Path(inputs)
    credentials = aiocdf.ClientCredentials(token_url=f"{url}/token", client_id="benchmark", client_secret="secret")
    async with aiocdf.Client("benchmark", base_url=url, credentials=credentials) as client:
        began = time.monotonic()
        if how == "batch.map":
            await batch.map(client, FUNCTION, path, path.with_name("results.jsonl"))
        else:
            with path.open() as lines, path.with_name("results.jsonl").open("w") as results:  # noqa: ASYNC230 - as one does
                async for data, value in client.map(FUNCTION, map(json.loads, lines)):
                    results.write(json.dumps({"key": data["key"], "response": value}) + "\n")
        wall = time.monotonic() - began
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"wall": wall, "cpu": usage.ru_utime + usage.ru_stime}))


# A million inputs


def measure_million(inputs: int, made: int) -> None:
    """Map many inputs on a transport that answers at once, and look at the journal.

    Args:
        inputs: How many there are.
        made: How many of them are calls that are really made; the journal has the others as done.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        path = write_inputs(folder, inputs)
        in_child("fill", str(path), str(inputs - made))
        first = in_child("many", str(path))
        again = in_child("many", str(path))
        journal = folder / "results.jsonl.journal"
        times, spent = [], resource.getrusage(resource.RUSAGE_CHILDREN)
        for _ in range(5):
            began = time.monotonic()
            subprocess.run(
                [sys.executable, "-m", "aiocdf", "map", "--status", str(journal)], check=True, stdout=subprocess.DEVNULL
            )
            times.append(time.monotonic() - began)
        now = resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = (now.ru_utime + now.ru_stime - spent.ru_utime - spent.ru_stime) / len(times)
        results = sum(1 for _ in (folder / "results.jsonl").open())
        size = journal.stat().st_size / 1e6
    table(
        ("", "target", "result"),
        (f"peak memory, {inputs:,} inputs, {made:,} of them called", "<= 200 MB", f"{first['rss']:.0f} MB"),
        ("... and when all are done already", "<= 200 MB", f"{again['rss']:.0f} MB, {again['wall']:.1f} s"),
        ("`aiocdf map --status`", "<= 1 s", f"{statistics.median(times):.2f} s ({cpu:.2f} s of processor time)"),
        ("results", f"{inputs:,}", f"{results:,}"),
        ("journal", "", f"{size:.0f} MB"),
    )


async def fill(inputs: str, done: int) -> None:
    """Make a journal that has the first *done* inputs as completed."""
    path = Path(inputs)
    source = await Source.open(path, None)
    identity = Identity(
        function=FUNCTION, project="benchmark", base_url=NOWHERE, format="jsonl", key=None, inputs=source.fingerprint
    )
    place = path.with_name("results.jsonl.journal")
    async with Journal.open_for_run(place, identity, str(path), source.total) as journal:
        for line in range(1, done + 1):
            outcome = Outcome(status=batch.InputStatus.Completed, response='{"value":1234567}', ended=1.7e9)
            journal.ended_unsent(line, None, outcome)
            if line % 5000 == 0:
                await journal.flush()
    print(json.dumps({}))


async def map_many(inputs: str) -> None:
    """Map a file of inputs in this process, with as many calls at once as there is use for."""
    from substitutes import Answering

    path = Path(inputs)
    settings = aiocdf.Settings(function_limit=2000, project_limit=2000, connect_patience=None)
    async with aiocdf.Client(
        "benchmark",
        base_url=NOWHERE,
        credentials=aiocdf.BearerToken("token"),
        settings=settings,
        transport=Answering(ended=True),
    ) as client:
        began, told = time.monotonic(), 0.0

        def tell(now: batch.Progress) -> None:
            nonlocal told
            if now.elapsed - told >= 20:
                told = now.elapsed
                print(f"{now.done:,} done, {peak():.0f} MB", file=sys.stderr, flush=True)

        await batch.map(client, FUNCTION, path, path.with_name("results.jsonl"), on_progress=tell)
        print(json.dumps({"wall": time.monotonic() - began, "rss": peak()}))


def peak() -> float:
    """Return the megabytes that were resident at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Do what the arguments say."""
    match sys.argv[1:]:
        case ["one", how, url, inputs]:
            asyncio.run(make_calls(how, url, inputs))
            return
        case ["fill", inputs, done]:
            asyncio.run(fill(inputs, int(done)))
            return
        case ["many", inputs]:
            asyncio.run(map_many(inputs))
            return
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0] if __doc__ else None)
    parser.add_argument("parts", nargs="*", default=["kill", "cost", "million"], help="kill, cost, million")
    parser.add_argument("--inputs", type=int, default=5_000, help="inputs of the map that is killed")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=6.0, help="mean duration of a call of the map that is killed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, default=3_000, help="calls that tell the cost of the journal")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--made", type=int, default=50_000, help="calls that are really made of a million inputs")
    options = parser.parse_args()
    if "kill" in options.parts:
        measure_kills(options.inputs, options.kills, options.seconds, options.seed)
    if "cost" in options.parts:
        measure_cost(options.calls, 1.0, options.rounds, options.seed)
    if "million" in options.parts:
        measure_million(options.many, min(options.made, options.many))


if __name__ == "__main__":
    main()
