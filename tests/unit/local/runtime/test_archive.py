from __future__ import annotations

import re
import stat
import zipfile

import pytest

from aiocdf.errors import ConfigError
from aiocdf.local.runtime import archive


@pytest.fixture
def packed(tmp_path):
    """Writes a zip file of members by name, and returns its path."""

    def write(members):
        path = tmp_path / "code.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
            for name, content in members:
                opened.writestr(name, content)
        return path

    return write


def test_it_unpacks(packed, tmp_path):
    """Files and folders are as in the zip file, and only the owner can read them. Earlier files are deleted."""
    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "old.py").touch()

    archive.unpack(packed([("handler.py", "x = 1"), ("a/b/", ""), ("a/c.txt", "text")]), folder)

    assert sorted(str(path.relative_to(folder)) for path in folder.rglob("*")) == ["a", "a/b", "a/c.txt", "handler.py"]
    assert (folder / "a" / "c.txt").read_text() == "text"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\..\\x", "C:x", "..", "a/.."])
def test_nothing_leaves_the_folder(packed, tmp_path, name):
    """A member outside of the folder is rejected by name, and no files are left."""
    with pytest.raises(ConfigError, match=re.escape(repr(name))):
        archive.unpack(packed([("handler.py", "x = 1"), (name, "x")]), tmp_path / "code")
    assert not (tmp_path / "code").exists()
    assert not (tmp_path / "x").exists()


def test_what_it_unpacks_to_counts(packed, tmp_path, monkeypatch):
    """A small zip file with large content is rejected by its real size, not by the size that it declares."""
    monkeypatch.setattr(archive, "MAX_BYTES", 1_000)
    with pytest.raises(ConfigError, match="more than 1,000 bytes"):
        archive.unpack(packed([("a", "x" * 600), ("b", "x" * 600)]), tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_many_members(packed, tmp_path, monkeypatch):
    """Too many members are rejected."""
    monkeypatch.setattr(archive, "MAX_FILES", 2)
    with pytest.raises(ConfigError, match="3 members"):
        archive.unpack(packed([("a", ""), ("b", ""), ("c", "")]), tmp_path / "code")


@pytest.mark.parametrize("members", [[("a", "file"), ("a/b", "x")], [("a/", ""), ("a", "x")], [("x" * 300, "")]])
def test_names_that_are_not_valid(packed, tmp_path, members):
    """A file at the path of a folder, or a name that is too long, is an error."""
    with pytest.raises(ConfigError, match="code file"):
        archive.unpack(packed(members), tmp_path / "code")
    assert not (tmp_path / "code").exists()


def test_damaged(packed, tmp_path):
    """A zip file that is incomplete or does not match its checksum is rejected."""
    path = packed([("handler.py", "x = 1" * 100)])
    whole = path.read_bytes()
    name = packed([("é.py", "x = 1")]).read_bytes().replace("é".encode(), b"\xff\xff")
    for damaged in (name, whole[:-30], whole[:40] + b"\xff" + whole[41:], whole[:50] + b"\xff" + whole[51:], b""):
        path.write_bytes(damaged)
        with pytest.raises(ConfigError, match="code file"):
            archive.unpack(path, tmp_path / "code")
