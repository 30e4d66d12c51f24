"""How children are kept, shared out and replaced."""

from __future__ import annotations

import asyncio
import json
import os

from aiocdf.local.runtime import pool

GATE = """
    import os, pathlib, time
    def handle(data):
        print("running", data["name"])
        while not pathlib.Path(data["gate"]).exists(): time.sleep(0.001)
        return os.getpid()
"""


async def test_module_state_lives_on_in_a_warm_process(stage):
    """The handler is imported once a process."""
    stage.write("calls = []\ndef handle():\n calls.append(1)\n return len(calls)")

    assert [(await stage.run()).response for _ in range(3)] == [b"1", b"2", b"3"]


async def test_no_more_processes_than_places(stage):
    """However many calls there are, they share the places."""
    stage.write("import os\ndef handle(): return os.getpid()")

    outcomes = await asyncio.gather(*(stage.run() for _ in range(20)))

    assert len({outcome.response for outcome in outcomes}) <= 2


async def test_first_come_first_served(stage):
    """Calls that wait for a place get it in the order in which they came."""
    stage.pool = pool.WorkerPool(processes=1)
    stage.write("def handle(data): print(data['n'])")

    await asyncio.gather(*(stage.run(n=n) for n in range(20)))

    assert stage.lines == [str(n) for n in range(20)]


async def test_calls_of_one_function_run_side_by_side(stage, tmp_path):
    """As many calls run at once as there are places, each in a process of its own; the next waits."""
    stage.write(GATE)
    calls = [asyncio.create_task(stage.invoke(data={"name": n, "gate": str(tmp_path / "gate")})) for n in range(3)]
    await stage.line("running 0")
    await stage.line("running 1")

    assert "running 2" not in stage.lines
    (tmp_path / "gate").touch()

    outcomes = await asyncio.gather(*calls)
    assert len({outcome.response for outcome in outcomes}) == 2
    assert stage.lines[-1] == "running 2"


async def test_functions_do_not_wait_for_one_another(stage, tmp_path):
    """A function whose places are all taken leaves others their own."""
    stage.write(GATE)
    stage.write("def handle(): return 1", name="other")
    data = {"name": "f", "gate": str(tmp_path / "gate")}
    calls = [asyncio.create_task(stage.invoke(data=data)) for _ in range(5)]

    assert (await stage.run("other")).status == "Completed"

    (tmp_path / "gate").touch()
    await asyncio.gather(*calls)


async def test_idle_processes_make_room_for_other_functions(stage):
    """When there are as many processes as allowed, the longest idle one goes first."""
    names = [f"f{n}" for n in range(5)]
    for name in names:
        stage.write("import os\ndef handle(): return os.getpid()", name=name)

    pids = [int((await stage.run(name)).response) for name in names]

    await stage.end_of(*pids[:2])
    assert all(map(stage.is_alive, pids[2:]))


async def test_idle_processes_end_after_a_while(stage, monkeypatch):
    """A process without work ends by itself."""
    monkeypatch.setattr(pool, "_IDLE_SECONDS", 0.02)
    stage.write("import os\ndef handle(): return os.getpid()")
    pid = (await stage.run()).response.decode()

    await stage.end_of(pid)

    assert (await stage.run()).response.decode() != pid


async def test_retired_process_ends_politely(stage, tmp_path):
    """What the function registered for the end of its process is done."""
    stage.write("import atexit\nfrom pathlib import Path\ndef handle(data): atexit.register(Path(data['file']).touch)")
    await stage.run(file=str(tmp_path / "file"))

    await stage.pool.aclose()

    assert (tmp_path / "file").exists()


async def test_changed_code_is_run_by_the_next_call(stage):
    """Even a change of one character within the same second counts; the old process ends."""
    stage.write("import os\ndef handle(): return [1, os.getpid()]")
    _, pid = json.loads((await stage.run()).response)

    stage.write("import os\ndef handle(): return [2, os.getpid()]")

    assert json.loads((await stage.run()).response)[0] == 2
    await stage.end_of(pid)
    assert not list(stage.root.rglob("__pycache__"))


