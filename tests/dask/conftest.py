"""A real Dask cluster: a scheduler and three workers, each a process of its own."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import pytest

pytest.importorskip("distributed", reason="the extra `dask` is not installed")


_JOINED = "Registered to"


@attrs.define
class Cluster:
    """The processes of a cluster."""

    folder: Path
    port: int = 0
    scheduler: subprocess.Popen[bytes] | None = None
    workers: dict[str, subprocess.Popen[bytes]] = attrs.field(factory=dict)
    _joining: list[Callable[[], bool]] = attrs.field(factory=list)

    @property
    def executor(self) -> str:
        """What `serve` takes."""
        return f"dask://127.0.0.1:{self.port}"

    def start_scheduler(self) -> None:
        """Start the scheduler at a free port, or at the one it had."""
        file = self.folder / "scheduler.json"
        file.unlink(missing_ok=True)
        options = ["--host", "127.0.0.1", "--port", str(self.port), "--no-dashboard", "--scheduler-file", str(file)]
        self.scheduler = self._start("scheduler", *options)
        wait_for(lambda: file.exists() and file.read_text().rstrip().endswith("}"))
        self.port = int(file.read_text().split("tcp://127.0.0.1:")[1].split('"')[0])

    def start_worker(self, name: str, threads: int = 4) -> None:
        """Start a worker."""
        options = ["--host", "127.0.0.1", "--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--name", name]
        folder = ["--local-directory", str(self.folder / name), "--memory-limit", "0"]
        before = self.log(name).count(_JOINED)
        self.workers[name] = self._start("worker", f"tcp://127.0.0.1:{self.port}", *options, *folder)
        self._joining.append(lambda: self.log(name).count(_JOINED) > before)

    def wait(self) -> None:
        """Wait until the workers that were started have joined."""
        for joined in self._joining:
            wait_for(joined)

    def kill(self, name: str) -> None:
        """Kill a worker at once."""
        process = self.workers.pop(name)
        process.kill()
        process.wait()

    def stop(self, name: str) -> None:
        """Ask a worker to end."""
        process = self.workers.pop(name)
        process.send_signal(signal.SIGTERM)
        process.wait(30)

    def log(self, name: str) -> str:
        """Return what a process has printed."""
        file = self.folder / f"{name}.log"
        return file.read_text() if file.exists() else ""

    def close(self) -> None:
        """End all processes."""
        processes = [*self.workers.values(), *filter(None, [self.scheduler])]
        for process in processes:
            process.kill()
        for process in processes:
            process.wait()
        self.workers.clear()
        wait_for(lambda: not self.left())

    def left(self) -> list[str]:
        """Return the processes that the cluster has left behind: the environment of each has its cache."""
        mark = f"XDG_CACHE_HOME={self.folder / 'cache'}".encode()
        found = []
        for process in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if mark in (process / "environ").read_bytes():
                    found.append(process.name)
        return found

    def _start(self, kind: str, *options: str) -> subprocess.Popen[bytes]:
        name = options[options.index("--name") + 1] if "--name" in options else kind
        with (self.folder / f"{name}.log").open("ab") as log:
            environment = {**os.environ, "XDG_CACHE_HOME": str(self.folder / "cache")}
            command = [sys.executable, "-m", "dask", kind, *options]
            return subprocess.Popen(command, stdout=log, stderr=log, env=environment)


def wait_for(condition, seconds=30):
    """Look again and again until something holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@contextlib.contextmanager
def running(folder: Path) -> Iterator[Cluster]:
    """Run a cluster of three workers with four threads each."""
    cluster = Cluster(folder)
    folder.mkdir()
    try:
        cluster.start_scheduler()
        for name in ("a", "b", "c"):
            cluster.start_worker(name)
        cluster.wait()
        yield cluster
    finally:
        cluster.close()


@pytest.fixture
def cluster(tmp_path):
    """A cluster that a test may damage."""
    with running(tmp_path / "cluster") as cluster:
        yield cluster


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A cluster that several tests use."""
    with running(tmp_path_factory.mktemp("shared") / "cluster") as cluster:
        yield cluster


@pytest.fixture
def functions(tmp_path):
    """Write functions, and return their folder."""
    folder = tmp_path / "functions"

    def write(name, code, **files):
        (folder / name).mkdir(parents=True, exist_ok=True)
        (folder / name / "handler.py").write_text(code)
        for file, content in files.items():
            (folder / name / file.replace("_", ".")).write_text(content)
        return folder

    return write
