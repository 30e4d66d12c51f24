"""`aiocdf schedules`: when the service calls functions."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aiocdf.cli.base.arguments import Limit, OutputForm, function_name
from aiocdf.cli.base.command import client_command
from aiocdf.cli.base.data import data_of
from aiocdf.cli.base.help import Commands
from aiocdf.errors import ConfigError

if TYPE_CHECKING:
    from aiocdf.client import Client

__all__ = ["app"]

app: typer.Typer = typer.Typer(help="List, show, create and delete schedules.", cls=Commands, no_args_is_help=True)

OfFunction = Annotated[
    str | None, typer.Option("--function", metavar="FUNCTION", help="Show only schedules of this function.")
]
ScheduleId = Annotated[int, typer.Argument(metavar="SCHEDULE", help="The schedule's id.", show_default=False)]
ScheduleIds = Annotated[list[int], typer.Argument(metavar="SCHEDULE", help="The schedules' ids.", show_default=False)]
ScheduleData = Annotated[
    Any,
    typer.Option(
        "--data",
        metavar="DATA",
        help="The data of each call: a JSON object; or @FILE to read it from a file; or - to read it from stdin.",
        parser=data_of,
        show_default=False,
    ),
]
_CREATE = """\
aiocdf schedules create hourly '0 * * * *' \\
  --function double --data '{"x": 21}'"""


@client_command(app, "list", examples="aiocdf schedules list --function double")
async def list_(
    client: Client, *, function: OfFunction = None, limit: Limit = None, output: OutputForm = "table"
) -> None:
    """List the schedules of the project."""
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.base.output import show_items

    columns = {
        "id": lambda schedule: schedule.id,
        "name": lambda schedule: schedule.name,
        "cron": lambda schedule: schedule.cron_expression,
        "function": lambda schedule: schedule.function_external_id or schedule.function_id,
        "when (UTC)": lambda schedule: schedule.when,
    }
    of = None if function is None else function_name(function)
    await show_items(client.schedules.list(function=of, limit=limit), columns, output)


@client_command(app, "show", examples="aiocdf schedules show 123")
async def show(client: Client, schedule: ScheduleId, *, output: OutputForm = "table") -> None:
    """Show one schedule, its data, and the times of its next calls."""
    from aiocdf.cli.base.output import show_one

    found, data = await asyncio.gather(client.schedules.retrieve(schedule), client.schedules.input_data(schedule))
    more: dict[str, Any] = {"data": data}
    try:
        more["next_runs"] = client.schedules.next_runs(found)
    except ConfigError as error:  # without the extra `deploy`, show the rest
        typer.echo(f"The next runs are not shown: {error}", err=True)
    show_one(found, output, **more)


@client_command(app, "create", examples=_CREATE)
async def create(
    client: Client,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The name of the schedule.", show_default=False)],
    cron: Annotated[
        str,
        typer.Argument(
            metavar="CRON",
            help="When to call, in UTC: minute, hour, day of the month, month, day of the week; in quotes.",
            show_default=False,
        ),
    ],
    *,
    function: Annotated[
        str, typer.Option(metavar="FUNCTION", help="The function to call, by its external or numeric id.")
    ],
    data: ScheduleData = None,
    description: Annotated[
        str | None, typer.Option(metavar="TEXT", help="The purpose of the schedule.", show_default=False)
    ] = None,
    output: OutputForm = "table",
) -> None:
    """Create a schedule: the service calls a function at each of its times."""
    from aiocdf.cli.base.output import show_one

    created = await client.schedules.create(
        name, cron, function=function_name(function), data=data, description=description
    )
    show_one(created, output)


@client_command(app, "delete", examples="aiocdf schedules delete 123 --yes", deletes=True)
async def delete(client: Client, schedules: ScheduleIds) -> None:
    """Delete schedules. Running calls continue."""
    await client.schedules.delete(schedules)
    typer.echo(f"Deleted {', '.join(map(str, schedules))}.")
