"""Functions on disk, and a pool that runs them in real processes."""

from __future__ import annotations

import asyncio
import textwrap
from pathlib import Path

import attrs
import pytest

from aiocdf.local.runtime.deployment import Deployment, discover
from aiocdf.local.runtime.invocation import Invocation, Outcome
from aiocdf.local.runtime.pool import WorkerPool
from aiocdf.secret import Secret

CALL = {
    "call_id": 7,
    "function_id": 1,
    "data": {},
    "base_url": "http://127.0.0.1:8000",
    "project": "local",
    "token": Secret("token-of-the-session"),
}


@attrs.define(slots=False)
class Stage:
    """A folder of functions with a pool, and what they have logged."""

    root: Path
    pool: WorkerPool
    lines: list[str] = attrs.field(factory=list)
    times: list[int] = attrs.field(factory=list)
    _news: asyncio.Event = attrs.field(factory=asyncio.Event)

    def write(self, code: str, *, name: str = "f", settings: str = "") -> None:
        """Put a function on disk, over the one that was there."""
        folder = self.root / name
        folder.mkdir(exist_ok=True)
        (folder / "handler.py").write_text(textwrap.dedent(code))
        if settings:
            (folder / "function.toml").write_text(textwrap.dedent(settings))

    def deployment(self, name: str = "f") -> Deployment:
        """Return a function as it is on disk now."""
        return next(found for found in discover(self.root) if found.external_id == name)

    async def run(self, name: str = "f", **data: object) -> Outcome:
        """Run one call."""
        return await self.invoke(name, data=data)

    async def invoke(self, name: str = "f", **changes: object) -> Outcome:
        """Run one call that differs in some way from the usual."""
        return await self.pool.run(self.deployment(name), self.invocation(**changes), self._log)

    def invocation(self, **changes: object) -> Invocation:
        """Return what a call is given, which differs in some way from the usual."""
        return Invocation(**{**CALL, **changes})  # type: ignore[arg-type]

    def start(self, name: str = "f", **data: object) -> asyncio.Task[Outcome]:
        """Start one call in the background."""
        return asyncio.create_task(self.run(name, **data))

    async def line(self, start: str) -> str:
        """Wait until a line that starts so was logged, and return the rest of it."""
        async with asyncio.timeout(20):
            while True:
                for line in self.lines:
                    if line.startswith(start):
                        return line.removeprefix(start).strip()
                self._news.clear()
                await self._news.wait()

    def descriptors(self) -> int:
        """Return how many descriptors this process has open."""
        return len(list(Path("/proc/self/fd").iterdir()))

    def is_alive(self, pid: str | int) -> bool:
        """Tell whether a process runs; one that only waits to be collected does not."""
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
        except (FileNotFoundError, ProcessLookupError):
            return False

    async def end_of(self, *pids: str | int) -> None:
        """Wait for the end of processes."""
        async with asyncio.timeout(20):
            while any(map(self.is_alive, pids)):
                await asyncio.sleep(0.005)

    def _log(self, timestamp: int, line: str) -> None:
        self.lines.append(line)
        self.times.append(timestamp)
        self._news.set()


@pytest.fixture
async def stage(tmp_path):
    root = tmp_path / "functions"
    root.mkdir()
    # Of three processes one function gets two.
    stage = Stage(root, WorkerPool(processes=3))
    yield stage
    await stage.pool.aclose()
