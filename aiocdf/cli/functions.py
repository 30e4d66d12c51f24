"""`aiocdf functions`: the functions of a project."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aiocdf.cli.base.arguments import (
    FunctionName,
    Limit,
    OutputForm,
    function_name,
)
from aiocdf.cli.base.command import client_command
from aiocdf.cli.base.help import Commands

if TYPE_CHECKING:
    from aiocdf.client import Client

__all__ = ["app"]

app = typer.Typer(help="Look at functions, deploy them, and delete them.", cls=Commands, no_args_is_help=True)

Status = Annotated[
    Literal["Queued", "Deploying", "Ready", "Failed"] | None,
    typer.Option(
        metavar="STATUS", help="Show only those that are Queued, Deploying, Ready or Failed.", case_sensitive=False
    ),
]
Prefix = Annotated[
    str | None,
    typer.Option(metavar="TEXT", help="Show only functions whose external id begins so.", show_default=False),
]
Functions = Annotated[
    list[Any],
    typer.Argument(metavar="FUNCTION", help="Their external or numeric ids.", parser=function_name),
]


@client_command(
    app, "list", examples="aiocdf functions list --local\naiocdf functions list --status Failed -o jsonl | jq .id"
)
async def list_(
    client: Client, *, status: Status = None, prefix: Prefix = None, limit: Limit = None, output: OutputForm = "table"
) -> None:
    """List the functions of the project."""
    # Help must not wait for rich to be imported.
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
    """Delete functions, with their calls and schedules."""
    await client.functions.delete(functions)
    typer.echo(f"Deleted {', '.join(map(str, functions))}.")


@client_command(app, "limits", examples="aiocdf functions limits -o json")
async def limits(client: Client, *, output: OutputForm = "table") -> None:
    """Show what the project's cloud allows a function: time, CPU, memory, Python versions."""
    from aiocdf.cli.base.output import show_one

    show_one(await client.functions.limits(), output)
