"""docs/sdk-methods.md names methods and tests that exist. `tests/sdk/test_methods.py` checks that it has all of the SDK's."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import pytest

import aiocdf
from aiocdf import resources

CHECKOUT = Path(__file__).parents[2]
ROW = re.compile(r"^\| .*\| `(?P<ours>[\w.]+)`[^|]*\| `(?P<test>tests/[\w/.:]+)` \|$", re.MULTILINE)
TABLES = (CHECKOUT / "docs" / "sdk-methods.md").read_text()
ROWS = ROW.findall(TABLES)


def _ours(name: str) -> object:
    """Return the method that the page calls *name*, such as `client.calls.list`."""
    face, *path = name.split(".")
    owner = {"client": aiocdf.Client, "handle": aiocdf.CallHandle}[face]
    if len(path) > 1:
        owner = getattr(resources, path[0].capitalize())
    return inspect.getattr_static(owner, path[-1])


def _test(name: str) -> str:
    """Return the source of a test, given by its file, perhaps its class, and its name."""
    file, *path = name.split("::")
    text = (CHECKOUT / file).read_text()
    found: ast.AST = ast.parse(text)
    for part in path:
        (found,) = [node for node in ast.iter_child_nodes(found) if getattr(node, "name", None) == part]
    return ast.get_source_segment(text, found) or ""


def test_each_row_is_read() -> None:
    """No row has a form that the checks pass over."""
    rows = [line for line in TABLES.splitlines() if line.startswith("|")]
    headings = [line for line in rows if line.startswith(("| cognite-sdk", "|---"))]
    assert len(ROWS) == len(rows) - len(headings)


@pytest.mark.parametrize(("ours", "test"), sorted(set(ROWS)))
def test_row(ours: str, test: str) -> None:
    """The method exists, and the test named beside it uses it."""
    assert _ours(ours)
    assert re.search(rf"\.{ours.rpartition('.')[2]}\b", _test(test))


def test_all_of_ours_are_there() -> None:
    """What the resources offer stands in the table, each method."""
    offered = {
        f"client.{name.lower()}.{method}"
        for name in resources.__all__
        for method, _ in inspect.getmembers(getattr(resources, name), inspect.isfunction)
        if not method.startswith("_")
    }
    assert offered - {ours for ours, _ in ROWS} == set()
