"""Shows the error that ends a command: one line, or the whole traceback."""

from __future__ import annotations

import contextlib
import logging
import sys
import traceback
import warnings
from typing import TYPE_CHECKING, Any

import typer

from aiocdf.cli.base.exit_codes import ExitCode, exit_code_of
from aiocdf.errors import AiocdfError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["shown_failures"]


@contextlib.contextmanager
def shown_failures(*, debug: bool) -> Iterator[None]:
    """Turn an error of the body into a line on stderr and an exit code.

    After the line comes the traceback of a failed function, because that is the user's code. Local variables are never
    shown.

    Args:
        debug: Whether to show aiocdf's log and traceback too.

    Raises:
        Exit: The body raised an error, which has been shown.
    """
    if debug:
        logging.basicConfig(format="%(asctime)s %(name)s %(message)s")
        logging.getLogger("aiocdf").setLevel(logging.DEBUG)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            yield
    except AiocdfError as error:
        _show(f"error: {error}", error, debug=debug)
        raise typer.Exit(exit_code_of(error)) from None
    except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001 - a command ends with a line, whatever went wrong
        hint = "" if debug else ". This is a bug in aiocdf. Run the command with --debug and report the traceback."
        _show(f"error: unexpected {type(error).__name__}: {error}{hint}", error, debug=debug)
        raise typer.Exit(ExitCode.FAILED) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning without the source line that Python adds, because that is not the user's code."""
    sys.stderr.write(f"warning: {message}\n")


def _show(line: str, error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    sys.stderr.write(f"{line}\n")
    if not debug:  # otherwise the traceback shows the notes
        sys.stderr.writelines(f"{note}\n" for note in getattr(error, "__notes__", ()))
