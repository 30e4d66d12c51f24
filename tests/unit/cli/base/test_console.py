from __future__ import annotations

import asyncio
import io

import pytest
from rich.console import Console

from aiocdf.cli.base.console import shown_progress, shown_state


@pytest.mark.parametrize(
    ("total", "lines"),
    [
        (1, ["1 of 1"]),
        (3, ["1 of 3", "2 of 3", "3 of 3"]),
        (10, ["3 of 10", "5 of 10", "8 of 10", "10 of 10"]),
        (400, ["100 of 400", "200 of 400", "300 of 400", "400 of 400"]),
    ],
)
def test_pipe_gets_a_line_a_quarter(total, lines):
    """What is not a terminal gets at most four lines, and the last of them says that all is done."""
    console = Console(file=io.StringIO())

    with shown_progress(console, total) as one_more:
        for _ in range(total):
            one_more()

    assert console.file.getvalue().splitlines() == [f"{line} calls done" for line in lines]


def test_dumb_terminal_gets_lines(monkeypatch):
    """A terminal that cannot move its cursor is treated as a pipe."""
    monkeypatch.setenv("TERM", "dumb")
    console = Console(file=io.StringIO(), force_terminal=True)

    with shown_progress(console, 1) as one_more:
        one_more()

    assert console.file.getvalue() == "1 of 1 calls done\n"


@pytest.mark.looptime
async def test_state_is_new_as_time_passes(monkeypatch):
    """A terminal shows how a wait goes on; what it shows is read in the event loop, to which it belongs."""
    monkeypatch.setenv("TERM", "xterm")
    console = Console(file=io.StringIO(), force_terminal=True)
    began = asyncio.get_running_loop().time()
    async with shown_state(console, lambda: f"{asyncio.get_running_loop().time() - began:.0f} s"):
        await asyncio.sleep(3.1)

    assert "3 s" in console.file.getvalue()


async def test_state_is_not_shown_in_a_pipe():
    """What is not a terminal gets nothing."""
    console = Console(file=io.StringIO())
    async with shown_state(console, lambda: "waiting"):
        pass
    assert console.file.getvalue() == ""
