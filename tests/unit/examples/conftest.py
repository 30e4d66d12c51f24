from __future__ import annotations

import runpy
from pathlib import Path
from types import SimpleNamespace

import pytest

FUNCTIONS = Path(__file__).parents[3] / "examples" / "functions"


@pytest.fixture
def load():
    """Run an example function's handler.py, which is in no package, and give what it defines."""
    return lambda name: SimpleNamespace(**runpy.run_path(str(FUNCTIONS / name / "handler.py")))
