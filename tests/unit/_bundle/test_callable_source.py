from __future__ import annotations

import functools
import linecache
import math

import pytest

from aiocdf._bundle.callable_source import read_callable
from aiocdf._bundle.handler import check_handler
from aiocdf.errors import InvalidArgument, InvalidType

FACTOR = 2


def handle(data: dict[str, float], client: math.Client | None = None) -> math.Result:  # type: ignore[name-defined]
    """Return an area.

    [requirements]
    numpy>=2

    pandas
    [/requirements]
    """
    import math as maths

    radius: float = data["radius"]
    return maths.pi * radius ** len("ab")


def scaled(data):
    return FACTOR * data["x"] + math.pi


def recursive(data):
    return data["n"] and recursive({"n": data["n"] - 1})


def run(files):
    """What a module with these files defines."""
    names = {}
    exec(files["handler.py"], names)
    return names["handle"]


class Thing:
    def handle(self, data): ...


def test_source_runs_on_its_own() -> None:
    """The source is a module that runs where nothing of the program is, its annotations unevaluated."""
    files = read_callable(handle, None)

    check_handler(files["handler.py"], "handler.py")
    assert run(files)({"radius": 2}) == 4 * math.pi


def test_requirements_of_the_docstring() -> None:
    """The lines between `[requirements]` and `[/requirements]` are what is required, unless others are given."""
    assert read_callable(handle, None)["requirements.txt"] == b"numpy>=2\npandas\n"
    assert read_callable(handle, ["scipy"])["requirements.txt"] == b"scipy\n"
    assert "requirements.txt" not in read_callable(handle, [])


def test_function_of_another_name() -> None:
    """A function of any name becomes `handle`, also one that is defined within another and one that calls itself."""

    def double(data):
        return 2 * data

    def countdown(data):
        return data and countdown(data - 1)

    assert run(read_callable(double, None))(2) == 4
    assert run(read_callable(countdown, None))(3) == 0
    assert run(read_callable(recursive, None))({"n": 3}) == 0


def test_names_from_outside() -> None:
    """A function that uses names of its module is refused with these names: they would be missing at the service."""
    with pytest.raises(InvalidArgument, match="uses FACTOR, math "):
        read_callable(scaled, None)


def test_names_from_outside_in_a_decorator() -> None:
    """A decorator is a name from outside, too."""

    def decorate(function):
        return function

    @decorate
    def decorated(data): ...

    with pytest.raises(InvalidArgument, match="uses decorate "):
        read_callable(decorated, None)


def closure():
    captured = 3

    def handle(data):
        return captured

    return handle


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        (lambda data: data, InvalidArgument, "lambda"),
        (closure(), InvalidArgument, "captured"),
        (Thing().handle, InvalidType, "method"),
        (print, InvalidType, "builtin_function"),
        (functools.partial(handle), InvalidType, "partial"),
        ("handle", InvalidType, "str"),
    ],
)
def test_not_a_plain_function(given, error, message) -> None:
    """What has no source of its own, or needs more than that, is refused with the reason."""
    with pytest.raises(error, match=message):
        read_callable(given, None)


@pytest.mark.parametrize(
    "known", [{}, {"<prompt>": (15, None, ["other = 1\n"], "<prompt>")}], ids=["none", "other code's"]
)
def test_without_source(known, monkeypatch) -> None:
    """A function that was defined in a prompt has no source to upload, even if Python finds the source of other code."""
    monkeypatch.setattr(linecache, "cache", known)
    names = {}
    exec(compile("def handle(data): ...", "<prompt>", "exec"), names)

    with pytest.raises(InvalidArgument, match="no readable source"):
        read_callable(names["handle"], None)


@pytest.mark.parametrize(
    ("requirements", "error"),
    [("numpy", InvalidType), ([3], InvalidType), ([""], InvalidArgument), (["a\nb"], InvalidArgument)],
)
def test_bad_requirements(requirements, error) -> None:
    """Requirements are lines of text."""
    with pytest.raises(error, match="requirements"):
        read_callable(handle, requirements)
