"""Load figures of the local server: calls that sleep, trivial ones, cold starts, status polls, and its memory.

Prints a Markdown table of targets and results, and the load of the machine. The server has a process of its own; the
client is aiocdf's, except for status polls, which are plain HTTP requests, each on a connection of its own.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import aiohttp

from aiocdf import Client, ClientCredentials

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SLEEP = "import time\ndef handle(): time.sleep(1)\n"
TRIVIAL = "def handle(): return 1\n"
WITH_CLIENT = "def handle(client): return type(client).__name__\n"
SERVER = """
import asyncio, json, sys
from aiocdf.local import serve

async def main():
    async with serve(sys.argv[1]) as server:
        print(json.dumps(server.environment()), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
# Returns how many seconds it takes for pieces of work with pauses, for some seconds.
PIECES = """
import time

def handle():
    began = time.perf_counter()
    for _ in range(250):
        sum(range(20_000))
        time.sleep(0.02)
    return time.perf_counter() - began
"""
COLD_RUNS = 7
POLLS = 5_000
SAMPLES = 10


class Functions:
    """A folder of functions, and a server of them.

    Args:
        root: The folder.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, code in self._codes():
            self.write(name, code)
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVER, str(root)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self._process.stdout is not None
        self.environment: dict[str, str] = json.loads(self._process.stdout.readline())

    def write(self, name: str, code: str) -> None:
        """Put a function on disk."""
        (self.root / name).mkdir(exist_ok=True)
        (self.root / name / "handler.py").write_text(code)

    def resident(self) -> float:
        """Return the server's resident memory in MB."""
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1000

    def client(self) -> Client:
        """Return a client of the server."""
        return Client("local", base_url=self.environment["CDF_URL"], credentials=self._credentials())

    async def token(self) -> str:
        """Return an access token."""
        async with aiohttp.ClientSession() as session:
            form = {
                "grant_type": "client_credentials",
                "client_id": self.environment["IDP_CLIENT_ID"],
                "client_secret": self.environment["IDP_CLIENT_SECRET"],
            }
            async with session.post(self.environment["IDP_TOKEN_URL"], data=form) as response:
                return (await response.json())["access_token"]

    def _credentials(self) -> ClientCredentials:
        return ClientCredentials(
            token_url=self.environment["IDP_TOKEN_URL"],
            client_id=self.environment["IDP_CLIENT_ID"],
            client_secret=self.environment["IDP_CLIENT_SECRET"],
        )

    def end(self) -> None:
        """Stop the server."""
        self._process.communicate("")

    def _codes(self) -> Iterator[tuple[str, str]]:
        yield from ((f"sleep{n}", SLEEP) for n in range(4))
        yield "trivial", TRIVIAL
        yield "client", WITH_CLIENT
        yield "pieces", PIECES


async def sleeping(client: Client, counts: dict[str, int]) -> float:
    """Return the seconds that calls of `sleep(1)` take together."""
    began = time.perf_counter()
    await asyncio.gather(*(client.call(name) for name, count in counts.items() for _ in range(count)))
    return time.perf_counter() - began


async def trivial(client: Client, count: int) -> float:
    """Return trivial calls a second, each with its response."""
    began = time.perf_counter()
    async for _ in client.map("trivial", ({} for _ in range(count)), ordered=False):
        pass
    return count / (time.perf_counter() - began)


async def cold(client: Client, functions: Functions, name: str, code: str) -> float:
    """Return the median milliseconds, by the server's times, of the first call after a change of the code."""
    took = []
    for run in range(COLD_RUNS):
        functions.write(name, f"{code}# {run}\n")
        began = time.perf_counter()
        await client.call(name)
        took.append(time.perf_counter() - began)
    return 1000 * statistics.median(took)


async def polled(client: Client, functions: Functions) -> tuple[float, float]:
    """Return how much longer a call takes with status polls in flight all the time, and polls a second."""
    alone = await client.call("pieces").response()
    call = client.call("pieces")
    started = await call.submitted()
    path = f"/api/v1/projects/local/functions/{started.function_id}/calls/{started.id}"
    answered = 0

    async def poll(session: aiohttp.ClientSession) -> None:
        nonlocal answered
        while not call.done():
            async with session.get(path) as response:
                response.raise_for_status()
                await response.read()
            answered += 1

    connector, headers = aiohttp.TCPConnector(limit=POLLS), {"Authorization": f"Bearer {await functions.token()}"}
    async with aiohttp.ClientSession(functions.environment["CDF_URL"], connector=connector, headers=headers) as session:
        began = time.perf_counter()
        await asyncio.gather(*(poll(session) for _ in range(POLLS)))
        seconds = time.perf_counter() - began
    return await call.response() / alone, answered / seconds


class Table:
    """The lines that are printed."""

    def __init__(self) -> None:
        self.print("what", "target", "result", "met")
        print("|---|--:|--:|---|", flush=True)

    def print(self, *cells: str) -> None:
        """Print a line at once: the next one may take minutes."""
        print(f"| {' | '.join(cells)} |", flush=True)

    def at_most(self, what: str, target: float, result: float, unit: str) -> None:
        """Print a result that must not be above its target."""
        self.print(what, f"<= {target:g} {unit}", f"{result:.3g} {unit}", "yes" if result <= target else "**no**")

    def at_least(self, what: str, target: float, result: float, unit: str) -> None:
        """Print a result that must not be below its target."""
        self.print(what, f">= {target:g} {unit}", f"{result:.3g} {unit}", "yes" if result >= target else "**no**")


class Bench(NamedTuple):
    """What a figure is measured with."""

    table: Table
    client: Client
    functions: Functions
    #: Over which the memory is watched.
    calls: int


async def sleeps(bench: Bench) -> None:
    """Measure calls that sleep for a second."""
    bench.table.at_most("100 calls of sleep(1) at once", 2, await sleeping(bench.client, {"sleep0": 100}), "s")
    spread = dict.fromkeys(SPREAD, 62) | {"sleep3": 64}
    bench.table.at_most("250 over four functions", 5, await sleeping(bench.client, spread), "s")


async def throughput(bench: Bench) -> None:
    """Measure calls that do nothing."""
    await trivial(bench.client, 200)
    bench.table.at_least("trivial calls", 300, await trivial(bench.client, 3000), "a second")


async def starts(bench: Bench) -> None:
    """Measure cold starts."""
    bench.table.at_most(
        "first call after an edit", 100, await cold(bench.client, bench.functions, "trivial", TRIVIAL), "ms"
    )
    if importlib.util.find_spec("cognite"):
        took = await cold(bench.client, bench.functions, "client", WITH_CLIENT)
        bench.table.at_most("the same, with a CogniteClient", 700, took, "ms")


async def polls(bench: Bench) -> None:
    """Measure what status polls do to a running call."""
    ratio, rate = await polled(bench.client, bench.functions)
    bench.table.at_most(f"a call's runtime with {POLLS:,} polls in flight", 1.1, ratio, "times")
    bench.table.print("these polls", "", f"{rate:.3g} a second", "")


async def memory(bench: Bench) -> None:
    """Measure the server's memory, before so many calls and after each tenth of them."""
    await trivial(bench.client, bench.calls // SAMPLES)  # caches and pools have their size by then
    samples = [bench.functions.resident()]
    for part in range(1, SAMPLES + 1):
        await trivial(bench.client, bench.calls // SAMPLES)
        samples.append(bench.functions.resident())
        bench.table.print(f"memory after {bench.calls * part // SAMPLES:,} calls", "", f"{samples[-1]:.1f} MB", "")
    growth = statistics.fmean(samples[-3:]) - statistics.fmean(samples[:3])
    bench.table.at_most(f"growth of memory over {bench.calls:,} calls", 10, growth, "MB")


async def measure(functions: Functions, figures: Sequence[str], calls: int) -> None:
    """Measure, and print the lines of the table."""
    async with functions.client() as client:
        await client.call("trivial")
        bench = Bench(Table(), client, functions, calls)
        for name in figures:
            await FIGURES[name](bench)
    print(f"\nload of the machine: {', '.join(f'{load:.1f}' for load in os.getloadavg())}, {os.cpu_count()} processors")


FIGURES = {"sleeps": sleeps, "throughput": throughput, "starts": starts, "polls": polls, "memory": memory}
SPREAD = ("sleep0", "sleep1", "sleep2", "sleep3")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("figures", nargs="*", help=f"what to measure, all by default: {', '.join(FIGURES)}")
    parser.add_argument("--calls", type=int, default=100_000, help="calls over which the server's memory is watched")
    arguments = parser.parse_args()
    if unknown := set(arguments.figures) - set(FIGURES):
        parser.error(f"unknown figures: {', '.join(sorted(unknown))}")
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # of the server too, which inherits it
    with tempfile.TemporaryDirectory() as folder:
        functions = Functions(Path(folder))
        try:
            asyncio.run(measure(functions, arguments.figures or list(FIGURES), arguments.calls))
        finally:
            functions.end()


if __name__ == "__main__":
    main()
