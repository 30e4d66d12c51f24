"""Functions become ready: their requirements, their Python, and the import of the handler."""

from __future__ import annotations

import asyncio
import logging
import shutil
import sys
import zipfile

import pytest

from aiocdf.local.runtime import environments, interpreters, machine
from aiocdf.local.runtime.builder import Builder
from aiocdf.local.runtime.deployment import read_deployment
from aiocdf.local.runtime.environments import Environments
from aiocdf.local.runtime.machine import Machine
from aiocdf.secret import Secret


@pytest.fixture
async def builder(stage, tmp_path):
    builder = Builder(Machine(stage.pool, Environments(tmp_path / "environments")), logging.getLogger("aiocdf.local"))
    yield builder
    await builder.aclose()


@pytest.fixture
def wheel(tmp_path):
    """Write a wheel with a package of one value, and return its folder."""
    folder = tmp_path / "wheels"
    folder.mkdir()

    def write(value, name="dependency"):
        info = f"{name}-1.{value}.dist-info"
        with zipfile.ZipFile(folder / f"{name}-1.{value}-py3-none-any.whl", "w") as archive:
            archive.writestr(f"{name}.py", f"VALUE = {value}")
            archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.{value}\n")
            archive.writestr(
                f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
            )
            archive.writestr(f"{info}/RECORD", "")
        return folder

    return write


async def test_ready_after_one_import(stage, builder):
    """A function is Ready once its handler was imported, and the first call finds that process warm."""
    stage.write("import os\nPID = os.getpid()\ndef handle(): return PID == os.getpid()")
    build = builder.begin(stage.deployment())
    assert build.status == "Queued"

    build = await builder.finished(stage.deployment())

    assert (build.status, build.error) == ("Ready", None)
    assert build.runtime_version == sys.version.split()[0]
    before = len(stage.pool._lines[build.deployment.path].idle)
    await stage.pool.run(build.deployment, None, lambda *_: None)
    assert (before, len(stage.pool._lines[build.deployment.path].idle)) == (1, 1)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("\nimport no_such_module\ndef handle(): pass", "handler.py, line 2: ModuleNotFoundError: No module named"),
        ("def handle(data:\n", "handler.py, line 1: not valid Python: '(' was never closed"),
        ("import other\ndef handle(): pass", "SyntaxError: invalid syntax (other.py, line 3)"),
        ("\n\nasync def handle(): pass", "handler.py, line 3: `handle` is async"),
        ("async def f(): pass\nhandle = f", "handler.py, line 1: handle is async"),
        ("handle = 3", "handler.py defines no function `handle`"),
        ("def handle(x): pass", "handler.py, line 1: `handle` takes x"),
        ("raise SystemExit(3)\ndef handle(): pass", "handler.py, line 1: SystemExit: 3"),
        ("import os\nos._exit(3)\ndef handle(): pass", "exited with code 3"),
    ],
)
async def test_handler_that_cannot_work_is_failed(stage, builder, caplog, code, reason):
    """The reason with file and line is the first line of the error, and a line in the log."""
    stage.write(code)
    (stage.root / "f" / "other.py").write_text("\n\nnot = python")

    build = await builder.finished(stage.deployment())

    assert build.status == "Failed"
    assert reason in build.error.splitlines()[0]
    assert reason in caplog.messages[0]
    assert caplog.messages[0].startswith("function f is not ready: ")


async def test_change_is_built_and_the_old_build_is_given_up(stage, builder, tmp_path):
    """Only what is on disk now counts, also while the old build hangs."""
    stage.write("while True: pass\ndef handle(): pass")
    old = builder.begin(stage.deployment())
    while old.status != "Deploying":
        await asyncio.sleep(0.001)

    stage.write("def handle(): return 1")

    assert (await builder.finished(stage.deployment())).status == "Ready"
    assert old.status == "Deploying"


async def test_import_has_a_time_limit(stage, builder, monkeypatch):
    """An import that hangs does not deploy for ever."""
    monkeypatch.setattr(machine, "_IMPORT_LIMIT", 0.3)
    stage.write("while True: pass\ndef handle(): pass")

    assert "more than 0.3 seconds" in (await builder.finished(stage.deployment())).error


