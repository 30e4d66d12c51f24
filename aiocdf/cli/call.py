"""`aiocdf call`: one call of a function, from the shell."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiocdf.cli.base.arguments import FunctionName, Wait  # noqa: TC001 - typer reads the annotations
from aiocdf.cli.base.command import client_command
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from aiocdf.client import Client

__all__ = ["AsJson", "Follow", "app"]

app = typer.Typer()

_EXAMPLES = """\
aiocdf call double '{"x": 21}'
aiocdf call double @data.json --follow
echo '{"x": 21}' | aiocdf call double - | jq .
aiocdf call double --local '{"x": 21}' --json"""

Data = Annotated[
    str | None,
    typer.Argument(metavar="DATA", help="A JSON object; or @FILE, a file with one; or -, for stdin."),
]
DataFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Read the data from this file. - is stdin.", show_default=False)
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show what the function prints, on stderr.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Print the call's id once it is accepted, and end.")]
AsJson = Annotated[
    bool, typer.Option("--json", help="Print the call as one JSON object, with its response or its error.")
]


@client_command(app, "call", examples=_EXAMPLES, section="Calls")
async def call(
    client: Client,
    function: FunctionName,
    data: Data = None,
    *,
    data_file: DataFile = None,
    follow: Follow = False,
    within: Wait = None,
    no_wait: NoWait = False,
    as_json: AsJson = False,
) -> None:
    """Call FUNCTION, wait for its end, and print what it returned.

    stdout gets the response as JSON, and nothing else. The exit code is 0 if the call completed, and 1 if it failed.
    """
    # Help must not wait for rich to be imported.
    from aiocdf.cli.outcome import show_accepted, show_outcome

    handle = client.call(function, await asyncio.to_thread(read_data, data, data_file))
    if no_wait:
        await show_accepted(handle, as_json=as_json)
    else:
        await show_outcome(handle, within=within, follow=follow, as_json=as_json)


def read_data(text: str | None, file: Path | None) -> Any:
    """Return the data of a call.

    Args:
        text: JSON text; or `@` and the path of a file, or `-` for stdin; None for no data.
        file: The path of a file in place of *text*, or `-` for stdin.

    Raises:
        InvalidArgument: Both are given, the file cannot be read, or it does not hold JSON.
    """
    if file is not None and text is not None:
        raise InvalidArgument("give either DATA or --data-file")
    if file is None and text is not None and text.startswith("@"):
        file = Path(text[1:])
    if text == "-" or file == Path("-"):
        return _parsed(sys.stdin.read(), "stdin")
    if file is not None:
        return _parsed(_text_of(file), repr(str(file)))
    return None if text is None else _parsed(text, "DATA")


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidArgument(f"cannot read the data from {str(file)!r}: {error}") from None


def _parsed(text: str, source: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InvalidArgument(
            f"{source} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
