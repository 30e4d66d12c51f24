"""The commands `aiocdf serve` and `aiocdf demo`."""

from __future__ import annotations

from typing import Annotated

import typer

from aiocdf.cli.base.command import command, run_to_end
from aiocdf.cli.base.signals import run_until_signal
from aiocdf.cli.server import options as option  # noqa: TC001 - typer reads the annotations

__all__ = ["app"]

app: typer.Typer = typer.Typer()

_EXAMPLES = """\
aiocdf serve functions
aiocdf serve functions --env-file local.env
aiocdf serve functions --limit calls-per-function=10"""


@command(app, "serve", examples=_EXAMPLES, section="Start")
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
    """Run the functions in DIR on this computer, behind the HTTP API of Cognite Functions.

    Prints the functions, and the environment variables for clients. Changed code is used from the next call on.
    Ctrl-C stops the server.
    """
    # Imported late, so that help and errors in options are shown quickly.
    from aiocdf.cli.server.serve import ServeJob

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


@command(app, "demo", section="Start")
def demo(
    *,
    calls: Annotated[
        int, typer.Option(metavar="N", help="The number of calls to make at once.", min=1, max=100_000)
    ] = 300,
) -> None:
    """Show what aiocdf does, in a few seconds, on a temporary local server."""
    # Imported late, so that help is shown quickly.
    from aiocdf.cli.demo import run_demo

    run_to_end(run_demo(calls))
