"""What commands write on: a terminal, or a pipe that gets neither colours nor control codes."""

from __future__ import annotations

from rich.console import Console

__all__ = ["open_console"]


def open_console() -> Console:
    """Return a console on stdout that takes text as it is: a name such as `[red]` is no markup."""
    return Console(markup=False, emoji=False, highlight=False)
