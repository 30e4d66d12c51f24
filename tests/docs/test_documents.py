"""What the documents show is true: their Python blocks run, top to bottom, against a local server.

A block that is not to run here says why in a comment before it: `<!-- not run: the reason -->`. Shell blocks all do.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from aiocdf import local
from aiocdf.local.faults.file import read_faults

CHECKOUT = Path(__file__).parents[2]
DOCUMENTS = sorted({*CHECKOUT.glob("*.md"), *CHECKOUT.glob("docs/**/*.md"), CHECKOUT / "examples" / "README.md"})
DATA = {"http", "json", "mermaid", "text", "toml"}
BLOCK = re.compile(
    r"(?:^<!-- not run: (?P<reason>.+) -->\n)?^```(?P<language>\w*)\n(?P<source>(?s:.*?))^```$", re.MULTILINE
)


def _name(path: Path) -> str:
    return str(path.relative_to(CHECKOUT))


def _programs(text: str) -> list[re.Match[str]]:
    """Return the Python blocks of a document that run."""
    return [block for block in BLOCK.finditer(text) if block["language"] == "python" and not block["reason"]]


async def _run(path: Path) -> None:
    """Run the Python blocks of a document, each with the names of those before it; `await` may stand outside of functions."""
    text = path.read_text()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for block in _programs(text):
        source = "\n" * text.count("\n", 0, block.start("source")) + block["source"]
        result = eval(compile(source, path, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True), namespace)
        if inspect.iscoroutine(result):
            await result


@pytest.mark.parametrize("path", [path for path in DOCUMENTS if _programs(path.read_text())], ids=_name)
async def test_python_blocks_run(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python blocks of a document run in order, against a local server that the environment leads to."""
    async with local.serve(CHECKOUT / "examples" / "functions") as server:
        for name, value in server.environment().items():
            monkeypatch.setenv(name, value)
        # On a loop of their own, as in the reader's program.
        await asyncio.to_thread(asyncio.run, _run(path))


async def test_faults_of_the_how_to(tmp_path: Path) -> None:
    """Each file of faults that the how-to guides show can be given to a server."""
    blocks = [block["source"] for block in BLOCK.finditer((CHECKOUT / "docs" / "how-to.md").read_text())]
    shown = [source for source in blocks if "[[fault]]" in source]
    assert len(shown) > 5
    path = tmp_path / "faults.toml"
    for source in shown:
        path.write_text(source)
        async with local.serve(CHECKOUT / "examples" / "functions", faults=read_faults(path)):
            pass


@pytest.mark.parametrize("path", DOCUMENTS, ids=_name)
def test_blocks_run_or_say_why_not(path: Path) -> None:
    """No block escapes: it is Python, or only looked at, or has a comment with the reason why it is not run."""
    text = path.read_text()

    blocks = list(BLOCK.finditer(text))
    assert text.count("```") == 2 * len(blocks)
    assert [block[0] for block in blocks if not block["reason"] and block["language"] not in {"python", *DATA}] == []
