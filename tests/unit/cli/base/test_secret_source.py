from __future__ import annotations

import pytest

from aiocdf.cli.base.secret_source import given_secret
from aiocdf.errors import ConfigError, InvalidArgument


def test_secret_of_a_variable_and_of_a_file(tmp_path, monkeypatch):
    """The client secret comes from where the option says, without the end of the line."""
    monkeypatch.setenv("MY_SECRET", "from-a-variable")
    (tmp_path / "secret").write_text("from-a-file\n")

    assert given_secret("env:MY_SECRET", option="--secret").reveal() == "from-a-variable"
    assert given_secret(f"file:{tmp_path / 'secret'}", option="--secret").reveal() == "from-a-file"


@pytest.mark.parametrize("source", ["hunter2-hunter2", "env:", "file", "env", "pass:hunter2"])
def test_secret_on_the_command_line(source):
    """A secret in place of its source is refused, and not repeated."""
    with pytest.raises(InvalidArgument, match="env:NAME or file:PATH") as refused:
        given_secret(source, option="--secret")
    assert "hunter2" not in str(refused.value)


def test_no_secret_there(tmp_path, monkeypatch):
    """A variable that is not set and a file without text hold no secret."""
    monkeypatch.delenv("MY_SECRET", raising=False)
    (tmp_path / "empty").write_text("\n")
    for source in ("env:MY_SECRET", f"file:{tmp_path / 'empty'}", f"file:{tmp_path / 'nowhere'}"):
        with pytest.raises(ConfigError, match="--secret"):
            given_secret(source, option="--secret")
