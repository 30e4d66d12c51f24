"""The console of the commands, and the progress of many calls. A pipe gets neither colours nor control codes."""

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

# Characters: more than any table has.
_PIPE_WIDTH = 10_000
# Seconds between two texts of a state.
_UPDATE_EVERY = 0.2


def open_console(*, stderr: bool = False) -> Console:
    """Return a console on stdout, or stderr, that writes text as it is: it does not read a name such as `[red]` as markup.

    In a pipe its lines are as long as they are, so that other programs find a row on one line.
    """
    console = Console(markup=False, emoji=False, highlight=False, stderr=stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _PIPE_WIDTH
    return console


@contextlib.contextmanager
def shown_progress(console: Console, total: int) -> Iterator[Callable[[], None]]:
    """Give what to call when one more is done.

    Args:
        console: A terminal gets a bar that moves; anything else a line a quarter.
        total: How many there are.
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
    """On a terminal that can move its cursor, show what *text* returns, anew as time passes; elsewhere show nothing."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    with console.status(Text(text())) as status:
        # Not in the thread that draws: what *text* reads belongs to the event loop.
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
