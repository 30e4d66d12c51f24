"""Functions on disk."""

from __future__ import annotations

import ast
import os
from pathlib import Path

import pytest

from aiocdf.local.runtime.deployment import discover
from aiocdf.secret import Secret

GOOD = "def handle(data): return data\n"


@pytest.fixture
def function(tmp_path):
    folder = tmp_path / "double"
    folder.mkdir()
    (folder / "handler.py").write_text(GOOD)
    return folder


def only(root):
    (found,) = discover(root)
    return found


def test_each_folder_with_a_handler_is_a_function(tmp_path):
    """Other folders, hidden folders and files are not functions. Functions are ordered by name."""
    for name in ("b", "a", ".hidden", "empty"):
        (tmp_path / name).mkdir()
    for name in ("b", "a", ".hidden"):
        (tmp_path / name / "handler.py").write_text(GOOD)
    (tmp_path / "handler.py").write_text(GOOD)

    found = discover(tmp_path)

    assert [(one.external_id, one.name, one.path, one.error) for one in found] == [
        ("a", "a", tmp_path / "a", None),
        ("b", "b", tmp_path / "b", None),
    ]


def test_defaults(function):
    """A function without settings has the service's defaults."""
    found = only(function.parent)

    assert (found.id, found.function_path, found.timeout, found.secrets) == (None, "handler.py", 600.0, {})


def test_settings_are_applied(function):
    """The settings of function.toml are deployed, and secrets do not show."""
    (function / "function.toml").write_text("id = 3\nname = 'Double it'\nsecrets = { key = 's3cret' }")

    found = only(function.parent)

    assert (found.id, found.name, found.external_id) == (3, "Double it", "double")
    assert found.secrets == {"key": Secret("s3cret")}
    assert "s3cret" not in repr(found)


def test_broken_settings_are_the_functions_error(function):
    """A function with settings that are not valid is found, with the error."""
    (function / "function.toml").write_text("id = 'one'")

    found = only(function.parent)

    assert found.error == "function.toml: id must be a whole number from 1 to 2^53 - 1"
    assert found.id is None


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("def handle(data:\n", "not valid Python"),
        ("\0", "not valid Python"),
        ("", "no function `handle`"),
        ("class A:\n def handle(data): pass", "no function `handle`"),
        ("handle: object", "no function `handle`"),
        ("from elsewhere import handle", "no function `handle`"),
        ("def handle(data, x, *, b): pass", "`handle` takes b, x: "),
        ("def handle(data, /): pass", "`/`"),
        ("\nasync def handle(data): pass", "handler.py, line 2: `handle` is async"),
        ("handle = print\ndef handle(x): pass", "`handle` takes x"),
    ],
)
def test_handler_that_breaks_the_rules(function, code, error):
    """The service's rules for handle are checked without running the code."""
    (function / "handler.py").write_text(code)

    assert error in only(function.parent).error


@pytest.mark.parametrize(
    "code",
    [
        "def handle(): pass",
        "def handle(data, client, *, secrets, function_call_info): pass",
        "def handle(**all): pass",
        "import x\nhandle = x.handle",
        "handle: object = print",
        "a = handle = print",
        "def handle(x): pass\nhandle = print",
        "def handle(x): pass\ndef handle(data): pass",
        "raise SystemExit\ndef handle(data): pass",
    ],
)
def test_handler_that_keeps_the_rules(function, code):
    """The last definition counts, an assigned handle is not checked, and no code runs."""
    (function / "handler.py").write_text(code)

    assert only(function.parent).error is None


def test_handler_elsewhere(function):
    """function_path names the file that is checked."""
    (function / "function.toml").write_text("function_path = 'src/main.py'")
    assert "src/main.py" in only(function.parent).error

    (function / "src").mkdir()
    (function / "src/main.py").write_text(GOOD)
    assert only(function.parent).error is None


@pytest.mark.parametrize(
    "change",
    {
        "size": lambda folder: (folder / "handler.py").write_text(GOOD + "#"),
        "time": lambda folder: os.utime(folder / "handler.py", ns=(1, 1)),
        "settings": lambda folder: (folder / "function.toml").touch(),
        "new file": lambda folder: (folder / "data" / "new.csv").touch(),
        "other name": lambda folder: (folder / "data" / "old.csv").rename(folder / "data" / "renamed.csv"),
        "file gone": lambda folder: (folder / "data" / "old.csv").unlink(),
    }.items(),
    ids=lambda case: case[0],
)
def test_fingerprint_changes_with_the_files(function, change):
    """Any change of the files changes the fingerprint."""
    (function / "data").mkdir()
    (function / "data" / "old.csv").touch()
    before = only(function.parent).fingerprint

    change[1](function)

    assert only(function.parent).fingerprint != before


def test_fingerprint_stays_with_what_does_not_matter(function):
    """Caches, hidden files and broken links are not part of the function."""
    before = only(function.parent).fingerprint

    (function / ".swap").touch()
    (function / "__pycache__").mkdir()
    (function / "link").symlink_to("nowhere")

    assert only(function.parent).fingerprint == before


def test_links_of_a_folder_to_itself_are_not_followed(function):
    """Links to folders are not followed."""
    (function / "loop").symlink_to(function)

    assert only(function.parent).error is None


def test_unchanged_functions_are_not_parsed_again(function, monkeypatch):
    """Unchanged functions are not read again, and a change of one does not read the others."""
    parsed = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda source, name: parsed.append(source) or parse(source, name))
    other = function.parent / "other"
    other.mkdir()
    (other / "handler.py").write_text(GOOD)
    discover(function.parent)
    discover(function.parent)
    assert len(parsed) == 2

    (other / "handler.py").write_text(GOOD + "# changed")
    discover(function.parent)

    assert parsed[2:] == [(GOOD + "# changed").encode()]


def test_root_must_be_there(tmp_path):
    """A missing root raises."""
    with pytest.raises(FileNotFoundError):
        discover(tmp_path / "missing")


def test_path_is_absolute(function, monkeypatch):
    """The folder has its absolute path for any working directory."""
    monkeypatch.chdir(function.parent)

    assert only(Path()).path == function
