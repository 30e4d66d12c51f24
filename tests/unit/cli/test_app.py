from __future__ import annotations

import re
import subprocess
import sys
from importlib.metadata import version

import pytest
import typer.main
from typer.testing import CliRunner

from aiocdf.cli.app import app

GROUPS = ["calls", "functions", "schedules"]


def commands(command, *path):
    """Give each command with its path."""
    yield path, command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app)))


def run(*arguments: str, **environment: str):
    return CliRunner().invoke(app, arguments, prog_name="aiocdf", env=environment)


def help_of(path, width: str, monkeypatch, capsys) -> str:
    """Return what `--help` shows on a terminal; typer's test runner has a width of its own."""
    monkeypatch.setenv("COLUMNS", width)
    with pytest.raises(SystemExit):
        app([*path, "--help"], prog_name="aiocdf")
    return capsys.readouterr().out


def words(text: str) -> str:
    """Return a text without line breaks and indents; a line may end in a word with a hyphen."""
    return "".join(text.split())


@pytest.mark.parametrize("width", ["60", "80"])
@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_is_whole(path, width, monkeypatch, capsys):
    """Each command's help has whole sentences, on a narrow terminal too, and shows in a list of commands how to go on."""
    shown = help_of(path, width, monkeypatch, capsys)
    command = COMMANDS[path]

    assert max(map(len, shown.splitlines())) <= int(width)
    assert re.search(r"\w\.\.\.(?:$|\s)", re.sub(r"Usage:.*?\n\n", "", shown, flags=re.DOTALL)) is None
    for option in command.params:
        if getattr(option, "help", None):
            assert words(option.help.partition("  ")[0]) in words(shown)
    for name, inner in getattr(command, "commands", {}).items():
        assert re.search(rf"^  {name} ", shown, re.MULTILINE)
        assert words(re.split(r"\.\s", inner.help)[0]) in words(shown)


def test_commands_have_examples():
    """Each command of a service shows how it is used."""
    assert [
        path for path, command in COMMANDS.items() if path[:1] and path[0] in GROUPS and path[1:] and not command.epilog
    ] == []


@pytest.mark.parametrize(
    "arguments",
    [
        ["call"],
        ["call", "double", "{}", "--timeout", "-1"],
        ["call", "double", "{x: 1}"],
        ["call", "double", "--data-file", "nowhere.json"],
        ["calls", "list", "double", "--output", "xml"],
        ["calls", "list", "double", "--status", "Gone"],
        ["calls", "show", "double", "one"],
        ["schedules", "delete"],
        ["unknown"],
    ],
)
def test_wrong_usage(arguments):
    """Wrong arguments end with code 2, with a message on stderr and nothing on stdout."""
    ended = run(*arguments)
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "Error: " in ended.stderr


def test_deleting_needs_an_answer(monkeypatch):
    """Without a terminal, nothing is deleted unless `--yes` is given."""
    ended = run("schedules", "delete", "1")
    assert (ended.exit_code, ended.stdout) == (2, "")
    assert "--yes" in ended.stderr


def test_version():
    """`--version` shows the version of the package."""
    assert run("--version").stdout == f"aiocdf {version('aiocdf')}\n"


def test_completion():
    """The shell completes commands and options."""
    completed = run(_AIOCDF_COMPLETE="complete_bash", COMP_WORDS="aiocdf sch", COMP_CWORD="1").stdout
    assert completed.split() == ["schedules"]
    completed = run(_AIOCDF_COMPLETE="complete_bash", COMP_WORDS="aiocdf call double --fol", COMP_CWORD="3").stdout
    assert completed.split() == ["--follow"]


def test_help_imports_neither_client_nor_server():
    """The start of each command, and so its help, waits only for what it shows."""
    source = "import sys, aiocdf.cli.app; print(*sorted({'aiohttp', 'cattrs', 'rich', 'authlib'} & sys.modules.keys()))"
    assert subprocess.check_output([sys.executable, "-c", source], text=True) == "\n"