async def test_changed_settings_are_passed_by_the_next_call(stage):
    """Secrets and environment are part of what is deployed."""
    code = "import os\ndef handle(secrets): return [secrets['key'], os.environ['PLACE']]"
    stage.write(code, settings="secrets = { key = 'a' }\nenv_vars = { PLACE = 'A' }")
    assert (await stage.run()).response == b'["a", "A"]'

    stage.write(code, settings="secrets = { key = 'b' }\nenv_vars = { PLACE = 'B' }")

    assert (await stage.run()).response == b'["b", "B"]'


async def test_busy_process_finishes_its_call_before_it_retires(stage, tmp_path):
    """A change of the code does not disturb calls that run; their process takes no other call."""
    stage.write(GATE)
    call = asyncio.create_task(stage.invoke(data={"name": "old", "gate": str(tmp_path / "gate")}))
    await stage.line("running old")
    stage.write("import os\ndef handle(data): return 'new'")
    assert (await stage.run()).response == b'"new"'

    (tmp_path / "gate").touch()

    outcome = await call
    assert outcome.status == "Completed"
    await stage.end_of(outcome.response.decode())


async def test_call_in_line_runs_the_newest_code(stage, tmp_path):
    """A call that waited while the code changed runs what is on disk, with the settings that belong to it."""
    stage.write(GATE, settings="secrets = { key = 'old' }")
    data = {"name": "f", "gate": str(tmp_path / "gate")}
    calls = [asyncio.create_task(stage.invoke(data=data)) for _ in range(3)]
    await stage.line("running f")
    stage.write("def handle(secrets): return secrets", settings="secrets = { key = 'new' }")
    newest = stage.start()
    await asyncio.sleep(0)

    (tmp_path / "gate").touch()

    assert (await newest).response == b'{"key": "new"}'
    assert (await calls[2]).response == b'{"key": "new"}'
    await asyncio.gather(*calls)


def test_default_processes_follow_the_memory(monkeypatch):
    """One for each 64 MiB, 4 to 250."""
    for gibibytes, processes in ((0.125, 4), (4, 64), (64, 250)):
        pages = {"SC_PHYS_PAGES": int(gibibytes * 2**18), "SC_PAGE_SIZE": 4096}
        monkeypatch.setattr(os, "sysconf", pages.__getitem__)
        assert pool.default_processes() == processes


async def test_calls_that_sleep_do_not_wait_for_processors(stage):
    """As many calls run at once as there are processes, however few the processors."""
    stage.pool = pool.WorkerPool(processes=50)
    stage.write("import time\ndef handle(): time.sleep(1)")
    loop = asyncio.get_running_loop()
    await stage.run()
    began = loop.time()

    await asyncio.gather(*(stage.run() for _ in range(40)))

    assert loop.time() - began < 10
    await stage.pool.aclose()


async def test_starts_do_not_hold_up_a_call_that_a_warm_process_can_take(stage):
    """Many short calls at once are run by few processes: those that end take the next before more are started."""
    stage.pool = pool.WorkerPool(processes=200)
    stage.write("import os\ndef handle(): return os.getpid()")

    outcomes = await asyncio.gather(*(stage.run() for _ in range(150)))

    assert len({outcome.response for outcome in outcomes}) < 75
    await stage.pool.aclose()


async def test_work_begins_when_a_process_takes_the_call(stage, tmp_path):
    """A call in line has not begun."""
    stage.pool = pool.WorkerPool(processes=1)
    stage.write(GATE)
    data = {"name": "f", "gate": str(tmp_path / "gate")}
    begun = []
    calls = [
        asyncio.create_task(
            stage.pool.run(stage.deployment(), stage.invocation(data=data), stage._log, lambda n=n: begun.append(n))
        )
        for n in range(2)
    ]
    await stage.line("running f")

    assert begun == [0]

    (tmp_path / "gate").touch()
    await asyncio.gather(*calls)
    assert begun == [0, 1]
    await stage.pool.aclose()
