"""docs/cli.md is what the commands themselves say. To write it anew: `python tests/docs/test_cli.py`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer
import typer.main

from aiocdf.cli.app import app
from aiocdf.cli.base.exit_codes import ExitCode

DOCUMENT = Path(__file__).parents[2] / "docs" / "cli.md"
SOURCE = Path(__file__).parents[2] / "aiocdf" / "cli" / "base" / "exit_codes.py"

HEAD = """\
# Command line

`aiocdf`, or `python -m aiocdf`, needs the extra `cli`. This page has the same text as `--help`; a test generates it from the code.
More about `serve`, `map` and `login` is in the [reference](reference.md#command-line).

Commands use the project that the [environment](reference.md#environment-variables) names, or with `--local` the server that
`aiocdf serve` runs. stdout has the result; progress, logs of functions and errors go to stderr. There are no colours in
pipes, and none where `NO_COLOR` is set. `aiocdf --install-completion` sets up the completion of your shell.

![A terminal in which a function is deployed, another is called with its log shown, and calls and functions are listed](pictures/shell.svg)

## Exit codes

| code | meaning |
|---|---|
"""


def _written() -> str:
    """Return the document as the code has it."""
    root = typer.main.get_command(app)
    sections = "\n".join(_section(path, command) for path, command in _commands(root, "aiocdf"))
    return f"{HEAD}{_exit_codes()}\n{sections}"


def _exit_codes() -> str:
    """Return the rows of the table: the comments that stand above the codes."""
    meanings = re.findall(r"#: (.+)\n    \w+ = (\d+)", SOURCE.read_text())
    assert [int(code) for _, code in meanings] == list(ExitCode)
    return "".join(f"| {code} | {meaning} |\n" for meaning, code in meanings) + (
        "| 128 + N | Signal N ended the command: 130 after Ctrl-C. |\n"
    )


def _commands(command: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the commands that do something, with their names."""
    for name, inner in getattr(command, "commands", {}).items():
        yield from _commands(inner, f"{path} {name}")
    if not hasattr(command, "commands"):
        yield path, command


def _section(path: str, command: Any) -> str:
    context = typer.Context(command, info_name=path)
    usage = re.sub(r"[{}]", "", " ".join(command.collect_usage_pieces(context)))
    text = "\n\n".join(" ".join(paragraph.split()) for paragraph in command.help.split("\n\n"))
    records = [record for parameter in command.get_params(context) if (record := parameter.get_help_record(context))]
    rows = "".join(f"| {_code(name)} | {_cell(meaning)} |\n" for name, meaning in records)
    examples = f"\n```text\n{command.epilog}\n```\n" if command.epilog else ""
    return f"## {path}\n\n{text}\n\n```text\n{path} {usage}\n```\n\n| argument or option | meaning |\n|---|---|\n{rows}{examples}"


def _code(name: str) -> str:
    return f"`{re.sub(r' <[^>|]+>$', '', name)}`".replace("|", "\\|")


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def test_it_says_what_the_commands_say() -> None:
    """The document is not stale; if it is: `python tests/docs/test_cli.py`."""
    assert DOCUMENT.read_text() == _written()


if __name__ == "__main__":
    DOCUMENT.write_text(_written())
