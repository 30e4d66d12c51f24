"""`aiocdf map`, killed, interrupted and run again, as a user does it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import struct
import sys
import termios
import time
from collections import Counter

import pytest

# Each call adds a line to a file; those told to wait do so until a file is there.
HANDLER = """
import os, time

def handle(data):
    with open("{folder}/log", "a") as log:
        log.write(str(data["x"]) + "\\n")
    while data.get("wait") and not os.path.exists("{folder}/gate"):
        time.sleep(0.01)
    if data.get("fail"):
        raise ValueError("no")
    return 2 * data["x"]
"""
SERVER = """
import asyncio, json, sys
from aiocdf import local

async def main():
    async with local.serve("functions") as server:
        print(json.dumps(server.environment()), flush=True)
        await asyncio.to_thread(sys.stdin.read)

asyncio.run(main())
"""
MAP = ["map", "double", "inputs.jsonl", "--out", "results.jsonl"]


@pytest.fixture
def served(shell):
    """A shell whose commands find a server of a function that counts its executions."""
    function = shell.folder / "functions" / "double"
    function.mkdir(parents=True)
    (function / "handler.py").write_text(HANDLER.format(folder=shell.folder))
    server = shell.start("-c", SERVER, command=[sys.executable], stdin=-1)
    shell._environment |= json.loads(server.stdout.readline())
    yield shell
    (shell.folder / "gate").touch()
    server.communicate("")


def write(shell, *inputs) -> None:
    lines = [each if isinstance(each, str) else json.dumps(each) for each in inputs]
    (shell.folder / "inputs.jsonl").write_text("".join(line + "\n" for line in lines))


def results(shell) -> list[dict]:
    return [json.loads(line) for line in (shell.folder / "results.jsonl").read_text().splitlines()]


def executed(shell) -> Counter[int]:
    log = shell.folder / "log"
    return Counter(map(int, log.read_text().split())) if log.exists() else Counter()


def until_running(shell, count: int) -> None:
    """Wait until the journal has so many calls that run."""
    while executed(shell).total() < count:
        time.sleep(0.01)
    for _ in range(100):
        _, out, _ = shell.run("map", "--status", "results.jsonl.journal")
        if re.search(rf"Running +{count} ", out):
            return
        time.sleep(0.05)
    pytest.fail(f"it took too long:\n{out}")


def test_writes_a_result_for_each_input(served):
    """All inputs complete: status 0, plain lines in a pipe, and the results in order."""
    write(served, *({"x": x} for x in range(30)))

    status, out, err = served.run(*MAP, "--ordered")

    assert (status, err) == (0, "")
    assert "30 of 30 done" in out
    assert re.search(r"Completed +30 +", out)
    assert "\x1b" not in out
    assert [result["response"] for result in results(served)] == [2 * x for x in range(30)]


def test_status_is_1_where_an_input_has_not_completed(served):
    """Bad lines are named in their results, and do not stop the others."""
    write(served, {"x": 1}, "oops", {"x": 3})

    status, out, err = served.run(*MAP, "--ordered")

    assert (status, err) == (1, "")
    assert re.search(r"Invalid +1 +", out)
    assert [result["status"] for result in results(served)] == ["Completed", "Invalid", "Completed"]


def test_goes_on_after_kill(served):
    """Killed with calls running, it attaches to them when it is run again: each input is executed once."""
    write(served, *({"x": x, "wait": True} for x in range(4)))
    process = served.start(*MAP)
    until_running(served, 4)
    process.kill()
    served.end_of(process)
    assert not (served.folder / "results.jsonl").exists()
    (served.folder / "gate").touch()

    status, out, err = served.run(*MAP, "--ordered")

    assert (status, err) == (0, "")
    assert "4 of 4 done" in out
    assert [result["response"] for result in results(served)] == [0, 2, 4, 6]
    assert executed(served) == dict.fromkeys(range(4), 1)


def test_ctrl_c_lets_running_calls_end(served):
    """The first Ctrl-C starts no more, waits, writes what there is, and says how to go on."""
    write(served, *({"x": x, "wait": True} for x in range(4)), *({"x": x} for x in range(4, 8)))
    process = served.start(*MAP, "--max-pending", "4")
    until_running(served, 4)
    served.press_ctrl_c(process)
    while "Ctrl-C" not in process.stdout.readline():
        pass
    (served.folder / "gate").touch()
    status, out, err = served.end_of(process)

    assert (status, err) == (130, "")
    assert "run the same command again" in out
    assert {result["key"] for result in results(served)} == {1, 2, 3, 4}
    assert served.run(*MAP)[0] == 0
    assert executed(served) == dict.fromkeys(range(8), 1)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_second_ctrl_c_stops_at_once(served, number):
    """The second Ctrl-C, or being asked to terminate, does not wait; the journal has where it stands."""
    write(served, *({"x": x, "wait": True} for x in range(4)))
    process = served.start(*MAP)
    until_running(served, 4)
    if number == signal.SIGINT:
        served.press_ctrl_c(process)
        while "Ctrl-C" not in process.stdout.readline():
            pass
    process.send_signal(number)
    status, out, err = served.end_of(process)

    assert (status, err) == (128 + number, "")
    assert "Stopped" in out
    (served.folder / "gate").touch()
    assert served.run(*MAP)[0] == 0
    assert executed(served) == dict.fromkeys(range(4), 1)


def test_second_process_is_told_who_has_the_journal(served):
    """Two processes on one journal: the second is refused, in a line, with the first's id; and `--status` tells it."""
    write(served, {"x": 1, "wait": True})
    process = served.start(*MAP)
    until_running(served, 1)

    status, out, err = served.run(*MAP)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"process {process.pid} on " in err
    status, out, _ = served.run("map", "--status", "results.jsonl.journal")
    assert status == 0
    assert f"In use by process {process.pid} on " in out

    (served.folder / "gate").touch()
    assert served.end_of(process)[0] == 0


