"""`aiocdf call`: one call of a function, from the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiocdf.cli.base.arguments import FunctionName, Wait  # noqa: TC001 - typer reads the annotations
from aiocdf.cli.base.command import client_command
from aiocdf.cli.base.data import data_of, data_of_file
from aiocdf.errors import InvalidArgument

if TYPE_CHECKING:
    from aiocdf.client import Client

__all__ = ["AsJson", "Follow", "app"]

app: typer.Typer = typer.Typer()

_EXAMPLES = """\
aiocdf call double '{"x": 21}'
aiocdf call double @data.json --follow
echo '{"x": 21}' | aiocdf call double - | jq .
aiocdf call double --local '{"x": 21}' --json"""

Data = Annotated[
    Any,
    typer.Argument(
        metavar="DATA",
        help="A JSON object; or @FILE to read it from a file; or - to read it from stdin.",
        parser=data_of,
        show_default=False,
    ),
]
DataFile = Annotated[
    Any,
    typer.Option(
        metavar="FILE", help="Read the data from this file. - is stdin.", parser=data_of_file, show_default=False
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Show what the function prints, on stderr.")]
NoWait = Annotated[
    bool, typer.Option("--no-wait", help="Print the call's id as soon as the service accepts the call, and exit.")
]
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
    """Call FUNCTION, wait until the call ends, and print its response.

    Only the response is written to stdout, as JSON. The exit code is 0 if the call completed, and 1 if it failed.
    """
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.outcome import show_accepted, show_outcome

    if data is not None and data_file is not None:
        raise InvalidArgument("give either DATA or --data-file")
    handle = client.call(function, data if data_file is None else data_file)
    if no_wait:
        await show_accepted(handle, as_json=as_json)
    else:
        await show_outcome(handle, address=client.base_url, within=within, follow=follow, as_json=as_json)
