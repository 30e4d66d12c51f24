"""The console of the commands, and the progress of many calls. Pipes get no colours and no control codes."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from aiocdf import _clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from rich.status import Status

__all__ = ["open_console", "shown_progress", "shown_state"]

# In characters: wider than any table.
_PIPE_WIDTH = 10_000
# Seconds between two updates of a state.
_UPDATE_EVERY = 0.2


def open_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout or stderr that does not interpret markup: `[red]` is written as it is.

    In a pipe it does not wrap lines, so that other programs find each row on one line.
    """
    console = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


@contextlib.contextmanager
def shown_progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """Yield a callback to call after each finished call.

    Args:
        console: A terminal shows a progress bar; any other output gets one line per quarter.
        total: The number of calls.
    """
    if not console.is_terminal or console.is_dumb_terminal:
        yield _quarters(console, total)
        return
    columns = TextColumn("calls"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=console) as progress:
        bar = progress.add_task("", total=total)
        yield lambda: progress.advance(bar)


def _quarters(console: Console, total: int) -> Callable[[], None]:
    done = 0

    def one_more() -> None:
        nonlocal done
        done += 1
        if 4 * done // total > 4 * (done - 1) // total:
            console.print(f"{done} of {total} calls done")

    return one_more


@contextlib.asynccontextmanager
async def shown_state(console: Console, text: Callable[[], str]) -> AsyncIterator[None]:
    """Show what *text* returns and update it. Without a terminal that can move its cursor, show nothing."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    with console.status(Text(text())) as status:
        # Not in the drawing thread: *text* reads values that belong to the event loop.
        updates = asyncio.create_task(_update(status, text))
        try:
            yield
        finally:
            updates.cancel()
            await asyncio.wait([updates])


async def _update(status: Status, text: Callable[[], str]) -> None:
    while True:
        await _clock.sleep(_UPDATE_EVERY)
        status.update(Text(text()))
