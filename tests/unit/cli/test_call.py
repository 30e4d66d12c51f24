from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from aiocdf.cli.base.arguments import function_name
from aiocdf.cli.call import read_data
from aiocdf.errors import InvalidArgument


def test_data_from_everywhere(tmp_path, monkeypatch):
    """Data is JSON on the command line, in a file, or on stdin."""
    file = tmp_path / "data.json"
    file.write_text('{"x": 2}')

    assert read_data(None, None) is None
    assert read_data('{"x": 1}', None) == {"x": 1}
    assert read_data(f"@{file}", None) == {"x": 2}
    assert read_data(None, file) == {"x": 2}
    for text, path in (("-", None), (None, Path("-"))):
        monkeypatch.setattr(sys, "stdin", io.StringIO('{"x": 3}'))
        assert read_data(text, path) == {"x": 3}


@pytest.mark.parametrize(
    ("text", "file", "named"),
    [
        ("{x: 1}", None, "DATA .*line 1, column 2"),
        ("@nowhere.json", None, "nowhere.json"),
        (None, Path("nowhere.json"), "nowhere.json"),
        ("{}", Path("nowhere.json"), "--data-file"),
    ],
)
def test_what_is_not_data_is_named(text, file, named):
    """The error says which source is wrong, and where."""
    with pytest.raises(InvalidArgument, match=named):
        read_data(text, file)


def test_a_number_is_an_id():
    """Digits are a numeric id; all else is an external id."""
    assert function_name("123") == 123
    assert function_name("١٢") == "١٢"
    assert function_name("double-2") == "double-2"
