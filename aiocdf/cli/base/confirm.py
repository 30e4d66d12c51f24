"""The question before something is deleted."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from aiocdf.errors import InvalidArgument

__all__ = ["Yes", "confirm"]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Delete without a question.")]


def confirm(*, yes: bool) -> None:
    """Ask on the terminal whether to delete; end the command unless the answer is yes.

    Args:
        yes: The option gave the answer already.

    Raises:
        InvalidArgument: There is no terminal to ask on.
        Abort: The answer is no.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise InvalidArgument("add --yes to delete: there is no terminal for the question")
    typer.confirm("Delete for good?", abort=True)
