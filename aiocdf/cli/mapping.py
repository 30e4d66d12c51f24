"""`aiocdf map`: a durable map in the foreground, and where one stands."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from typing import TYPE_CHECKING

import attrs
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from aiocdf import batch
from aiocdf.batch import InputStatus
from aiocdf.cli.base.console import open_console
from aiocdf.errors import AiocdfError, ConfigError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from rich.console import Console

    from aiocdf.client import Client

__all__ = ["MapJob", "show_status"]

# Seconds between two lines in a pipe.
_LINE_EVERY = 10.0

_INTERRUPTED = 130

_MEANINGS = {
    InputStatus.Completed: "returned a value",
    InputStatus.Failed: "the function raised; for another try: --retry-failed",
    InputStatus.Timeout: "stopped at the time limit; for another try: --retry-failed",
    InputStatus.Refused: "not started by the service; for another try: --retry-failed",
    InputStatus.Lost: "their end was not seen; the next run looks again",
    InputStatus.Uncertain: "may have started; --retry-uncertain may run them twice",
    InputStatus.Invalid: "not sent; their results say why",
    InputStatus.Running: "at the service",
    InputStatus.Submitting: "being submitted; the next run finds out whether they started",
}


@attrs.define(kw_only=True, eq=False)
class MapJob:
    """One run of `aiocdf map`."""

    client: Client
    function: int | str
    inputs: Path
    out: Path
    journal: Path | None
    settings: batch.MapSettings
    #: The exit status, once it has run.
    status: int = 0
    _stop: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    _console: Console = attrs.field(factory=open_console, init=False)

    def drain(self) -> None:
        """Begin no more inputs, and wait for those that run."""
        self._stop.set()
        self._console.print("Ctrl-C: no more inputs are begun. Waiting for running calls; Ctrl-C again stops at once.")

    async def run(self) -> None:
        """Work until all inputs have a result, or until asked to stop, and show how far it is.

        Raises:
            AiocdfError: As `batch.map` has it.
        """
        try:
            async with self.client as client:
                with shown(self._console) as show:
                    summary = await batch.map(
                        client,
                        self.function,
                        self.inputs,
                        self.out,
                        journal=self.journal,
                        settings=self.settings,
                        stop=self._stop,
                        on_progress=show,
                    )
        except asyncio.CancelledError:
            self._console.print(f"Stopped. The journal has where each input stands. {self._again}", soft_wrap=True)
            raise
        except AiocdfError as error:
            if not isinstance(error, UsageError | ConfigError):
                self._console.print(f"The run ended early. {self._again}", soft_wrap=True)
            raise
        self._report(summary)

    def _report(self, summary: batch.Summary) -> None:
        self._console.print(_table(summary))
        left = summary.total - summary.done
        self._console.print(f"\nResults: {self.out}")
        if left:
            self._console.print(f"{left:,} inputs have no result yet. {self._again}", soft_wrap=True)
        self.status = _INTERRUPTED if left else int(not summary.complete)

    @property
    def _again(self) -> str:
        command = shlex.join(["aiocdf", *sys.argv[1:]])
        return f"To go on, run the same command again:\n\n  {command}"


async def show_status(journal: Path) -> None:
    """Show where the map of a journal stands.

    Args:
        journal: The file.

    Raises:
        InvalidArgument: It is not there, or is not a journal.
    """
    summary, holder = await batch.status(journal)
    console, identity = open_console(), summary.identity
    console.print(f"Function {identity.function} of project {identity.project} at {identity.base_url}\n")
    console.print(_table(summary))
    if holder is not None:
        console.print(f"\nIn use by {holder}.")
    elif summary.done < summary.total:
        console.print("\nNot in use by any process: to go on, run the command that began it again.")


def _table(summary: batch.Summary) -> Table:
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column(justify="right")
    for status in InputStatus:
        if count := summary.counts.get(status, 0):
            table.add_row(status, f"{count:,}", _MEANINGS[status])
    if waiting := summary.total - sum(summary.counts.values()):
        table.add_row("Queued", f"{waiting:,}", "not submitted yet")
    table.add_row("Total", f"{summary.total:,}", "")
    return table


@contextlib.contextmanager
def shown(console: Console) -> Iterator[Callable[[batch.Progress], None]]:
    """Give what to call with each progress.

    Args:
        console: A terminal gets a bar that moves; anything else a line now and then.
    """
    if not console.is_terminal or console.is_dumb_terminal:
        yield _lines(console)
        return
    columns = BarColumn(bar_width=24), TextColumn("{task.description}")
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("starting")
        yield lambda now: bar.update(task, total=now.total, completed=now.done, description=explain(now))


def _lines(console: Console) -> Callable[[batch.Progress], None]:
    told_at, told = 0.0, ""

    def show(now: batch.Progress) -> None:
        nonlocal told_at, told
        over = now.done == now.total
        if (over or not told or now.elapsed - told_at >= _LINE_EVERY) and (line := explain(now)) != told:
            told_at, told = now.elapsed, line
            console.print(line, soft_wrap=True)

    return show


def explain(now: batch.Progress) -> str:
    """Return a progress as one line."""
    parts = [f"{now.done:,} of {now.total:,} done"]
    if now.failed:
        parts.append(f"{now.failed:,} not completed")
    parts.append(f"{now.running:,} running")
    if now.recovering:
        parts.append(f"{now.recovering:,} in doubt, being looked for")
    if waiting := now.queued - now.recovering:
        parts.append(f"{waiting:,} {'not begun' if now.draining else 'queued'}")
    if now.rate is not None:
        parts.append(f"{now.rate:,.1f}/s" if now.rate < 10 else f"{now.rate:,.0f}/s")
    if now.remaining and now.done < now.total:
        parts.append(f"{_span(now.remaining)} left")
    return ", ".join(parts)


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
