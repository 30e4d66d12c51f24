"""`aiocdf functions`: the functions of a project."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aiocdf.cli.base.arguments import (
    FunctionName,
    Limit,
    OutputForm,
    Wait,
    function_name,
)
from aiocdf.cli.base.command import client_command
from aiocdf.cli.base.help import Commands

if TYPE_CHECKING:
    from aiocdf.client import Client

__all__ = ["app"]

app: typer.Typer = typer.Typer(help="List, show, deploy and delete functions.", cls=Commands, no_args_is_help=True)

Status = Annotated[
    Literal["Queued", "Deploying", "Ready", "Failed"] | None,
    typer.Option(
        metavar="STATUS",
        help="Show only functions with this status: Queued, Deploying, Ready or Failed.",
        case_sensitive=False,
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(
        metavar="TEXT", help="Show only functions whose external id starts with this text.", show_default=False
    ),
]
Functions = Annotated[
    list[Any],
    typer.Argument(metavar="FUNCTION", help="The functions' external or numeric ids.", parser=function_name),
]


def _text(help_text: str) -> Any:
    return typer.Option(metavar="TEXT", help=help_text, show_default=False)


Secrets = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME=SOURCE",
        help="A secret of the function. SOURCE is env:VARIABLE or file:PATH. Can be repeated.",
        show_default=False,
    ),
]
_DEPLOY = """\
aiocdf functions deploy hello
aiocdf functions deploy hello --secret key=env:API_KEY
aiocdf functions deploy hello --local -o json"""


@client_command(
    app, "list", examples="aiocdf functions list --local\naiocdf functions list --status Failed -o jsonl | jq .id"
)
async def list_(
    client: Client, *, status: Status = None, prefix: Prefix = None, limit: Limit = None, output: OutputForm = "table"
) -> None:
    """List the functions of the project."""
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.base.output import show_items

    columns = {
        "id": lambda function: function.id,
        "external id": lambda function: function.external_id,
        "name": lambda function: function.name,
        "status": lambda function: function.status,
        "created": lambda function: function.created_time,
    }
    await show_items(client.functions.list(status=status, external_id_prefix=prefix, limit=limit), columns, output)


@client_command(app, "show", examples="aiocdf functions show double")
async def show(client: Client, function: FunctionName, *, output: OutputForm = "table") -> None:
    """Show one function."""
    from aiocdf.cli.base.output import show_one

    show_one(await client.functions.retrieve(function), output)


@client_command(app, "delete", examples="aiocdf functions delete double --yes", deletes=True)
async def delete(client: Client, functions: Functions) -> None:
    """Delete functions and their schedules. Running calls continue, and the files with the code are kept."""
    await client.functions.delete(functions)
    typer.echo(f"Deleted {', '.join(map(str, functions))}.")


@client_command(app, "limits", examples="aiocdf functions limits -o json")
async def limits(client: Client, *, output: OutputForm = "table") -> None:
    """Show the limits of functions on the project's cloud: time, CPU, memory, Python versions."""
    from aiocdf.cli.base.output import show_one

    show_one(await client.functions.limits(), output)


@client_command(app, "deploy", examples=_DEPLOY)
async def deploy(
    client: Client,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The folder with the code. It may have a function.toml.")
    ],
    *,
    external_id: Annotated[str | None, _text("The external id.  [default: the folder's name]")] = None,
    name: Annotated[str | None, _text("The name.  [default: the name in function.toml, or the external id]")] = None,
    secret: Secrets = None,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Do not wait until the function is Ready.")] = False,
    within: Wait = None,
    output: OutputForm = "table",
) -> None:
    """Deploy the code in FOLDER as a function, and wait until it can be called.

    The settings are read from function.toml. A function with the same external id is replaced, and its schedules are
    kept. If it already has this code and these settings, nothing is uploaded.
    """
    from aiocdf.cli.deploying import DeployJob

    await DeployJob(
        folder=folder,
        name=name,
        external_id=external_id,
        secrets=secret or (),
        wait=not no_wait,
        within=within,
        form=output,
    ).run(client)
