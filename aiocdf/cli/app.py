"""The shell command `aiocdf`: its subcommands and exit codes."""

from __future__ import annotations

from typing import Annotated

import typer

import aiocdf
from aiocdf.cli import call, calls, functions, init, login, schedules
from aiocdf.cli.base.help import Commands
from aiocdf.cli.map import app as map_app
from aiocdf.cli.server.command import app as server_app

__all__ = ["app", "run"]

# Only plain text: help and errors are the same on terminals and in pipes, and no traceback shows local variables.
app: typer.Typer = typer.Typer(
    help="Calls to Cognite Functions as asyncio futures, and a local server to run them without an account.",
    cls=Commands,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def run() -> None:
    """Run the command that the process's arguments name, and exit."""
    app(prog_name="aiocdf")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"aiocdf {aiocdf.__version__}")
        raise typer.Exit


@app.callback()
def main(
    *,
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Accept the options before the command."""


app.add_typer(init.app)
app.add_typer(server_app)
app.add_typer(call.app)
app.add_typer(map_app)
app.add_typer(calls.app, name="calls", rich_help_panel="Calls")
app.add_typer(functions.app, name="functions", rich_help_panel="Functions")
app.add_typer(schedules.app, name="schedules", rich_help_panel="Functions")
app.add_typer(login.app)
