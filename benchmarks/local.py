"""What the local server does with many calls: sleeping ones, trivial ones, cold ones, and its memory over all of them.

Prints a Markdown table of targets and results. The server has a process of its own; the client is aiocdf's.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from aiocdf import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
COLD_RUNS = 7


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

    def end(self) -> None:
        """Stop the server."""
        self._process.communicate("")

    def _codes(self) -> Iterator[tuple[str, str]]:
        yield from ((f"sleep{n}", SLEEP) for n in range(4))
        yield "trivial", TRIVIAL
        yield "client", WITH_CLIENT


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


async def measure(functions: Functions, calls: int) -> Iterator[tuple[str, str, str, bool]]:
    """Return the lines of the table."""
    rows: list[tuple[str, str, str, bool]] = []

    def add(what: str, unit: str, target: float, result: float, met: Callable[[float, float], bool]) -> None:
        rows.append((what, f"{target:g} {unit}", f"{result:.3g} {unit}", met(result, target)))

    def below(result: float, target: float) -> bool:
        return result <= target

    os.environ |= functions.environment
    async with Client.from_env() as client:
        await client.call("trivial")
        add("100 calls of sleep(1) at once", "s", 2, await sleeping(client, {"sleep0": 100}), below)
        add(
            "250 over four functions", "s", 5, await sleeping(client, dict.fromkeys(SPREAD, 62) | {"sleep3": 64}), below
        )
        await trivial(client, 200)
        add("trivial calls", "a second", 300, await trivial(client, 3000), lambda result, target: result >= target)
        add("first call after an edit", "ms", 100, await cold(client, functions, "trivial", TRIVIAL), below)
        if importlib.util.find_spec("cognite"):
            took = await cold(client, functions, "client", WITH_CLIENT)
            add("the same, with a CogniteClient", "ms", 700, took, below)
        await trivial(client, calls // 10)
        before = functions.resident()
        await trivial(client, calls)
        add(f"growth of memory over {calls:,} calls", "MB", 10, functions.resident() - before, below)
    return iter(rows)


SPREAD = ("sleep0", "sleep1", "sleep2", "sleep3")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=10_000, help="calls over which the server's memory is watched")
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        functions = Functions(Path(folder))
        try:
            rows = asyncio.run(measure(functions, calls))
        finally:
            functions.end()
    print("| what | target | result | met |\n|---|--:|--:|---|")
    for what, target, result, met in rows:
        print(f"| {what} | {target} | {result} | {'yes' if met else '**no**'} |")


if __name__ == "__main__":
    main()
