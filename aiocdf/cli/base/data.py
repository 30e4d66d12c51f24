"""The data of calls, from the command line, a file or stdin.

It is read together with the arguments, before an event loop runs, because reading stdin blocks and Ctrl-C must end it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import typer

__all__ = ["data_of", "data_of_file"]


def data_of(text: str) -> Any:
    """Return the data in JSON text, in a file given as `@PATH`, or in stdin given as `-`.

    Raises:
        BadParameter: The text is not valid JSON, or the file is not readable.
    """
    return data_of_file(text.removeprefix("@")) if text == "-" or text.startswith("@") else _parsed(text)


def data_of_file(path: str) -> Any:
    """Return the data in a JSON file; `-` is stdin.

    Raises:
        BadParameter: The file is not valid JSON, or not readable.
    """
    try:
        return _parsed(sys.stdin.read() if path == "-" else Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise typer.BadParameter(f"cannot read {path!r}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise typer.BadParameter(f"cannot read {path!r}: it is not UTF-8 text") from None


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise typer.BadParameter(f"not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}") from None
