from __future__ import annotations

import io
import sys

import pytest
import typer

from aiocdf.cli.base.data import data_of, data_of_file


def test_data_from_everywhere(tmp_path, monkeypatch):
    """Data is JSON on the command line, in a file, or on stdin."""
    file = tmp_path / "data.json"
    file.write_text('{"x": 2}')

    assert data_of('{"x": 1}') == {"x": 1}
    assert data_of(f"@{file}") == data_of_file(str(file)) == {"x": 2}
    for read in (data_of, data_of_file):
        monkeypatch.setattr(sys, "stdin", io.StringIO('{"x": 3}'))
        assert read("-") == {"x": 3}


@pytest.mark.parametrize(("text", "named"), [("{x: 1}", "line 1, column 2"), ("@nowhere.json", "nowhere.json")])
def test_what_is_not_data_is_named(text, named):
    """The error says what is wrong, and where."""
    with pytest.raises(typer.BadParameter, match=named):
        data_of(text)
