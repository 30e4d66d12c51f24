"""The commands, their options, and how they end."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aiocdf.cli.signals import run_until_signal
from aiocdf.errors import AiocdfError, ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Coroutine

__all__ = ["run"]

# Plain text throughout: help and errors read the same on terminals and in pipes, and no traceback shows local values.
app = typer.Typer(
    help="Calls to Cognite Functions as asyncio futures, and a local server to run them without an account.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def run() -> None:
    """Run the command that the process's arguments name, and end the process."""
    try:
        app(prog_name="aiocdf")
    except AiocdfError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(2 if isinstance(error, UsageError | ConfigError) else 1)


@app.command()
def serve(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", help="Each folder in it with a handler.py is a function.", show_default=False),
    ],
    *,
    port: Annotated[int, typer.Option(metavar="N", help="The TCP port; 0 for a free one.", min=0, max=65_535)] = 0,
    host: Annotated[
        str, typer.Option(help="The address to listen at; another than this lets other machines run the functions.")
    ] = "127.0.0.1",
    allow_host: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="One more name by which clients reach the server.", show_default=False),
    ] = None,
    project: Annotated[str, typer.Option(help="The name of its project.")] = "local",
    env_file: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH", help="Keep the environment in this file while the server runs.", show_default=False
        ),
    ] = None,
    login_flow: Annotated[
        Literal["client_credentials", "interactive", "device_code"],
        typer.Option(help="How clients sign in: with a secret, or as a user in a browser, here or on another device."),
    ] = "client_credentials",
    error_shape: Annotated[
        Literal["object", "string"],
        typer.Option(help="What the error of a failed call is: message and trace, or the message only."),
    ] = "object",
) -> None:
    """Run the functions in DIR on this computer, behind the HTTP of Cognite Functions.

    Prints the functions, and the environment by which clients find them. Changed code is picked up by the next call.
    Ctrl-C ends it.
    """
    # Help and errors in options need not wait for the server to be imported.
    from aiocdf.cli.serve import run_server

    run_until_signal(
        run_server(
            folder,
            port=port,
            host=host,
            allowed_hosts=allow_host or (),
            project=project,
            env_file=env_file,
            login_flow=login_flow,
            error_shape=error_shape,
        )
    )


@app.command()
def demo(
    *,
    calls: Annotated[int, typer.Option(metavar="N", help="How many calls to fan out.", min=1, max=100_000)] = 300,
) -> None:
    """Show what aiocdf does, in some seconds, with a server of its own."""
    # As in `serve`.
    from aiocdf.cli.demo import run_demo

    _run(run_demo(calls))


@app.command()
def login() -> None:
    """Sign in where the environment says, and show who you are.

    Programs of yours that the same environment leads go on with this sign-in.
    """
    from aiocdf.cli.sign_in import run_login

    _run(run_login())


@app.command()
def logout() -> None:
    """End the sign-in, here and at the identity provider."""
    from aiocdf.cli.sign_in import run_logout

    _run(run_logout())


@app.command()
def whoami() -> None:
    """Show as whom programs act, until when, and whether they can call functions."""
    from aiocdf.cli.sign_in import run_whoami

    _run(run_whoami())


def _run(work: Coroutine[Any, Any, None]) -> None:
    """Run a command that comes to an end by itself; one that a signal ended says so by its status."""
    if signal := run_until_signal(work):
        raise typer.Exit(128 + signal)
