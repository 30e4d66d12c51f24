"""The example notebook, in a kernel of its own."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "notebook.ipynb"


def outputs(notebook):
    """Return what the cells show, by form."""
    shown = [output.data for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
    return "\n".join(data.get("text/html", data.get("text/plain", "")) for data in shown)


@pytest.mark.enable_socket
def test_it_runs(cdf_environment, tmp_path):
    """All cells run against a local server, and show handles and calls as tables, values, and a bar."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    NotebookClient(notebook, timeout=30, resources={"metadata": {"path": str(tmp_path)}}).execute()

    shown = outputs(notebook)
    assert "<table><caption>aiocdf call</caption>" in shown
    assert "20/20" in shown
    assert "{'value': 4}" in shown
    assert shown.count("<table") >= 3


def test_it_is_shown_as_it_runs():
    """The stored notebook has its outputs, for readers who do not run it."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == [*range(1, len(code) + 1)]
    assert "20/20" in outputs(notebook)
