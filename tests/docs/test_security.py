from __future__ import annotations

import ast
import re
from pathlib import Path

TESTS = Path(__file__).parents[1]
TEXT = (TESTS.parent / "docs" / "security.md").read_text()
STATEMENT = re.compile(r"^(\d+)\. \*\*", re.MULTILINE)
PROOF = re.compile(r"^ +- `(?P<path>\S+\.py)::(?P<test>\w+)`$", re.MULTILINE)


def names_of_tests(path: Path) -> set[str]:
    """Return the names of a module's tests."""
    return {
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.AsyncFunctionDef | ast.FunctionDef)
    }


def test_every_statement_is_proved() -> None:
    """The statements are numbered in order, and each has tests under it."""
    numbers, parts = STATEMENT.findall(TEXT), STATEMENT.split(TEXT)[2::2]

    assert len(numbers) >= 30
    assert [int(number) for number in numbers] == [*range(1, len(numbers) + 1)]
    assert [number for number, part in zip(numbers, parts, strict=True) if not PROOF.search(part)] == []


def test_proofs_exist() -> None:
    """Each test that is named is there."""
    named = PROOF.findall(TEXT)

    assert len(named) == TEXT.count(".py::")
    assert [(path, test) for path, test in named if test not in names_of_tests(TESTS / path)] == []
