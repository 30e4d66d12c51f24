"""The pytest plugin, in test runs of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import aiocdf

pytest_plugins = ["pytester"]

INI = """
[pytest]
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
cdf_functions = functions
"""

LOCAL_SERVER = r"""
import aiocdf, pytest

def add(data):
    return data["a"] + data["b"]

async def test_folder(cdf_client):
    assert await cdf_client.call("double", data={"x": 2}).response() == {"value": 4}

async def test_inline(cdf_server, cdf_client):
    name = cdf_server.deploy(add)
    assert await cdf_client.call(name, data={"a": 1, "b": 2}).response() == 3

async def test_replaced(cdf_server, cdf_client):
    def handle(data):
        return "new"
    assert await cdf_client.call(cdf_server.deploy(handle, "add")).response() == "new"

async def test_other_folder(cdf_server, cdf_client, tmp_path):
    (tmp_path / "handler.py").write_text("def handle(data):\n    return 5\n")
    assert await cdf_client.call(cdf_server.deploy(tmp_path, "five")).response() == 5

async def test_echo(cdf_client):
    assert await cdf_client.call("echo", data={"x": 1}).response() == {"x": 1}

def test_environment(cdf_environment):
    assert aiocdf.run("double", {"x": 3}) == {"value": 6}

@pytest.mark.parametrize("code", [len, "nowhere", 5, lambda data: data])
def test_refused(cdf_server, code):
    with pytest.raises(aiocdf.UsageError):
        cdf_server.deploy(code)
"""

FAULTS = """
import pytest
from aiocdf.local import Fault, Faults

@pytest.fixture(scope="module")
def cdf_server_settings():
    return {"faults": Faults(faults=[Fault(kind="status", endpoint="POST /functions/*/call", status=503, times=1)])}

async def test_outage(cdf_client):
    call = await cdf_client.call("echo", data={"x": 1})
    assert call.status == "Completed"
    assert cdf_client.stats().requests > 4
"""

BAD_SETTINGS = """
import pytest

@pytest.fixture(scope="module")
def cdf_server_settings():
    return {"port": -1}

def test_it(cdf_server):
    pass
"""

IN_MEMORY = """
import asyncio, aiocdf, pytest

pytestmark = pytest.mark.looptime

async def test_hour(cdf_service):
    cdf_service.add("double", lambda data: 2 * data["x"], seconds=3600)
    async with cdf_service.client(time_limit=7200) as client:
        assert await client.call("double", data={"x": 2}).response() == 4
    assert asyncio.get_running_loop().time() >= 3600

async def test_fault(cdf_service):
    cdf_service.add("echo", lambda data: data)
    cdf_service.fault("start", cdf_service.error(503, "busy"))
    async with cdf_service.client() as client:
        await client.call("echo")
    assert cdf_service.count("start") == 2

async def test_failure(cdf_service):
    def fails(data):
        raise ValueError("no")
    cdf_service.add("fails", fails)
    async with cdf_service.client() as client:
        with pytest.raises(aiocdf.CallFailed, match="no"):
            await client.call("fails")
"""


@pytest.fixture
def project(pytester, monkeypatch):
    """A project with a folder of functions, and no other plugins than those that it needs."""
    monkeypatch.setenv("PYTHONPATH", str(Path(aiocdf.__file__).parents[1]))
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makefile(".ini", pytest=INI)
    folder = pytester.mkdir("functions") / "double"
    folder.mkdir()
    (folder / "handler.py").write_text("def handle(data):\n    return {'value': 2 * data['x']}\n")
    return pytester


def run(project, *arguments, plugins=("asyncio", "pytest_aiocdf"), **modules):
    """Run test modules, in a process as a user does, and return what became of their tests."""
    project.makepyfile(**modules)
    return project.runpytest_subprocess(*(part for name in plugins for part in ("-p", name)), *arguments)


def test_local_server(project):
    """The fixtures run functions of a folder and inline ones, for a client, for `from_env` and without a loop.

    A module says what its server does by overriding the settings, such as faults. One that cannot start is an error of the
    tests that want it.
    """
    done = run(project, test_server=LOCAL_SERVER, test_faults=FAULTS, test_bad=BAD_SETTINGS)
    done.assert_outcomes(passed=11, errors=1)


def test_service_in_memory(project):
    """The service in memory runs Python functions, in virtual time, with scripted faults, where sockets are disabled."""
    plugins = ("asyncio", "looptime_plugin", "socket", "pytest_aiocdf")
    done = run(project, "--disable-socket", "--allow-unix-socket", plugins=plugins, test_memory=IN_MEMORY)
    done.assert_outcomes(passed=3)


def test_costs_nothing_unused():
    """Loading the plugin does not import the package."""
    script = "import sys, pytest_aiocdf; print('aiocdf' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