@pytest.mark.parametrize("installer", ["pip", "uv"])
async def test_requirements_are_installed_once(stage, builder, wheel, monkeypatch, installer):
    """The function finds them, and a function with the same ones uses the same environment."""
    if installer == "pip":
        monkeypatch.setattr(environments, "_uv", lambda: None)
    for name in ("f", "g"):
        stage.write(
            "import dependency, sys\ndef handle(): return [dependency.VALUE, 'attrs' in sys.modules]", name=name
        )
        (stage.root / name / "requirements.txt").write_text(f"--no-index\n--find-links {wheel(3)}\ndependency\n")

    f, g = [await builder.finished(stage.deployment(name)) for name in "fg"]

    assert (f.status, f.error) == ("Ready", None)
    assert (await stage.pool.run(f.deployment, stage.invocation(), lambda *_: None)).response == b"[3, false]"
    assert g.deployment.python == f.deployment.python != sys.executable


async def test_changed_requirements_make_another_environment(stage, builder, wheel):
    """An environment is known by what is in it."""
    stage.write("import dependency\ndef handle(): return dependency.VALUE")
    values = []
    for value in (1, 2):
        requirements = f"--no-index\n--find-links {wheel(value)}\ndependency==1.{value}\n"
        (stage.root / "f" / "requirements.txt").write_text(requirements)
        build = await builder.finished(stage.deployment())
        values.append((await stage.pool.run(build.deployment, stage.invocation(), lambda *_: None)).response)

    assert values == [b"1", b"2"]


async def test_requirements_that_cannot_be_installed(stage, builder, monkeypatch):
    """The build log's tail is in the error, the passwords of indexes are not."""
    monkeypatch.setenv("UV_HTTP_RETRIES", "0")
    stage.write("def handle(): pass", settings="index_url = 'http://user:pass-word@127.0.0.1:9/simple'")
    (stage.root / "f" / "requirements.txt").write_text("no-such-package-anywhere\n")

    build = await builder.finished(stage.deployment())

    assert build.status == "Failed"
    assert build.error.startswith("installing requirements.txt failed: ")
    assert "no-such-package-anywhere" in build.error
    assert "pass-word" not in build.error


async def test_half_built_environment_is_built_again(stage, builder, wheel):
    """An environment whose build was cut short is not used."""
    stage.write("import dependency\ndef handle(): return dependency.VALUE")
    (stage.root / "f" / "requirements.txt").write_text(f"--no-index\n--find-links {wheel(4)}\ndependency\n")
    build = await builder.finished(stage.deployment())
    environment = build.deployment.python.removesuffix("/bin/python")
    shutil.rmtree(environment + "/lib")
    (stage.root.parent / environment / "complete").unlink()
    builder.forget(build.deployment.path)

    assert (await builder.finished(stage.deployment())).status == "Ready"


async def test_runtime_is_an_installed_python(stage, builder):
    """A function runs with the version that it asks for, or says what is missing."""
    stage.write("import sys\ndef handle(): return list(sys.version_info[:2])", settings="runtime = 'py399'")

    assert "needs Python 3.99, which is not installed" in (await builder.finished(stage.deployment())).error


@pytest.mark.parametrize("minor", [10, 12, 13, 14])
async def test_other_runtime(stage, builder, minor):
    """A function runs with another Python than the server's, where one is installed."""
    if not interpreters._search_all(f"3.{minor}"):
        pytest.skip(f"Python 3.{minor} is not installed")
    stage.write("import sys\ndef handle(): return sys.version_info[1]", settings=f"runtime = 'py3{minor}'")

    build = await builder.finished(stage.deployment())

    assert (build.status, build.error) == ("Ready", None)
    assert build.runtime_version.startswith(f"3.{minor}.")
    assert (await stage.pool.run(build.deployment, stage.invocation(), lambda *_: None)).response == b"%d" % minor


async def test_function_with_settings_that_are_not_in_a_file(stage, builder):
    """Functions that are made through the API are built from a folder and their settings."""
    stage.write("def handle(secrets): return secrets")
    settings = {"secrets": {"key": Secret("s3cret-of-made")}}
    deployment = read_deployment(stage.root / "f", external_id="made", settings=settings)

    build = await builder.finished(deployment)

    assert (build.status, build.deployment.external_id) == ("Ready", "made")
    assert (
        await stage.pool.run(build.deployment, stage.invocation(), lambda *_: None)
    ).response == b'{"key": "s3cret-of-made"}'


async def test_close_gives_up_builds(stage, builder):
    """Closing while a build goes on leaves no process."""
    stage.write("while True: pass\ndef handle(): pass")
    build = builder.begin(stage.deployment())
    while build.status != "Deploying":
        await asyncio.sleep(0.001)

    await builder.aclose()

    assert not builder._tasks
