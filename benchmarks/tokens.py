"""Measures the cost of an expired token, with a token endpoint that takes half a second.

Prints a table: how long all reads took, the longest time that the event loop was blocked, and how many tokens were
requested; then how much longer a renewal blocks the loop. Each run has its own process. `nox -s tokens` includes Cognite's
SDK.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import sys
from pathlib import Path
from typing import Any

import attrs
from aiohttp import web

READER = Path(__file__).parent / "contenders" / "reader.py"
TOKEN_SECONDS = 0.5
RUNS = 3
FUNCTION = {"id": 1, "name": "f", "status": "Ready", "createdTime": 0, "fileId": 1, "owner": "", "description": ""}


@attrs.frozen
class Case:
    """Reads at once, and how many seconds the tokens live: the one before them, and those from then on."""

    name: str
    reads: int
    first: int
    later: int = 3600
    #: Seconds between the first token and the reads.
    pause: float = 0.0


VALID = Case("100 reads at once, token valid", 100, first=3600)
EXPIRED = Case("100 reads at once, token expired", 100, first=1, pause=1.1)
CASES = (
    Case("1 read, token valid", 1, first=3600),
    Case("1 read, token expired", 1, first=1, pause=1.1),
    VALID,
    EXPIRED,
    Case("20 reads at once, tokens live 20 s", 20, first=20, later=20),
)


@attrs.define
class Service:
    """A slow token endpoint, and a fast API."""

    life: int
    tokens: int = 0

    async def token(self, _: web.Request) -> web.Response:
        """Answer with a token."""
        self.tokens += 1
        await asyncio.sleep(TOKEN_SECONDS)
        return web.json_response({"access_token": "token", "token_type": "Bearer", "expires_in": self.life})

    async def functions(self, _: web.Request) -> web.Response:
        """Answer with a function."""
        return web.json_response({"items": [FUNCTION]})


async def run(python: str, contender: str, case: Case) -> dict[str, Any]:
    """Let a contender read once."""
    service = Service(case.first)
    app = web.Application()
    app.router.add_post("/token", service.token)
    app.router.add_post("/api/v1/projects/benchmark/functions/byids", service.functions)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    pipe = asyncio.subprocess.PIPE
    reader = await asyncio.create_subprocess_exec(
        python, READER, contender, url, str(case.reads), stdin=pipe, stdout=pipe
    )
    if reader.stdin is None or reader.stdout is None or await reader.stdout.readline() != b"ready\n":
        sys.exit(f"{contender} cannot read")
    await asyncio.sleep(case.pause)
    service.life, service.tokens = case.later, 0
    output, _ = await reader.communicate(b"\n")
    await runner.cleanup()
    return {**json.loads(output), "tokens": service.tokens}


def row(case: Case, contender: str, runs: list[dict[str, Any]]) -> str:
    """Return a line of the table: medians, but the longest of the stalls."""
    wall = 1000 * statistics.median(one["wall"] for one in runs)
    stall = 1000 * max(one["stall"] for one in runs)
    tokens = statistics.median(one["tokens"] for one in runs)
    return f"{case.name:<36}{contender:<12}{wall:>10,.0f} ms{stall:>12,.0f} ms{tokens:>10g}"


async def compare(pythons: dict[str, str]) -> None:
    """Run everything, and print each result when it is there."""
    print(f"{'':<36}{'':<12}{'wall':>13}{'longest stall':>15}{'tokens':>10}")
    stalls = {}
    for case in CASES:
        for contender, python in pythons.items():
            runs = [await run(python, contender, case) for _ in range(RUNS)]
            stalls[contender, case] = 1000 * statistics.median(one["stall"] for one in runs)
            print(row(case, contender, runs), flush=True)
    for contender in pythons:
        added = stalls[contender, EXPIRED] - stalls[contender, VALID]
        print(f"the renewal adds to the stall of 100 reads at once, by medians, {contender}: {added:.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sdk-python", help="an interpreter that has cognite-sdk; without it aiocdf runs alone")
    arguments = parser.parse_args()
    contenders = {"aiocdf": sys.executable} | ({"sdk": arguments.sdk_python} if arguments.sdk_python else {})
    asyncio.run(compare(contenders))
