"""The console of the commands, and the progress of many calls. A pipe gets neither colours nor control codes."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

import attrs
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Wider than any table.
_PIPE_WIDTH = 10_000

__all__ = ["open_console", "shown_progress", "shown_state"]


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


@contextlib.contextmanager
def shown_state(console: Console, text: Callable[[], str]) -> Iterator[None]:
    """On a terminal that can move its cursor, show what *text* returns, anew as time passes; elsewhere show nothing."""
    if not console.is_terminal or console.is_dumb_terminal:
        yield
        return
    with console.status(_Drawn(text)):
        yield


@attrs.frozen
class _Drawn:
    """A text that is new each time it is drawn."""

    text: Callable[[], str]

    def __rich__(self) -> Text:
        return Text(self.text())
