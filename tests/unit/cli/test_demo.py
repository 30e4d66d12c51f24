from __future__ import annotations

import sys

import pytest

from aiocdf.cli.demo import _commands


@pytest.fixture
def program(tmp_path):
    """Makes a program in a folder of its own."""

    def make(name: str) -> str:
        path = tmp_path / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.touch(0o755)
        return str(path)

    return make


def test_short_where_it_is_on_the_path(program, tmp_path, monkeypatch):
    """In an activated environment, the commands to try next are as short as they were typed."""
    monkeypatch.setattr(sys, "argv", [program("aiocdf")])
    monkeypatch.setattr(sys, "executable", program("python"))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    assert _commands() == ("aiocdf", "python")


def test_in_full_where_the_path_has_others(program, tmp_path, monkeypatch):
    """Programs of the same names that are not this Python's are not meant."""
    program("aiocdf")
    program("python")
    monkeypatch.setattr(sys, "argv", [".venv/bin/aiocdf"])
    monkeypatch.setattr(sys, "executable", "/my work/.venv/bin/python3")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))

    python = "'/my work/.venv/bin/python3'"
    assert _commands() == (f"{python} -m aiocdf", python)
