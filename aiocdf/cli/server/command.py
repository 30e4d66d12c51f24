"""`aiocdf serve` and `aiocdf demo`, as the shell sees them."""

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
    """Run the functions in DIR on this computer, behind the HTTP of Cognite Functions.

    Prints the functions, and the environment by which clients find them. Changed code is picked up by the next call.
    Ctrl-C ends it.
    """
    # Help and errors in options need not wait for the server to be imported.
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
    calls: Annotated[int, typer.Option(metavar="N", help="How many calls to fan out.", min=1, max=100_000)] = 300,
) -> None:
    """Show what aiocdf does, in some seconds, with a server of its own."""
    # Help must not wait for the server to be imported.
    from aiocdf.cli.demo import run_demo

    run_to_end(run_demo(calls))
