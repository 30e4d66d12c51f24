"""Calls that end badly, and what is left of them: nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import attrs
import pytest

from aiocdf.local.runtime import fork_server, process

FOREVER = """
    import os, subprocess, time
    def handle(data):
        if not data: return os.getpid()
        child = subprocess.Popen(["sleep", "1000"])
        print("child", child.pid)
        print("self", os.getpid())
        time.sleep(1000)
"""


async def test_call_beyond_its_time_limit_is_killed_with_its_children(stage):
    """The outcome is Timeout, its message names the limit, lines until then are kept, and nothing runs on."""
    stage.write(FOREVER, settings="timeout = 0.3")

    outcome = await stage.run(stay=True)

    assert (outcome.status, outcome.response) == ("Timeout", None)
    assert "time limit of 0.3 seconds" in outcome.message
    await stage.end_of(await stage.line("child"), await stage.line("self"))


async def test_time_limit_does_not_count_the_start_of_the_process(stage):
    """A limit much shorter than a cold start is no trouble for a quick function."""
    stage.write("def handle(): return 1", settings="timeout = 0.01")

    assert (await stage.run()).status == "Completed"


async def test_endless_import_meets_the_time_limit(stage):
    """The import of the handler is part of the call."""
    stage.write("while True: pass\ndef handle(): return 1", settings="timeout = 0.1")

    assert (await stage.run()).status == "Timeout"


@pytest.mark.parametrize(
    ("death", "expected"),
    [
        ("os._exit(3)", "exited with code 3"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "killed by signal 9 (Killed)"),
        ("os.kill(os.getpid(), signal.SIGTERM)", "killed by signal 15 (Terminated)"),
        ("os.kill(os.getpid(), signal.SIGRTMIN + 3)", "killed by signal 37"),
        ("ctypes.string_at(0)", "killed by signal 11 (Segmentation fault)"),
    ],
)
async def test_process_that_dies_fails_its_call_only(stage, death, expected):
    """The message tells the exit code or signal, what it started dies with it, and the next call gets a new process."""
    stage.write(f"""
        import ctypes, os, signal, subprocess
        def handle(data):
            if not data: return "alive"
            print("child", subprocess.Popen(["sleep", "1000"]).pid)
            {death}
    """)

    outcome = await stage.run(die=True)

    assert outcome.status == "Failed"
    assert expected in outcome.message
    assert (await stage.run()).response == b'"alive"'
    await stage.end_of(await stage.line("child"))


async def test_segfault_leaves_its_traceback_in_the_log(stage):
    """Where Python was when it crashed can be read in the log."""
    stage.write("import ctypes\ndef handle(): ctypes.string_at(0)")

    await stage.run()

    assert "Fatal Python error: Segmentation fault" in stage.lines
    assert any("handler.py" in line and "in handle" in line for line in stage.lines)


async def test_process_killed_from_outside_in_the_middle_of_a_call(stage):
    """kill -9, as the kernel does when memory runs out, fails the call at once."""
    stage.write(FOREVER)
    call = stage.start(stay=True)

    os.kill(int(await stage.line("self")), signal.SIGKILL)

    assert "when memory runs out" in (await call).message
    await stage.end_of(await stage.line("child"))


async def test_death_is_noticed_although_a_fork_lives_on(stage):
    """A forked process does not hold the socket open whose end tells of the death."""
    stage.write("""
        import os, time
        def handle():
            if os.fork() == 0: time.sleep(1000)
            os._exit(4)
    """)

    assert "exited with code 4" in (await stage.run()).message


async def test_fork_that_comes_back_from_handle_does_not_answer(stage):
    """Only the function's own process answers its calls."""
    stage.write("""
        import os
        def handle():
            pid = os.fork()
            if pid == 0: return "fork"
            os.waitpid(pid, 0)
            return "process"
    """)

    assert [(await stage.run()).response for _ in range(3)] == [b'"process"'] * 3


async def test_process_that_died_idle_costs_no_call(stage):
    """A call that has not begun may go to another process, and does."""
    stage.write("import os\ndef handle(): return os.getpid()")
    first = (await stage.run()).response
    os.kill(int(first), signal.SIGKILL)

    second = await stage.run()

    assert second.status == "Completed"
    assert second.response != first


