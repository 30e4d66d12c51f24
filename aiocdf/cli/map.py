"""The command `aiocdf map`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from aiocdf.cli.base.arguments import function_name
from aiocdf.cli.base.command import Local, Url, command, run_to_end
from aiocdf.errors import ConfigError

__all__ = ["app"]

app: typer.Typer = typer.Typer()

_EXAMPLES = """\
aiocdf map double inputs.jsonl --out results.jsonl
aiocdf map double inputs.csv --out results.jsonl --key id
aiocdf map --status results.jsonl.journal"""


def _file(metavar: str, text: str) -> Any:
    return typer.Option(metavar=metavar, help=text, show_default=False)


Function = Annotated[
    str | None, typer.Argument(metavar="FUNCTION", help="The function's external or numeric id.", show_default=False)
]
Inputs = Annotated[
    Path | None,
    typer.Argument(
        metavar="INPUTS", help="A file of JSON objects, one per line, or of CSV with a header.", show_default=False
    ),
]
Form = Annotated[
    Literal["jsonl", "csv"] | None,
    typer.Option("--format", help="The format of INPUTS.  [default: by its suffix]", show_default=False),
]
MaxPending = Annotated[
    int | None,
    typer.Option(metavar="N", help="The maximum number of inputs in progress at once.", min=1, show_default=False),
]


@command(app, "map", examples=_EXAMPLES, section="Calls")
def map_(
    function: Function = None,
    inputs: Inputs = None,
    *,
    out: Annotated[Path | None, _file("FILE", "The file for the results, one JSON object per line.")] = None,
    journal: Annotated[Path | None, _file("FILE", "The file for the journal.  [default: next to --out]")] = None,
    form: Form = None,
    key: Annotated[
        str | None, _file("FIELD", "The field with the key of each input.  [default: its line number]")
    ] = None,
    ordered: Annotated[bool, typer.Option("--ordered", help="Write the results in the order of the inputs.")] = False,
    retry_failed: Annotated[
        bool, typer.Option("--retry-failed", help="Submit inputs again that ended as Failed, Timeout or Refused.")
    ] = False,
    retry_uncertain: Annotated[
        bool,
        typer.Option("--retry-uncertain", help="Submit inputs again that may have started: they may then run twice."),
    ] = False,
    max_pending: MaxPending = None,
    local: Local = False,
    url: Url = None,
    status: Annotated[Path | None, _file("JOURNAL", "Show the progress that a journal records, and exit.")] = None,
) -> None:
    """Call FUNCTION with each input, and write the results. After a crash, run the same command again to continue.

    After Ctrl-C, no more calls are started, and running calls finish. A second Ctrl-C stops at once. In both cases, run
    the same command again to continue. Exit code: 0 if every input completed, 1 if some did not, 130 after Ctrl-C.
    """
    # Imported late, so that help is shown quickly.
    try:
        from aiocdf.batch import MapSettings
        from aiocdf.cli.base.connection import open_client
        from aiocdf.cli.mapping import MapJob, show_status
    except ModuleNotFoundError as error:
        if error.name != "aiosqlite":
            raise
        raise ConfigError('aiocdf map needs the extra `batch`: pip install "aiocdf[batch,cli]"') from None
    if status is not None:
        run_to_end(show_status(status))
        return
    if function is None or inputs is None or out is None:
        raise typer.BadParameter("give either FUNCTION, INPUTS and --out, or --status JOURNAL")
    settings = MapSettings(
        format=form,
        key=key,
        ordered=ordered,
        retry_failed=retry_failed,
        retry_uncertain=retry_uncertain,
        max_pending=max_pending,
    )
    client = open_client(local=local, url=url)
    job = MapJob(
        client=client, function=function_name(function), inputs=inputs, out=out, journal=journal, settings=settings
    )
    run_to_end(job.run(), first=job.drain)
    if job.status:
        raise typer.Exit(job.status)
