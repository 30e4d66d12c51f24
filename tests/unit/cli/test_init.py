from __future__ import annotations

import pytest

from aiocdf.cli.init import FILES, new_function
from aiocdf.errors import ConfigError, InvalidArgument


def test_makes_the_files(tmp_path):
    """It writes three files; the folder's name is the function's."""
    assert new_function(tmp_path / "one" / "hello") == "hello"
    assert {path.name for path in (tmp_path / "one" / "hello").iterdir()} == set(FILES)
    assert 'name = "hello"' in (tmp_path / "one" / "hello" / "function.toml").read_text()


def test_replaces_nothing(tmp_path):
    """Where one of the files is there, it writes none."""
    (tmp_path / "handler.py").write_text("mine")

    with pytest.raises(InvalidArgument, match=r"handler\.py"):
        new_function(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["handler.py"]
    assert (tmp_path / "handler.py").read_text() == "mine"


def test_name_that_settings_cannot_hold(tmp_path):
    """A name with a quote is refused before anything is written."""
    with pytest.raises(InvalidArgument):
        new_function(tmp_path / 'a"b')
    assert list(tmp_path.iterdir()) == []


def test_place_that_cannot_be_written(tmp_path):
    """A place where no folder can be made is an error that names it."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="file"):
        new_function(tmp_path / "file" / "hello")
