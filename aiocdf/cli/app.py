"""The commands, their options, and how they end."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - typer reads the annotations
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from aiocdf.cli import serve_options as option  # noqa: TC001 - typer reads the annotations
from aiocdf.cli.grouped_help import GroupedCommand
from aiocdf.cli.signals import run_until_signal
from aiocdf.errors import AiocdfError, ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

__all__ = ["run"]

# Plain text throughout: help and errors read the same on terminals and in pipes, and no traceback shows local values.
app: typer.Typer = typer.Typer(
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


@app.command(cls=GroupedCommand)
def serve(
    folder: option.Folder,
    *,
    port: option.Port = None,
    host: option.Host = "127.0.0.1",
    open_to_others: option.OpenToOthers = False,
    allow_host: option.AllowHost = None,
    project: option.Project = "local",
    client_secret: option.ClientSecret = None,
    login_flow: option.LoginFlow = "client_credentials",
    env_file: option.EnvFile = None,
    cloud: option.Cloud = "gcp",
    limit: option.LimitChanges = None,
    faults: option.Faults = None,
    error_shape: option.ErrorShape = "object",
    missing_key: option.MissingKey = "externalId",
    state: option.State = None,
    fresh: option.Fresh = False,
    processes: option.Processes = None,
    executor: option.Executor = "local",
    rerun_lost: option.RerunLost = False,
) -> None:
    """Run the functions in DIR on this computer, behind the HTTP of Cognite Functions.

    Prints the functions, and the environment by which clients find them. Changed code is picked up by the next call.
    Ctrl-C ends it.
    """
    # Help and errors in options need not wait for the server to be imported.
    from aiocdf.cli.serve import ServeJob

    job = ServeJob(
        folder=folder,
        port=port,
        host=host,
        open_to_others=open_to_others,
        allowed_hosts=allow_host or (),
        project=project,
        client_secret=client_secret,
        login_flow=login_flow,
        env_file=env_file,
        cloud=cloud,
        limits=limit or (),
        faults=faults,
        error_shape=error_shape,
        missing_key=missing_key,
        state=state,
        fresh=fresh,
        processes=processes,
        executor=executor,
        rerun_lost=rerun_lost,
    )
    run_until_signal(job.run())


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


def _file(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text, show_default=False)


@app.command(name="map")
def map_(
    function: Annotated[
        str | None, typer.Argument(metavar="FUNCTION", help="Its id or external id.", show_default=False)
    ] = None,
    inputs: Annotated[
        Path | None,
        typer.Argument(metavar="INPUTS", help="JSON objects, one a line, or CSV with a header.", show_default=False),
    ] = None,
    *,
    out: Annotated[Path | None, _file("FILE", "Where the results go, a line of JSON each.")] = None,
    journal: Annotated[Path | None, _file("FILE", "Where the journal is.  [default: beside --out]")] = None,
    form: Annotated[
        Literal["jsonl", "csv"] | None,
        typer.Option("--format", help="How INPUTS is written.  [default: by its suffix]", show_default=False),
    ] = None,
    key: Annotated[str | None, _file("FIELD", "The field that is an input's key.  [default: its line number]")] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="Write the results in the order of the inputs.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Submit again what ended as Failed, Timeout or Refused.")
    ] = False,
    retry_uncertain: Annotated[
        bool, typer.Option("--retry-uncertain", help="Submit again what may have started: it may then run twice.")
    ] = False,
    max_pending: Annotated[
        int | None,
        typer.Option(metavar="N", help="At most so many inputs under way at once.", min=1, show_default=False),
    ] = None,
    status: Annotated[Path | None, _file("JOURNAL", "Show where the map of a journal stands, and end.")] = None,
) -> None:
    """Call FUNCTION with each input, and write the results. It survives a crash: run the same command again.

    Ctrl-C lets running calls finish and starts no more; a second one stops at once. In both cases the same command goes
    on from there. Exit status: 0 if every input completed, 1 if some did not, 2 for wrong usage, 130 after Ctrl-C.
    """
    # As in `serve`.
    try:
        from aiocdf.batch import MapSettings
        from aiocdf.cli.mapping import MapJob, show_status
    except ModuleNotFoundError as error:
        if error.name != "aiosqlite":
            raise
        raise ConfigError('aiocdf map needs more packages: pip install "aiocdf[batch,cli]"') from None
    if status is not None:
        _run(show_status(status))
        return
    if function is None or inputs is None or out is None:
        raise typer.BadParameter("give FUNCTION, INPUTS and --out, or --status JOURNAL")
    settings = MapSettings(
        format=form,
        key=key,
        ordered=ordered,
        retry_failed=retry_failed,
        retry_uncertain=retry_uncertain,
        max_pending=max_pending,
    )
    job = MapJob(function=function, inputs=inputs, out=out, journal=journal, settings=settings)
    _run(job.run(), first=job.drain)
    if job.status:
        raise typer.Exit(job.status)


def _run(work: Coroutine[Any, Any, None], *, first: Callable[[], None] | None = None) -> None:
    """Run a command that comes to an end by itself; one that a signal ended says so by its status."""
    if signal := run_until_signal(work, first=first):
        raise typer.Exit(128 + signal)
