"""What holds for every test: no settings or ignored signals from outside, and no process left behind."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest

import aiocdf
from tests import secret_scan

if TYPE_CHECKING:
    from collections.abc import Iterator

for name in list(os.environ):
    if name.startswith(("AIOCDF_CONFIG", "AIOCDF_TOKEN_STORE", "CDF_", "COGNITE_", "IDP_", "LOGIN_FLOW", "PROVIDER")):
        del os.environ[name]

# `nohup` ignores hangups, and a shell interrupts of what runs in the background. Tests send both and expect them heard.
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# looptime asks for the current event loop in tests without one too. Up to Python 3.13 asyncio would make one up for it,
# which nobody closes, and the warning of that fails whichever test runs when it is collected.
asyncio.set_event_loop(None)

# Without a deadline: a busy machine is not a counterexample. `--hypothesis-profile=thorough` is for the night.
hypothesis.settings.register_profile("quick", deadline=None)
hypothesis.settings.register_profile("thorough", deadline=None, max_examples=2_000)
hypothesis.settings.load_profile("quick")

# Each process of pytest-xdist has a mark of its own; whatever is started from here inherits it.
MARK = f"AIOCDF_TESTED_BY={os.getpid()}"
os.environ.update([MARK.split("=")])


secret_scan.install()


def pytest_configure(config: pytest.Config) -> None:
    """Let the scan for secrets look after each test."""
    config.pluginmanager.register(secret_scan)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let virtual time move on as soon as no task can run: by default, looptime first runs the idle loop 42 times."""
    for item in items:
        mark = item.get_closest_marker("looptime")
        if mark and "noop_cycles" not in mark.kwargs:
            item.add_marker(pytest.mark.looptime(noop_cycles=0))


def pytest_report_header() -> str:
    """Say whether it is the checkout or an installed package that is tested."""
    return f"aiocdf: {Path(aiocdf.__file__).parent}"


@pytest.fixture(scope="session", autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail the last test when a process that a test started is still there, children of children too (on Linux)."""
    yield
    left = [command for process in Path("/proc").glob("[0-9]*") if (command := _ours(process))]
    assert left == []


def _ours(process: Path) -> str | None:
    """Return number and command line of a process that was started from here: its environment has our mark."""
    try:
        if MARK.encode() in (process / "environ").read_bytes().split(b"\0"):
            return f"{process.name}: {(process / 'cmdline').read_bytes().replace(bytes(1), b' ').decode()}"
    except OSError:
        pass  # somebody else's, or gone meanwhile
    return None