async def test_process_that_cannot_start_fails_the_call(stage):
    """A Python that ends at once is told, not tried for ever."""
    stage.write("def handle(): return 1")
    deployment = attrs.evolve(stage.deployment(), python="/bin/false")
    stage.deployment = lambda name: deployment

    outcome = await stage.run()

    assert outcome.status == "Failed"
    assert "code 1" in outcome.message


async def test_python_that_is_gone_fails_the_call(stage):
    """An environment that was deleted is named."""
    stage.write("def handle(): return 1")
    deployment = attrs.evolve(stage.deployment(), python="/no/such/python")
    stage.deployment = lambda name: deployment

    outcome = await stage.run()

    assert outcome.status == "Failed"
    assert "No such file or directory: '/no/such/python'" in outcome.message


@pytest.mark.parametrize("cancelled", [False, True])
async def test_python_that_does_not_begin_is_killed(stage, monkeypatch, tmp_path, cancelled):
    """A Python that hangs leaves no process, neither at its time limit nor when the server stops meanwhile."""
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\necho $$ > {tmp_path}/pid\nexec sleep 1000")
    python.chmod(0o700)
    monkeypatch.setattr(fork_server, "_START_LIMIT", 60 if cancelled else 0.5)
    stage.write("def handle(): return 1")
    deployment = attrs.evolve(stage.deployment(), python=str(python))
    stage.deployment = lambda name: deployment
    call = stage.start()
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.005)

    if cancelled:
        await stage.pool.aclose()

    outcome = await call
    assert outcome.message == "the local server was stopped" if cancelled else "within 0.5 seconds" in outcome.message
    await stage.end_of((tmp_path / "pid").read_text().strip())


async def test_process_that_does_not_begin_fails_the_call(stage, monkeypatch):
    """A process that hangs before its first word is killed and told."""
    monkeypatch.setattr(process, "_START_LIMIT", 0.0)
    stage.write("def handle(): return 1")

    outcome = await stage.run()

    assert (outcome.status, outcome.response) == ("Failed", None)
    assert "within 0 seconds" in outcome.message


async def test_folder_that_is_gone_fails_the_call(stage):
    """A function removed between look and call fails with the reason."""
    stage.write("def handle(): return 1")
    deployment = stage.deployment()
    (stage.root / "f").rename(stage.root / "g")
    stage.deployment = lambda name: deployment

    outcome = await stage.run()

    assert outcome.status == "Failed"
    assert "[Errno 2] No such file or directory" in outcome.message


async def test_cancelled_call_is_killed(stage):
    """Cancelling ends the process and what it started; the next call is well."""
    stage.write(FOREVER)
    call = stage.start(stay=True)
    pids = [await stage.line("child"), await stage.line("self")]

    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call

    await stage.end_of(*pids)
    assert (await stage.run()).status == "Completed"


async def test_cancelled_while_its_process_starts(stage, monkeypatch):
    """The process ends, and the traceback, with its locals, holds neither token nor secret."""
    waits, receive = asyncio.Event(), process.WorkerProcess._receive

    async def wait_once_busy(worker, size):
        if worker in stage.pool._busy:
            waits.set()
            await asyncio.Event().wait()
        return await receive(worker, size)

    monkeypatch.setattr(process.WorkerProcess, "_receive", wait_once_busy)
    stage.write("def handle(): return 1", settings="secrets = { key = 'the-secret' }")
    call = stage.start()
    await waits.wait()

    call.cancel()
    with pytest.raises(asyncio.CancelledError) as caught:
        await call

    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert "in _start" in shown
    assert "token-of-the-session" not in shown
    assert "the-secret" not in shown


async def test_cancelled_while_in_line(stage):
    """A call that waits for a place leaves the line without a trace."""
    stage.write(FOREVER)
    running = [stage.start(stay=True), stage.start(stay=True)]
    waiting = [stage.start(), stage.start()]
    await asyncio.sleep(0)

    waiting[0].cancel()
    for call in running:
        call.cancel()

    assert (await waiting[1]).status == "Completed"
    await asyncio.wait([*running, waiting[0]])


