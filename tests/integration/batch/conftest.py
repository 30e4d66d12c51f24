"""A local server whose functions count their executions, and a file of inputs for them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import attrs
import pytest

from aiocdf import batch
from aiocdf.local import serve

# Each call adds a line to a file; those told to wait do so until a file is there.
HANDLER = """
import os, time

def handle(data):
    with open({log!r}, "a") as log:
        log.write(f"{{data['x']}}\\n")
    while data.get("wait") and not os.path.exists({gate!r}):
        time.sleep(0.01)
    if data.get("fail") and not os.path.exists({mended!r}):
        raise ValueError("no " + str(data["x"]))
    return {{"twice": 2 * data["x"]}}
"""


@attrs.frozen
class Bench:
    """A folder with a function `count`, which counts its executions, and the files of a map."""

    folder: Path

    @property
    def inputs(self) -> Path:
        return self.folder / "inputs.jsonl"

    @property
    def out(self) -> Path:
        return self.folder / "results.jsonl"

    @property
    def journal(self) -> Path:
        return self.folder / "results.jsonl.journal"

    def write(self, *inputs: object) -> None:
        """Write the inputs; what is no text is JSON."""
        lines = [each if isinstance(each, str) else json.dumps(each) for each in inputs]
        self.inputs.write_text("".join(line + "\n" for line in lines))

    def results(self) -> list[dict]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def statuses(self) -> dict[object, str]:
        return {result["key"]: result["status"] for result in self.results()}

    def executed(self) -> Counter[int]:
        log = self.folder / "log"
        return Counter(map(int, log.read_text().split())) if log.exists() else Counter()

    def let_go(self) -> None:
        """End the calls that wait."""
        (self.folder / "gate").touch()

    def mend(self) -> None:
        """Have the calls that failed succeed from now on."""
        (self.folder / "mended").touch()


@pytest.fixture
def bench(tmp_path):
    """A folder with the function."""
    function = tmp_path / "functions" / "count"
    function.mkdir(parents=True)
    files = {name: str(tmp_path / name) for name in ("log", "gate", "mended")}
    (function / "handler.py").write_text(HANDLER.format(**files))
    return Bench(tmp_path)


@pytest.fixture
async def server(bench):
    """A server of the function."""
    async with serve(bench.folder / "functions") as server:
        yield server


@pytest.fixture
async def client(server):
    """A client of the server."""
    async with server.client() as client:
        yield client


@pytest.fixture
def run(bench, client):
    """Runs the map in this process."""

    async def run(**settings):
        given = {name: settings.pop(name) for name in ("stop", "on_progress", "journal") if name in settings}
        return await batch.map(
            client, "count", bench.inputs, bench.out, settings=batch.MapSettings(**settings), **given
        )

    return run
