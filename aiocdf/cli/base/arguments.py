"""Arguments and options that several commands have."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import typer

__all__ = ["CallId", "FunctionName", "Limit", "OutputForm", "Wait", "function_name"]


def function_name(text: str) -> int | str:
    """Return a numeric text as an id, and any other text as an external id."""
    return int(text) if text.isascii() and text.isdecimal() else text


FunctionName = Annotated[
    Any,
    typer.Argument(metavar="FUNCTION", help="The function's external or numeric id.", parser=function_name),
]
CallId = Annotated[int, typer.Argument(metavar="CALL", help="The id of the call.", show_default=False)]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Show at most N.  [default: all]", min=1)]
OutputForm = Annotated[
    Literal["table", "json", "jsonl"],
    typer.Option(
        "--output",
        "-o",
        metavar="FORM",
        help="table, json (one document), or jsonl (one object per line).",
    ),
]
Wait = Annotated[
    float | None,
    typer.Option("--timeout", metavar="SECONDS", help="The maximum wait in seconds.  [default: no limit]", min=0),
]
