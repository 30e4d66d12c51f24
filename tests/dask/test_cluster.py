"""The local server with a cluster: where calls run, what is shipped, and what becomes of calls whose worker is lost."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest

from aiocdf import local
from aiocdf.errors import ConfigError
from aiocdf.local.runtime.dask import cluster as cluster_module

pytestmark = pytest.mark.timeout(90)

# Leaves a mark, and waits for the gate to be opened if it is told so.
GATED = """
import os, pathlib, time
def handle(data):
    marks = pathlib.Path(data["marks"])
    print("in", os.getpid(), flush=True)
    with (marks / str(data["n"])).open("a") as file:
        file.write("x")
    while data.get("gated") and not (marks / "gate").exists():
        time.sleep(0.02)
    return data["n"]
"""


@contextlib.asynccontextmanager
async def serve(folder, cluster, **settings):
    """Serve functions on a cluster, with all functions ready or failed."""
    async with local.serve(folder, executor=cluster.executor, **settings) as server, server.client() as client:
        async with asyncio.timeout(60):
            while any(function.build.status in {"Queued", "Deploying"} for function in server.functions()):
                await asyncio.sleep(0.05)
            yield server, client


@pytest.fixture
def marks(tmp_path):
    folder = tmp_path / "marks"
    folder.mkdir()
    return folder


def written(marks):
    """Return how often each call has begun to work."""
    return {path.name: len(path.read_text()) for path in marks.iterdir() if path.name != "gate"}


async def begun(marks, *numbers):
    """Wait until calls have begun to work."""
    while not written(marks).keys() >= set(map(str, numbers)):
        await asyncio.sleep(0.02)


async def test_calls_run_on_all_workers(shared, functions, tmp_path):
    """Calls run in processes of the workers' machines, as many at once as there are threads, with the code shipped once."""
    folder = functions(
        "where",
        "import os, time, helper\n"
        "def handle(data, secrets, function_call_info):\n"
        "    time.sleep(1)\n"
        "    return [helper.VALUE, os.environ['COLOUR'], secrets['key'], os.getcwd(), function_call_info['call_id']]",
        helper_py="VALUE = 42",
        function_toml="[secrets]\nkey = 's3cret-of-where'\n[env_vars]\nCOLOUR = 'green'",
    )
    async with serve(folder, shared) as (_, client):
        began = asyncio.get_running_loop().time()
        handles = [client.call("where", data={}) for _ in range(12)]
        answers = await asyncio.gather(*(handle.response() for handle in handles))
        assert asyncio.get_running_loop().time() - began < 6
        assert all(answer[:3] == [42, "green", "s3cret-of-where"] for answer in answers)
        assert [answer[4] for answer in answers] == [handle.call_id for handle in handles]
        folders = {Path(answer[3]) for answer in answers}
        assert {path.relative_to(shared.folder).parts[0] for path in folders} == {"a", "b", "c"}
        assert len({path.parent.name for path in folders}) == 1
    assert not any(path.exists() for path in folders)
    for name in ("a", "b", "c"):
        log = shared.log(name)
        assert log.count(f"Starting Worker plugin {folders.pop().parent.name}") == 1
        assert "s3cret-of-where" not in log


async def test_logs_while_running(shared, functions, marks):
    """What a function prints is there while it runs; the call begins when the function does."""
    folder = functions("gated", GATED)
    async with serve(folder, shared) as (_, client):
        handle = client.call("gated", data={"marks": str(marks), "n": 1, "gated": True})
        async for entry in handle.logs(follow=True):
            assert entry.message.startswith("in ")
            break
        assert not handle.done()
        pid = int(entry.message.split()[1])
    # The server has ended, and so does the function.
    while Path(f"/proc/{pid}").exists():
        await asyncio.sleep(0.02)


async def test_failures(shared, functions):
    """A traceback, a time limit and a damaged handler come out as on this machine."""
    functions("raises", "def handle():\n    raise ValueError('no')")
    functions("slow", "import time\ndef handle():\n    time.sleep(60)", function_toml="timeout = 1")
    folder = functions("damaged", "import no_such_module\ndef handle(): pass")
    async with serve(folder, shared) as (server, client):
        raised = await client.call("raises").wait()
        slow = await client.call("slow").wait()
        (damaged,) = (each.build for each in server.functions() if each.external_id == "damaged")
    assert raised.status == "Failed"
    assert "ValueError: no" in str(raised.error)
    assert slow.status == "Timeout"
    assert "handler.py, line 1: ModuleNotFoundError" in damaged.error


