from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from aiocdf._bundle import folder
from aiocdf._bundle.folder import read_folder
from aiocdf.errors import ConfigError, InvalidArgument

PATTERNS = "*.csv\n!keep.csv\n/top\nbuild/\n**/deep/*.txt\n# no pattern\nwith space.md\na[bc].py\n!build/back.py\n"
PATHS = [
    "a.csv",
    "keep.csv",
    "sub/b.csv",
    "sub/keep.csv",
    "top",
    "sub/top",
    "build/back.py",
    "sub/build/x.py",
    "deep/x.txt",
    "sub/deep/y.txt",
    "sub/deep/more/z.txt",
    "with space.md",
    "ab.py",
    "ad.py",
]


def write(root, *paths) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)


def test_files_by_path(tmp_path) -> None:
    """Each file is found under its path with slashes, in order, also by a relative path of the folder."""
    write(tmp_path, "handler.py", "lib/b.py", "lib/a.py", ".hidden")

    assert list(read_folder(tmp_path).items()) == [
        (".hidden", b".hidden"),
        ("handler.py", b"handler.py"),
        ("lib/a.py", b"lib/a.py"),
        ("lib/b.py", b"lib/b.py"),
    ]


def test_always_skipped(tmp_path) -> None:
    """Caches, version control, environments, and the settings of the local server are not uploaded."""
    skipped = ["__pycache__/a.pyc", "lib/__pycache__/a.pyc", ".git/config", ".venv/bin/python", "function.toml"]
    write(tmp_path, "handler.py", "lib/function.toml", *skipped)

    assert list(read_folder(tmp_path)) == ["handler.py", "lib/function.toml"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git says what is right")
@pytest.mark.parametrize("name", [".funcignore", ".gitignore"])
def test_ignore_file_means_what_it_means_to_git(tmp_path, name) -> None:
    """The ignore file has git's own form: what git would not track is not uploaded."""
    write(tmp_path, *PATHS)
    (tmp_path / ".gitignore").write_text(PATTERNS)
    command = ["git", "-c", f"core.excludesFile={os.devnull}", "ls-files", "--others", "--exclude-standard", "-z"]
    subprocess.run(["git", "init", "--quiet", tmp_path], check=True)
    tracked = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True).stdout.split("\0")
    (tmp_path / ".gitignore").rename(tmp_path / name)

    assert set(read_folder(tmp_path)) == set(tracked) - {"", ".gitignore"}


def test_funcignore_counts_before_gitignore(tmp_path) -> None:
    """With a `.funcignore`, the `.gitignore` says nothing: what is built and not tracked may have to be uploaded."""
    write(tmp_path, "handler.py", "built.py", "data.csv")
    (tmp_path / ".gitignore").write_text("built.py\n")
    (tmp_path / ".funcignore").write_text("*.csv\n")

    assert list(read_folder(tmp_path)) == ["built.py", "handler.py"]


@pytest.mark.parametrize("content", [b"\xff\n", b"a\n!\n"], ids=["not text", "not a pattern"])
def test_bad_ignore_file(tmp_path, content) -> None:
    """An ignore file that cannot be read is an error, and nothing that it may name is uploaded."""
    (tmp_path / ".funcignore").write_bytes(content)

    with pytest.raises(InvalidArgument, match="funcignore"):
        read_folder(tmp_path)


def test_without_pathspec(tmp_path, monkeypatch) -> None:
    """Without the extra, a folder can be uploaded unless it has an ignore file; the error names the extra."""
    monkeypatch.setitem(sys.modules, "pathspec", None)
    write(tmp_path, "handler.py")
    assert list(read_folder(tmp_path)) == ["handler.py"]
    write(tmp_path, ".gitignore")

    with pytest.raises(ConfigError, match=r"aiocdf\[deploy\]"):
        read_folder(tmp_path)


def test_link_to_a_file_within(tmp_path) -> None:
    """A link to a file of the folder is uploaded as that file."""
    write(tmp_path, "a.py")
    (tmp_path / "b.py").symlink_to("a.py")

    assert read_folder(tmp_path)["b.py"] == b"a.py"


@pytest.mark.parametrize("target", ["../secret", "/etc/hostname", "a/../../secret"])
def test_link_that_leads_out(tmp_path, target) -> None:
    """A link out of the folder is refused, unless the ignore file names it."""
    write(tmp_path, "secret", "code/a/handler.py")
    (tmp_path / "code" / "link").symlink_to(target)

    with pytest.raises(InvalidArgument, match="link that leads out"):
        read_folder(tmp_path / "code")
    (tmp_path / "code" / ".funcignore").write_text("link\n")
    assert list(read_folder(tmp_path / "code")) == ["a/handler.py"]


def test_link_to_a_folder(tmp_path) -> None:
    """A link to a folder is refused, also one that leads back to the folder itself, which would have no end."""
    write(tmp_path, "handler.py")
    (tmp_path / "again").symlink_to(".")

    with pytest.raises(InvalidArgument, match="link to a folder"):
        read_folder(tmp_path)


def test_what_is_not_a_file(tmp_path) -> None:
    """A pipe is refused: to read it would wait for ever."""
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(InvalidArgument, match="pipe is not a file"):
        read_folder(tmp_path)


def test_link_to_nothing(tmp_path) -> None:
    """A link to a file that is gone is refused."""
    (tmp_path / "gone").symlink_to("nowhere")

    with pytest.raises(InvalidArgument, match="gone is not a file"):
        read_folder(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_not_a_folder(tmp_path, name) -> None:
    """What is not a folder is refused."""
    write(tmp_path, "file")

    with pytest.raises(InvalidArgument, match="not a folder"):
        read_folder(tmp_path / name)


def test_too_large(tmp_path, monkeypatch) -> None:
    """A folder with more than fits into memory is refused."""
    monkeypatch.setattr(folder, "MAX_BYTES", 5)
    write(tmp_path, "abc", "def")

    with pytest.raises(InvalidArgument, match="more than 5 bytes"):
        read_folder(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_unreadable(tmp_path) -> None:
    """A file that may not be read is refused with its name."""
    write(tmp_path, "handler.py")
    (tmp_path / "handler.py").chmod(0)

    with pytest.raises(InvalidArgument, match=r"handler\.py cannot be read"):
        read_folder(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such names")
def test_name_that_is_not_unicode(tmp_path) -> None:
    """A file whose name is not Unicode is refused, for a zip file cannot name it."""
    (tmp_path / os.fsdecode(b"\xff.py")).write_text("")

    with pytest.raises(InvalidArgument, match="not Unicode"):
        read_folder(tmp_path)
