"""What can be seen from here of how aiocdf behaves on Windows: a process that lacks what Windows lacks."""

from __future__ import annotations

import subprocess
import sys

import pytest

WINDOWS = """
import asyncio, multiprocessing, signal, socket, ssl, subprocess, sys, tempfile, zoneinfo
import aiohttp, aiohttp.web, typer, typer.main, rich.console, rich.progress  # these look at the platform as well

sys.platform = "win32"
for name in ("fcntl", "grp", "pwd", "resource", "termios"):
    sys.modules[name] = None
sys.modules["msvcrt"] = type(sys)("msvcrt")
for name in ("SIGHUP", "SIGKILL", "SIGQUIT"):
    delattr(signal, name)
"""


def on_windows(program: str) -> str:
    """Return what a program prints in such a process."""
    command = [sys.executable, "-P", "-c", f"{WINDOWS}\n{program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_client_can_be_imported() -> None:
    """The client, the credentials and the command line need nothing that Windows lacks."""
    program = """
import aiocdf
from aiocdf.cli.app import app
from aiocdf.cli.base.signals import _asking_to_end
print(aiocdf.Client.__name__, *(number.name for number in _asking_to_end()))
"""
    assert on_windows(program) == "Client SIGINT SIGTERM\n"


def test_commands_find_no_local_server() -> None:
    """The commands that call functions import, and find no running server."""
    program = """
from aiocdf.cli import calls, functions, outcome, schedules
from aiocdf.cli.base.running_servers import running_servers
print(running_servers())
"""
    assert on_windows(program) == "[]\n"


@pytest.mark.parametrize("package", ["aiocdf.local", "aiocdf.batch"])
def test_what_cannot_run_says_so(package: str) -> None:
    """Importing what needs fork or its file locks raises ConfigError, instead of an ImportError of some module."""
    program = f"""
import aiocdf
try:
    import {package}
except aiocdf.ConfigError:
    print("ConfigError")
"""
    assert on_windows(program) == "ConfigError\n"
