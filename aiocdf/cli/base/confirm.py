"""Asks the user to confirm a deletion."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aiocdf.errors import InvalidArgument

__all__ = ["Yes", "confirm"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without confirmation.")]


def confirm(*, yes: bool) -> None:
    """Ask on the terminal whether to delete. End the command unless the answer is yes.

    Args:
        yes: Whether the option `--yes` was given.

    Raises:
        InvalidArgument: stdin is not a terminal.
        Abort: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument("there is no terminal on which to confirm. Add --yes to delete without confirmation.")
    typer.confirm("Delete permanently?", abort=True)