@pytest.mark.parametrize("rerun", [False, True])
async def test_lost_worker(cluster, functions, marks, rerun):
    """Of calls on three workers, those of a killed worker that had begun end as Failed, or run again if that is allowed."""
    folder = functions("gated", GATED)
    async with serve(folder, cluster, rerun_lost=rerun) as (_, client):
        handles = [client.call("gated", data={"marks": str(marks), "n": n, "gated": n < 12}) for n in range(24)]
        await begun(marks, *range(12))
        cluster.kill("b")
        (marks / "gate").touch()
        calls = await asyncio.gather(*(handle.wait() for handle in handles))
        statuses = [call.status for call in calls]
        lost = [n for n, status in enumerate(statuses) if status == "Failed"]
        count = written(marks)
        if rerun:
            assert statuses == ["Completed"] * 24
            assert sorted(count.values()) == [1] * 20 + [2] * 4
        else:
            assert set(count.values()) == {1}
            assert len(lost) == 4
            assert max(lost) < 12
            assert all("was lost" in str(calls[n].error) for n in lost)
        # What is left of the cluster goes on, and a worker that joins gets the code.
        cluster.kill("a")
        cluster.kill("c")
        late = client.call("gated", data={"marks": str(marks), "n": 99})
        await late.submitted()
        cluster.start_worker("d")
        assert await late.response() == 99


async def test_worker_that_is_asked_to_end(cluster, functions, marks):
    """A call on a worker that ends in order is not repeated either."""
    folder = functions("gated", GATED)
    cluster.stop("b")
    cluster.stop("c")
    cluster.start_worker("b", threads=8)
    cluster.wait()
    async with serve(folder, cluster) as (_, client):
        handles = [client.call("gated", data={"marks": str(marks), "n": n, "gated": True}) for n in range(12)]
        await begun(marks, *range(12))
        await asyncio.to_thread(cluster.stop, "b")
        (marks / "gate").touch()
        statuses = [(await handle.wait()).status for handle in handles]
        assert sorted(statuses) == ["Completed"] * 4 + ["Failed"] * 8
        assert set(written(marks).values()) == {1}


async def test_calls_that_wait(shared, functions, marks):
    """Calls beyond the threads of the cluster have not begun: they can be ended, and do not run."""
    folder = functions("gated", GATED)
    async with serve(folder, shared) as (server, client):
        handles = [client.call("gated", data={"marks": str(marks), "n": n, "gated": True}) for n in range(14)]
        while len(written(marks)) < 12:
            await asyncio.sleep(0.02)
        await asyncio.gather(*(handle.submitted() for handle in handles))
        assert server.end_waiting_calls() == 2
        (marks / "gate").touch()
        statuses = [(await handle.wait()).status for handle in handles]
        assert sorted(statuses) == ["Completed"] * 12 + ["Failed"] * 2
        assert len(written(marks)) == 12


async def test_changed_code(shared, functions):
    """An edit is shipped with the next call."""
    folder = functions("f", "def handle(): return 1")
    async with serve(folder, shared) as (_, client):
        first = await client.call("f").response()
        functions("f", "def handle(): return 'two'")
        assert (first, await client.call("f").response()) == (1, "two")


async def test_requirements(shared, functions, tmp_path):
    """Requirements are installed on the worker."""
    package = tmp_path / "package"
    package.mkdir()
    (package / "pyproject.toml").write_text("[project]\nname = 'dependency'\nversion = '1'\n")
    folder = functions("f", "def handle(): return 1", requirements_txt="no-such-package @ file:///nowhere/at-all\n")
    async with serve(folder, shared) as (server, _):
        (function,) = server.functions()
        assert "requirements.txt" in function.build.error


async def test_client_in_a_function(shared, functions):
    """A function reaches the server."""
    folder = functions(
        "f",
        "import urllib.request, os\ndef handle(client): return client.config.base_url",
    )
    pytest.importorskip("cognite.client")
    async with serve(folder, shared) as (server, client):
        assert await client.call("f").response() == server.url


async def test_lost_scheduler(cluster, functions, marks):
    """If the scheduler is lost, calls that run fail with the reason, and later ones too."""
    folder = functions("gated", GATED)
    async with serve(folder, cluster) as (_, client):
        handle = client.call("gated", data={"marks": str(marks), "n": 1, "gated": True})
        while not written(marks):
            await asyncio.sleep(0.02)
        cluster.scheduler.kill()
        call = await handle.wait()
        assert call.status == "Failed"
        assert "Dask scheduler" in str(call.error)


async def test_no_scheduler(functions, monkeypatch):
    """A scheduler that does not answer is an error at the start."""
    folder = functions("f", "def handle(): pass")
    monkeypatch.setattr(cluster_module, "_CONNECT_LIMIT", 0.2)
    with pytest.raises(ConfigError, match=r"tcp://127\.0\.0\.1:9"):
        async with local.serve(folder, executor="dask://127.0.0.1:9"):
            pass


@pytest.mark.parametrize(
    "settings",
    [
        {"executor": "spark://host"},
        {"executor": "dask://"},
        {"executor": "dask://h:1", "processes": 3},
        {"rerun_lost": True},
    ],
)
def test_settings(tmp_path, settings):
    """Settings that do not fit are refused."""
    with pytest.raises(ConfigError):
        local.serve(tmp_path, **settings)
