"""How a command shows the error that ends it: one line, or the whole traceback."""

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
    """End the command with a line on stderr, and an exit code, where its body raises an error.

    The traceback of a failed function follows the line: it belongs to the user. Local variables are never shown.

    Args:
        debug: Also show the traceback of aiocdf, and what it logs.

    Raises:
        Exit: The body raised an error, which is shown now.
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
        hint = "" if debug else ". This is a fault in aiocdf: --debug shows where"
        _show(f"error: unexpected {type(error).__name__}: {error}{hint}", error, debug=debug)
        raise typer.Exit(ExitCode.FAILED) from None


def _show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning without the line of code that Python shows with it, which is not the user's."""
    sys.stderr.write(f"warning: {message}\n")


def _show(line: str, error: Exception, *, debug: bool) -> None:
    if debug:
        traceback.print_exception(error)
    sys.stderr.write(f"{line}\n")
    if not debug:  # the traceback has the notes
        sys.stderr.writelines(f"{note}\n" for note in getattr(error, "__notes__", ()))
