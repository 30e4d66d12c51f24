"""What a function may use, and what it may change."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

NAMESPACES = subprocess.run(["unshare", "-m" if os.geteuid() == 0 else "-rm", "true"], check=False).returncode == 0
linux = pytest.mark.skipif(sys.platform != "linux", reason="these limits need Linux")
namespaces = pytest.mark.skipif(not NAMESPACES, reason="this system permits no mount namespaces")


@linux
async def test_memory_has_a_limit(stage):
    """A function that takes more memory than it may fails with the service's words; the next call is well."""
    stage.write("def handle(data): return len(bytearray(data['size']))", settings="memory = 0.2")

    outcome = await stage.run(size=300 * 2**20)

    assert (outcome.status, outcome.message) == ("Failed", "MemoryError: Function ran out of memory")
    assert (await stage.run(size=100 * 2**20)).status == "Completed"


@linux
async def test_processor_time_has_a_limit(stage):
    """All threads and processors together get `cpu` times the time limit."""
    stage.write("def handle():\n while True: pass", settings="cpu = 0.001\ntimeout = 20")

    outcome = await stage.run()

    assert outcome.status == "Timeout"
    assert "0.02 seconds" in outcome.message


@linux
async def test_processor_time_counts_anew_for_each_call(stage):
    """A warm process does not run out of what its earlier calls have used."""
    stage.write(
        """
        import os, time
        def handle():
            end = time.process_time() + 0.4
            while time.process_time() < end: pass
            return os.getpid()
        """,
        settings="cpu = 0.05\ntimeout = 20",
    )

    assert len({(await stage.run()).response for _ in range(6)}) == 1


@namespaces
async def test_folder_is_read_only(stage):
    """A function cannot change its code, nor leave files beside it."""
    stage.write("def handle(): open('file', 'w')")

    outcome = await stage.run()

    assert outcome.message.startswith("OSError: [Errno 30] Read-only file system")
    assert not (stage.root / "f" / "file").exists()


async def test_temporary_files_are_private_and_end_with_their_call(stage):
    """Each process has a folder of its own for temporary files, which is empty at the start of each call."""
    stage.write("""
        import os, tempfile
        def handle():
            before = os.listdir(tempfile.gettempdir())
            os.makedirs(os.path.join(tempfile.gettempdir(), "deep", "deeper"))
            tempfile.NamedTemporaryFile(delete=False).write(b"x")
            return [before, tempfile.gettempdir(), oct(os.stat(tempfile.gettempdir()).st_mode)[-3:]]
    """)

    first, second = [json.loads((await stage.run()).response) for _ in range(2)]

    assert first == second
    assert (first[0], first[2]) == ([], "700")
    assert Path(first[1]).is_dir()
    await stage.pool.aclose()
    assert not Path(first[1]).parent.exists()


@namespaces
async def test_tmp_is_private_where_nothing_of_the_function_is_in_it(stage, request):
    """`/tmp` itself is the private folder, unless the function or its Python lies there."""
    home = Path("/var/tmp", f"aiocdf-test-{os.getpid()}")
    if sys.base_prefix.startswith("/tmp/"):
        pytest.skip("this Python lies in /tmp")
    home.mkdir()
    request.addfinalizer(lambda: subprocess.run(["rm", "-r", str(home)], check=True))
    stage.root = home
    stage.write("import os\ndef handle(data): open(data['path'], 'w'); return os.listdir('/tmp')")

    deployment = attrs.evolve(stage.deployment(), python=sys._base_executable)
    stage.deployment = lambda name: deployment

    outcome = await stage.run(path=f"/tmp/{home.name}")

    assert json.loads(outcome.response) == [home.name]
    assert not Path("/tmp", home.name).exists()


async def test_processes_of_a_function_end_with_their_call(stage):
    """Also those with a session of their own, and those of a process that died."""
    stage.write("""
        import os, subprocess
        def handle(data):
            child = subprocess.Popen(["sh", "-c", "sleep 1000 & wait"], start_new_session=True)
            print("child", child.pid)
            if data["die"]: os._exit(3)
    """)
    for die in (False, True):
        await stage.run(die=die)
        await stage.end_of(await stage.line("child"))
        stage.lines.clear()
