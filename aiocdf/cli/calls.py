"""`aiocdf calls`: the calls of functions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from aiocdf.cli.base.arguments import (  # noqa: TC001 - typer reads the annotations
    CallId,
    FunctionName,
    Limit,
    OutputForm,
    Wait,
)
from aiocdf.cli.base.command import client_command
from aiocdf.cli.base.help import Commands
from aiocdf.cli.call import AsJson, Follow  # noqa: TC001 - typer reads the annotations

if TYPE_CHECKING:
    from aiocdf.client import Client
    from aiocdf.handle import CallHandle
    from aiocdf.models.calls import FunctionCall

__all__ = ["app"]

app: typer.Typer = typer.Typer(help="List and show calls, and wait for their end.", cls=Commands, no_args_is_help=True)

Status = Annotated[
    Literal["Running", "Completed", "Failed", "Timeout"] | None,
    typer.Option(
        metavar="STATUS",
        help="Show only calls with this status: Running, Completed, Failed or Timeout.",
        case_sensitive=False,
    ),
]
ScheduleId = Annotated[int | None, typer.Option("--schedule", metavar="ID", help="Show only calls of this schedule.")]


@client_command(
    app,
    "list",
    examples="aiocdf calls list double --limit 10\naiocdf calls list double --status Failed -o jsonl | jq .id",
)
async def list_(
    client: Client,
    function: FunctionName,
    *,
    status: Status = None,
    schedule: ScheduleId = None,
    limit: Limit = None,
    output: OutputForm = "table",
) -> None:
    """List the calls of FUNCTION."""
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.base.output import show_items

    columns = {
        "id": lambda call: call.id,
        "status": lambda call: call.status,
        "started": lambda call: call.start_time,
        "seconds": lambda call: call.runtime,
        "error": _first_line,
    }
    await show_items(client.calls.list(function, status=status, schedule_id=schedule, limit=limit), columns, output)


def _first_line(call: FunctionCall) -> str:
    return call.error.message.partition("\n")[0] if call.error else ""


@client_command(app, "show", examples="aiocdf calls show double 123")
async def show(client: Client, function: FunctionName, call: CallId, *, output: OutputForm = "table") -> None:
    """Show one call."""
    from aiocdf.cli.base.output import show_one

    show_one(await client.calls.retrieve(function, call), output)


@client_command(
    app, "logs", examples="aiocdf calls logs double 123 --follow\naiocdf calls logs double 123 -o jsonl | jq .message"
)
async def logs(
    client: Client,
    function: FunctionName,
    call: CallId,
    *,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Continue until the call ends.")] = False,
    output: OutputForm = "table",
) -> None:
    """Show the log of a call."""
    from aiocdf.cli.outcome import show_logs

    await show_logs(client.calls.logs(function, call, follow=follow), output)


@client_command(app, "response", examples="aiocdf calls response double 123 | jq .")
async def response(client: Client, function: FunctionName, call: CallId) -> None:
    """Print the response of a call as JSON. Wait for its end if it is still running."""
    from aiocdf.cli.base.console import open_console
    from aiocdf.cli.base.output import write_json

    handle = await _attached(client, function, call)
    write_json(open_console(), await handle.response())


@client_command(app, "wait", examples="aiocdf calls wait double 123 --timeout 60")
async def wait(
    client: Client,
    function: FunctionName,
    call: CallId,
    *,
    follow: Follow = False,
    within: Wait = None,
    as_json: AsJson = False,
) -> None:
    """Wait until a call ends, and print its response, as `aiocdf call` does."""
    from aiocdf.cli.outcome import show_outcome

    handle = await _attached(client, function, call)
    await show_outcome(handle, address=client.base_url, within=within, follow=follow, as_json=as_json)


async def _attached(client: Client, function: int | str, call: int) -> CallHandle:
    """Return a handle of a call; one that the service does not know raises `NotFound`, which has an exit code of its own."""
    await client.calls.retrieve(function, call)
    return client.attach(function, call)
