"""The command line, as a user runs it: processes of their own, outside of the checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

COMMAND = [sys.executable, "-W", "error", "-m", "aiocdf"]
COLOURS = {"COLUMNS", "FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
LIMIT = 40.0


class Shell:
    """Starts commands in a folder, and knows the processes that come of them by a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._mark = f"AIOCDF_SHELL={uuid.uuid4()}"
        self._environment = {name: value for name, value in os.environ.items() if name not in COLOURS}
        self._environment |= {"TERM": "xterm-256color", **dict([self._mark.split("=")])}
        self._environment["XDG_STATE_HOME"] = str(folder.with_name(f"{folder.name}-state"))
        self._started: list[subprocess.Popen[str]] = []

    def start(self, *arguments: str, command=COMMAND, environment=None, **streams) -> subprocess.Popen[str]:
        """Start a command as the leader of a process group, like a shell."""
        streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | streams
        process = subprocess.Popen(
            [*command, *arguments],
            cwd=self.folder,
            env=self._environment | (environment or {}),
            start_new_session=True,
            text=True,
            **streams,
        )
        self._started.append(process)
        return process

    def run(self, *arguments: str, **options) -> tuple[int, str, str]:
        """Run a command to its end; return its exit status and what it wrote."""
        return self.end_of(self.start(*arguments, **options))

    def python(self, source: str, environment=None, *arguments: str) -> str:
        """Run a Python program, which must succeed, and return what it printed."""
        status, out, err = self.run("-c", source, *arguments, command=[sys.executable], environment=environment)
        assert (status, err) == (0, "")
        return out

    def end_of(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Wait for the end of a command; return its exit status and what it has yet to say."""
        out, err = process.communicate(timeout=LIMIT)
        return process.returncode, out, err

    def press_ctrl_c(self, process: subprocess.Popen[str]) -> None:
        """Do to the command's process group what a terminal does."""
        os.killpg(process.pid, signal.SIGINT)

    def processes(self) -> list[str]:
        """Return the ids of the processes that are there because of this shell (on Linux)."""
        return [process.name for process in Path("/proc").glob("[0-9]*") if self._is_marked(process)]

    def close(self) -> None:
        """End what still runs."""
        for process in self._started:
            with process:
                if process.poll() is None:
                    process.kill()

    def _is_marked(self, process: Path) -> bool:
        try:
            return self._mark.encode() in (process / "environ").read_bytes().split(b"\0")
        except OSError:
            return False


@pytest.fixture(scope="module")
def module_shell(tmp_path_factory):
    """A shell for a server that many tests use."""
    shell = Shell(tmp_path_factory.mktemp("shell"))
    yield shell
    shell.close()


@pytest.fixture
def shell(tmp_path):
    """A shell of the test's own."""
    shell = Shell(tmp_path)
    yield shell
    shell.close()
