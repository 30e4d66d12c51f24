"""The example scripts, as a user runs them: processes of their own against a running local server."""

from __future__ import annotations

import asyncio
import csv
import os
import signal
import sys
from pathlib import Path

import pytest

from aiocdf.local import serve

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture
async def environment():
    """Give the environment that `aiocdf serve examples/functions` tells its users to set."""
    async with serve(EXAMPLES / "functions") as server:
        yield os.environ | server.environment()


async def start(environment, *arguments, stderr=asyncio.subprocess.PIPE):
    """Start a script as a process."""
    command = [sys.executable, "-W", "error", *arguments]
    return await asyncio.create_subprocess_exec(
        *command, cwd=EXAMPLES, env=environment, stdout=asyncio.subprocess.PIPE, stderr=stderr
    )


async def run(environment, *arguments):
    """Run a script to its end; return its exit status and what it wrote."""
    process = await start(environment, *arguments)
    out, err = await process.communicate()
    return process.returncode, out.decode(), err.decode()


async def read_until(terminal, text):
    """Return what a terminal shows, up to and with the first mention of *text*."""
    seen = ""
    while text not in seen:
        seen += (await asyncio.to_thread(os.read, terminal, 1024)).decode()
    return seen


async def test_quickstart_shows_values_logs_and_an_error(environment):
    """The quickstart does what it says, with nothing on stderr."""
    status, out, err = await run(environment, "quickstart.py")

    assert (status, err) == (0, "")
    assert "double of 2: {'value': 4}" in out
    assert f"doubles: {[2 * x for x in range(20)]}" in out
    assert "log: 1 of 2: TT-101, 2 readings" in out
    assert "failed: " in out
    assert "TT-104" in out


async def test_fan_out_finds_all_answers_right(environment):
    """Every call is answered and checked, and nothing is written to stderr."""
    status, out, err = await run(environment, "fan_out.py", "40")

    assert (status, err) == (0, "")
    assert [line for line in out.splitlines() if "10 calls, 10 right" in line] == out.splitlines()[:4]
    assert out.splitlines()[4].startswith("40 calls in ")


async def test_fan_out_ends_cleanly_on_ctrl_c(environment):
    """On a terminal it shows how far it is; interrupted, it says what becomes of the calls, without a traceback."""
    terminal, its_end = os.openpty()
    process = await start(environment, "fan_out.py", "3000", stderr=its_end)
    os.close(its_end)
    try:
        await read_until(terminal, "of 3000 calls finished")
        process.send_signal(signal.SIGINT)
        last_words = await read_until(terminal, "run on at the service")
        out, _ = await process.communicate()
    finally:
        os.close(terminal)

    assert (process.returncode, out) == (1, b"")
    assert "stopped" in last_words
    assert "Traceback" not in last_words


async def test_web_service_passes_its_self_test(environment):
    """The service starts a call, hands out its ref, tells its end, and answers 404 for an unknown function."""
    assert await run(environment, "web_service.py", "--self-test") == (0, "self-test passed\n", "")


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "CDF_PROJECT"),
        ({"CDF_PROJECT": "local", "CDF_URL": "http://127.0.0.1:9", "CDF_TOKEN": "t"}, "aiocdf serve"),
    ],
    ids=["not set", "no server"],
)
async def test_web_service_says_what_is_missing(environment, words):
    """Without a server, or without the variables that name one, the self-test ends with one sentence."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CDF_", "IDP_", "LOGIN_"))}
    status, out, err = await run(kept | environment, "web_service.py", "--self-test")

    assert (status, out) == (1, "")
    assert err.startswith("stopped: ")
    assert err.count("\n") == 1
    assert words in err


async def test_nightly_job_writes_a_table(environment, tmp_path):
    """Each input has its line; one call that fails gives the job the exit status 1, and the others their results."""
    table = tmp_path / "report.csv"
    status, out, err = await run(environment, "nightly_job.py", "--out", str(table), "--stations", "3")

    rows = [*csv.DictReader(table.read_text().splitlines())]
    assert (status, out, len(rows)) == (1, "", 16 + 3)
    assert [row["input"] for row in rows if row["error"]] == ["{'pumps': 1, 'needed': 2, 'samples': 50}"]
    assert "1 failed" in err
    assert "Traceback" not in err