def test_failed_inputs_run_again_if_asked(served):
    """`--retry-failed` submits what failed again, and nothing else."""
    write(served, {"x": 1}, {"x": 2, "fail": True})
    assert served.run(*MAP)[0] == 1
    before = executed(served)

    status, out, _ = served.run(*MAP, "--retry-failed")

    assert status == 1
    assert executed(served) - before == {2: 1}
    assert re.search(r"Failed +1 +", out)


def test_changed_inputs_are_refused_in_a_line(served):
    """It says what differs, and sends nothing."""
    write(served, {"x": 1})
    served.run(*MAP)
    write(served, {"x": 1}, {"x": 2})

    status, out, err = served.run(*MAP)

    assert (status, out, err.count("\n")) == (2, "", 1)
    assert "changed since the journal began" in err
    assert executed(served) == {1: 1}


@pytest.mark.parametrize(
    "arguments",
    [
        ["map"],
        ["map", "double", "inputs.jsonl"],
        ["map", "double", "nowhere.jsonl", "--out", "r.jsonl"],
        ["map", "--status", "nowhere"],
        [*MAP, "--max-pending", "0"],
    ],
)
def test_wrong_usage_has_status_2(served, arguments):
    """What is missing or cannot be is told, and leaves nothing behind."""
    write(served, {"x": 1})
    before = {path.name for path in served.folder.iterdir()}

    status, out, err = served.run(*arguments)

    assert (status, out) == (2, "")
    assert err
    assert {path.name for path in served.folder.iterdir()} == before


def test_shows_progress_on_a_terminal(served):
    """On a terminal a bar moves until all inputs are done."""
    write(served, *({"x": x} for x in range(20)))
    terminal, its_end = os.openpty()
    try:
        fcntl.ioctl(its_end, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        process = served.start(*MAP, stdin=its_end, stdout=its_end, stderr=its_end)
        os.close(its_end)
        seen = b""
        try:
            while chunk := os.read(terminal, 4096):
                seen += chunk
        except OSError:  # what Linux says at its end
            pass
        served.end_of(process)
    finally:
        os.close(terminal)

    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", seen.decode())
    assert process.returncode == 0
    assert b"\x1b[" in seen
    assert "20 of 20 done" in plain
