from __future__ import annotations

import logging
import warnings

import pytest
import typer

from aiocdf.cli.base.failures import shown_failures
from aiocdf.errors import CallFailed, ConfigError
from aiocdf.secret import Secret


@pytest.fixture(autouse=True)
def logging_as_before(monkeypatch):
    """`--debug` sets up the log of the whole process."""
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    monkeypatch.setattr(logging.getLogger("aiocdf"), "level", logging.getLogger("aiocdf").level)


def end_of(error: Exception, *, debug: bool = False) -> int:
    with pytest.raises(typer.Exit) as ended, shown_failures(debug=debug):
        raise error
    return ended.value.exit_code


def test_error_is_a_line(capsys):
    """An error of ours is one line on stderr, word for word, without a traceback."""
    assert end_of(ConfigError("it is [bold]so[/bold]")) == 2
    assert capsys.readouterr() == ("", "error: it is [bold]so[/bold]\n")


def test_traceback_of_the_function_is_shown(capsys):
    """The traceback of a function that failed belongs to the user, and follows the line."""
    error = CallFailed("call 1 failed")
    error.add_note("Traceback of the function")

    assert end_of(error) == 1
    assert capsys.readouterr().err == "error: call 1 failed\nTraceback of the function\n"


def test_fault_of_ours_is_a_line_too(capsys):
    """An error that is not one of ours is a line that names its type."""
    assert end_of(LookupError("gone")) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "LookupError" in err


def test_debug_shows_the_traceback_without_local_variables(capsys):
    """`--debug` shows where it happened, but not what the variables held."""

    def fail() -> None:
        password = Secret("hunter2-hunter2")
        text = password.reveal()
        try:
            raise ConfigError("no")
        finally:
            del text, password

    with pytest.raises(typer.Exit), shown_failures(debug=True):
        fail()
    err = capsys.readouterr().err
    assert "in fail" in err
    assert err.endswith("error: no\n")
    assert "hunter2" not in err


def test_end_that_a_command_chose_is_left_alone():
    """A command that ends with a code of its own keeps it."""
    with pytest.raises(typer.Exit) as ended, shown_failures(debug=False):
        raise typer.Exit(7)
    assert ended.value.exit_code == 7


def test_warning_is_a_line(capsys):
    """A warning is one line on stderr, and Python's way to show warnings is as before afterwards."""
    before = warnings.showwarning
    with shown_failures(debug=False):
        warnings.simplefilter("always")
        warnings.warn("look out", UserWarning, stacklevel=1)

    assert capsys.readouterr().err == "warning: look out\n"
    assert warnings.showwarning is before
