"""The site is complete: what is public has its docstring in the generated reference. `nox -s docs` checks the links."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import aiocdf
from aiocdf import batch, local, resources

PAGES = Path(__file__).parents[2] / "docs" / "api"
SHOWN = set(re.findall(r"^\.\. auto\w+:: ([\w.]+)$", "".join(map(Path.read_text, PAGES.glob("*.rst"))), re.MULTILINE))


@pytest.mark.parametrize("package", [aiocdf, batch, local, resources], ids=lambda package: package.__name__)
def test_generated_reference_has_all_that_is_public(package) -> None:
    """Each public name is on a page of docs/api, unless it is no class or function."""
    names = {f"{package.__name__}.{name}" for name in package.__all__ if not name.startswith("__")}

    assert names - SHOWN == set()
