from __future__ import annotations

import os
import traceback

import pytest

import aiocdf
from aiocdf._config_file import read_config_file
from aiocdf.errors import ConfigError
from aiocdf.secret import Secret


def read(path):
    return read_config_file(
        path, shown="x.toml", plain=frozenset({"NAME", "URL"}), secret=frozenset({"TOKEN", "KEY"}), optional=True
    )


@pytest.fixture
def path(tmp_path):
    """A file that can be trusted."""
    path = tmp_path / "x.toml"
    path.write_text('name = "n"\n')
    path.chmod(0o600)
    return path


def test_no_file(tmp_path) -> None:
    """A missing optional file sets nothing; a file that is not reachable is an error."""
    assert read(tmp_path / "none") == {}

    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"^cannot read x\.toml: Not a directory"):
        read(tmp_path / "file" / "x.toml")


def test_values(path) -> None:
    """Texts and lists of texts are taken, empty ones left out, and secrets wrapped."""
    path.write_text('name = ["a", " b "]\nurl = " "\ntoken = "s3cr3t"\nkey = ""\n')

    assert read(path) == {"NAME": "a b", "TOKEN": Secret("s3cr3t")}


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o644])
@pytest.mark.parametrize("name", ["token", "key"])
def test_secrets_in_an_open_file(name, mode, path) -> None:
    """A file that holds a secret must be its owner's alone; one without may be read by others."""
    path.chmod(mode)
    assert read(path) == {"NAME": "n"}

    path.write_text(f'{name} = "s3cr3t"\n')
    with pytest.raises(ConfigError, match=f"{name} .*chmod 600"):
        read(path)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666, 0o664])
def test_file_that_others_can_change(mode, path) -> None:
    """Statement 31: a file that others can write is refused, whatever is in it."""
    path.chmod(mode)
    with pytest.raises(ConfigError, match=r"^x\.toml can be changed by other users: chmod go-w"):
        read(path)


def test_file_of_another_user(path, monkeypatch) -> None:
    """Statement 31: a file of another user is refused, unless that is root."""
    if os.geteuid() == 0:
        os.chown(path, 4321, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with pytest.raises(ConfigError, match=r"^x\.toml belongs to another user"):
        read(path)


def test_file_of_root(path, monkeypatch) -> None:
    """What the computer's owner provides for all users is used."""
    if os.geteuid() != 0:
        pytest.skip("needs a file of root")
    monkeypatch.setattr(os, "geteuid", lambda: 4321)
    assert read(path) == {"NAME": "n"}


@pytest.mark.timeout(10)
def test_named_pipe(tmp_path) -> None:
    """A pipe instead of the file is rejected, and not waited for."""
    os.mkfifo(tmp_path / "pipe", 0o600)
    with pytest.raises(ConfigError, match="is not a regular file"):
        read(tmp_path / "pipe")


def test_directory(tmp_path) -> None:
    """A directory instead of the file is rejected."""
    with pytest.raises(ConfigError, match=r"cannot read x\.toml"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('nane = "s3cr3t"', "sets nane, .* key, name, token, url"),
        ('[cdf]\nproject = "s3cr3t"', "sets cdf,"),
        ('"\\u001b[31m\\n" = "s3cr3t"', r"sets \\x1b\[31m\\n,"),
        ("name = 7", "sets name to a value that is neither text nor a list of texts"),
        ("name = 1979-05-27", "sets name to"),
        ("name = inf", "sets name to"),
        ("name = true", "sets name to"),
        ("name = {a = 1}", "sets name to"),
        ('name = [["s3cr3t"]]', "sets name to"),
        ('token = ["s3cr3t", 7]', "sets token to"),
        ('url = "https://me:s3cr3t@x.test"\nname = 7', "sets name to"),
        ('token = "s3cr3t\n', r"^x\.toml is not a TOML file \(at line 1, column \d+\)\.$"),
        ("s3cr3t", r"is not a TOML file \(at end of document\)\.$"),
        ("s3cr3t = 1\ns3cr3t = 2\n", r"is not a TOML file \(at line 2, column \d+\)\.$"),
        ('token = "s3cr3t\xff"', r"is not a TOML file\.$"),
        (f"name = {'9' * 5000}", r"is not a TOML file\.$"),
        (f"name = {'[' * 100_000}", r"is not a TOML file\.$"),
    ],
)
def test_file_that_cannot_be_used(text, problem, path) -> None:
    """Statement 17: a slip in the file is named, and neither message nor locals show a value."""
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigError, match=problem) as caught:
        read(path)

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = "".join(str(frame.locals) for frame in report.stack if frame.filename.startswith(aiocdf.__path__[0]))
    assert "s3cr3t" not in f"{frames}{caught.value}"
    assert caught.value.__context__ is None