async def test_close_in_the_middle_fails_running_and_waiting_calls(stage):
    """Closing kills all processes, and each call gets an end that says why."""
    stage.write(FOREVER)
    calls = [stage.start(stay=True) for _ in range(4)]
    pids = [await stage.line("child"), await stage.line("self")]

    await stage.pool.aclose()

    assert {(await call).message for call in calls} == {"the local server was stopped"}
    await stage.end_of(*pids)
    assert (await stage.run()).message == "the local server was stopped"


async def test_close_ends_idle_processes_that_will_not_go(stage, monkeypatch):
    """A process kept by a thread of the function's is killed after a while, with what the function started."""
    monkeypatch.setattr(process, "_GOODBYE_LIMIT", 0.1)
    stage.write("""
        import os, subprocess, threading, time
        def handle():
            threading.Thread(target=time.sleep, args=(1000,)).start()
            print("child", subprocess.Popen(["sleep", "1000"]).pid)
            print("self", os.getpid())
    """)
    await stage.run()

    await stage.pool.aclose()

    await stage.end_of(await stage.line("child"), await stage.line("self"))


async def test_functions_die_with_a_server_that_was_killed(stage, tmp_path):
    """kill -9 of the parent takes busy and idle processes and their children along."""
    stage.write(FOREVER)
    script = tmp_path / "server.py"
    script.write_text(f"""
import asyncio
from pathlib import Path
from aiocdf.local.runtime.deployment import discover
from aiocdf.local.runtime.pool import Invocation, WorkerPool
from aiocdf.secret import Secret

async def main():
    pool = WorkerPool()
    (function,) = discover(Path({str(stage.root)!r}))
    def run(data):
        call = Invocation(call_id=1, function_id=1, data=data, base_url="", project="", token=Secret(""))
        return pool.run(function, call, lambda _, line: print(line, flush=True))
    first, second = await asyncio.gather(run({{}}), run({{}}))
    print("idle", first.response.decode(), flush=True)
    print("idle", second.response.decode(), flush=True)
    await run({{"stay": True}})

asyncio.run(main())
""")
    server = await asyncio.create_subprocess_exec(sys.executable, script, stdout=asyncio.subprocess.PIPE)
    pids = [(await server.stdout.readline()).split()[1].decode() for _ in range(4)]
    assert all(map(stage.is_alive, pids))

    server.kill()

    await server.wait()
    await stage.end_of(*pids)


async def test_calls_leave_no_descriptor_behind(stage):
    """Fifty calls, among them crashes and timeouts, end with the descriptors they began with."""
    stage.write(
        """
        import os, time
        def handle(data):
            if data["n"] % 5 == 1: os._exit(1)
            if data["n"] % 25 == 2: time.sleep(1000)
        """,
        settings="timeout = 0.3",
    )
    await asyncio.to_thread(os.getpid)  # the executor is there from now on
    before = stage.descriptors()

    outcomes = await asyncio.gather(*(stage.run(n=n) for n in range(50)))
    await stage.pool.aclose()

    assert [outcome.status for outcome in outcomes].count("Timeout") == 2
    assert [outcome.status for outcome in outcomes].count("Failed") == 10
    assert stage.descriptors() == before


async def test_fork_server_that_dies_is_replaced(stage, tmp_path):
    """Calls that run go on, and the next process is forked by another one."""
    stage.write("""
        import pathlib, time
        def handle(data):
            print("running")
            while not pathlib.Path(data["gate"]).exists(): time.sleep(0.001)
    """)
    call = stage.start(gate=str(tmp_path / "gate"))
    await stage.line("running")
    (starting,) = stage.pool._fork_servers.values()
    server = await starting

    os.kill(server._process.pid, signal.SIGKILL)
    while not server.ended:
        await asyncio.sleep(0.001)

    assert (await stage.run(gate="/")).status == "Completed"
    (tmp_path / "gate").touch()
    assert (await call).status == "Completed"
    await stage.pool.aclose()
    assert not list(Path(tempfile.gettempdir()).glob(f"aiocdf-{server._process.pid}-*"))
