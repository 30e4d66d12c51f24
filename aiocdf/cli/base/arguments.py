"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

__all__ = ["CallId", "FunctionName", "Limit", "OutputForm", "Wait", "function_name"]


def function_name(text: str) -> int | str:
    """Return a number as an id, and any other text as an external id."""
    return int(text) if text.isascii() and text.isdecimal() else text


FunctionName = Annotated[
    Any,
    typer.Argument(metavar="FUNCTION", help="Its external id, or its numeric id.", parser=function_name),
]
CallId = Annotated[int, typer.Argument(metavar="CALL", help="The id of the call.", show_default=False)]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Show at most N.  [default: all]", min=1)]
OutputForm = Annotated[
    Literal["table", "json", "jsonl"],
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        help="table; or for programs json, one document, or jsonl, an object on each line.",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="Wait at most so long.  [default: until it ends]", min=0),
]
