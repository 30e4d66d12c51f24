"""`aiocdf demo`: what aiocdf does, shown on the example functions."""

from __future__ import annotations

import asyncio
import shlex
import shutil
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs
from rich.table import Table

from aiocdf import _clock
from aiocdf.cli.base.console import open_console, shown_progress
from aiocdf.errors import CallFailed
from aiocdf.local import serve
from aiocdf.telemetry import CallEnded

if TYPE_CHECKING:
    from rich.console import Console

    from aiocdf.client import Client
    from aiocdf.local import LocalServer
    from aiocdf.models.calls import FunctionCall
    from aiocdf.models.stats import Stats
    from aiocdf.telemetry import Event

__all__ = ["run_demo"]

# The wheel has a copy beside this module; a checkout has the files in their own folder only.
PACKAGED = Path(__file__).with_name("examples")
EXAMPLES = PACKAGED if PACKAGED.is_dir() else Path(__file__).parents[2] / "examples" / "functions"

READINGS = {"TT-101": [21.5, 22.0, 21.8], "TT-102": [19.0, 19.4]}
SPIKE = [float(n % 7) for n in range(200)] + [100.0]

# Each block can be pasted into a shell as it stands, so none of them is indented.
NEXT = """
What to try next:

  Copy these functions, serve the copy, and edit a handler.py meanwhile:

mkdir my-functions && cp -R {examples}/. my-functions
{aiocdf} serve my-functions --env-file local.env

  Call them from a second shell in the same folder:

set -a; . ./local.env; set +a
{python} - <<'END'
import asyncio, aiocdf

async def main():
    async with aiocdf.Client.from_env() as client:
        print(await client.call("double", data={{"x": 21}}).response())

asyncio.run(main())
END
"""


@attrs.frozen
class FanOut:
    """What many calls took: seconds, and the counts of the client that made them."""

    seconds: float
    stats: Stats


async def run_demo(calls: int) -> None:
    """Make one call, many at once, and one that fails, against a server of its own; print what comes of them.

    Args:
        calls: How many to make at once.
    """
    console = open_console()
    async with serve(EXAMPLES) as server, server.client() as client:
        console.print(f"A local server runs the example functions at {server.url}.")
        _title(console, "One call")
        await _one_call(console, client)
        _title(console, f"{calls} calls of four functions at once")
        fan_out = await _many_calls(console, server, calls)
        _title(console, "A call that fails")
        await _failed_call(console, client)
    _title(console, "What the calls took")
    console.print(_table(fan_out, calls))
    aiocdf, python = _commands()
    console.out(NEXT.format(aiocdf=aiocdf, python=python, examples=shlex.quote(str(EXAMPLES))))


def _commands() -> tuple[str, str]:
    """Return what runs aiocdf and this Python from the user's shell: short where that is on its PATH."""
    beside = str(Path(sys.executable).with_name("python"))
    python = "python" if shutil.which("python") == beside else shlex.quote(sys.executable)
    started = str(Path(sys.argv[0]).absolute())
    return "aiocdf" if shutil.which("aiocdf") == started else f"{python} -m aiocdf", python


def _title(console: Console, text: str) -> None:
    console.print(f"\n{text}\n", style="bold")


def _code(console: Console, text: str) -> None:
    console.out(f">>> {text}", style="cyan")


async def _one_call(console: Console, client: Client) -> None:
    _code(console, 'handle = client.call("signed_report", data={"readings": ...})')
    handle = client.call("signed_report", data={"readings": READINGS})
    _code(console, "await handle")
    console.print(_record(await handle), "")
    _code(console, "await handle.response()")
    console.print_json(data=await handle.response())
    console.print()
    _code(console, "async for line in handle.logs(): ...")
    async for line in handle.logs():
        console.print(f"{line.timestamp} {line.message}")


def _record(call: FunctionCall) -> Table:
    table = Table.grid(padding=(0, 3))
    for name in ("id", "function_id", "status", "start_time", "end_time"):
        table.add_row(name, str(getattr(call, name)))
    table.add_row("runtime", f"{call.runtime} s")
    return table


async def _many_calls(console: Console, server: LocalServer, calls: int) -> FanOut:
    _code(console, "handles = [client.call(function, data=data) for function, data in jobs]")
    _code(console, "await asyncio.gather(*(handle.response() for handle in handles))")
    jobs = [_job(n) for n in range(calls)]
    with shown_progress(console, calls) as one_more:

        def observe(event: Event) -> None:
            if isinstance(event, CallEnded):
                one_more()

        # A client of its own, so that its counts are of these calls alone.
        async with server.client(observers=(observe,)) as client:
            began = _clock.monotonic()
            handles = [client.call(function, data=data) for function, data in jobs]
            await asyncio.gather(*(handle.response() for handle in handles))
            return FanOut(_clock.monotonic() - began, client.stats())


def _job(n: int) -> tuple[str, dict[str, Any]]:
    """Return function and data of the n-th call: each of the four in turn, never twice the same simulation."""
    jobs: tuple[tuple[str, dict[str, Any]], ...] = (
        ("double", {"x": n}),
        ("daily_statistics", {"year": 2012 + n // 4 % 4, "seed": n}),
        ("anomalies", {"values": SPIKE}),
        ("pump_availability", {"samples": 300, "seed": n}),
    )
    return jobs[n % 4]


async def _failed_call(console: Console, client: Client) -> None:
    _code(console, 'await client.call("broken_calibration")')
    try:
        await client.call("broken_calibration")
    except CallFailed as error:
        console.out("".join(traceback.format_exception(error)).rstrip())


def _table(fan_out: FanOut, calls: int) -> Table:
    stats = fan_out.stats
    table = Table.grid(padding=(0, 3))
    table.add_row("calls", f"{calls}")
    table.add_row("wall time", f"{fan_out.seconds:.2f} s")
    table.add_row("polls per call", f"{stats.polls / calls:.2f}")
    table.add_row("requests per call", f"{stats.requests / calls:.2f}")
    table.add_row("mean detection lag", "unknown" if stats.detection_lag is None else f"{stats.detection_lag:.3f} s")
    return table
