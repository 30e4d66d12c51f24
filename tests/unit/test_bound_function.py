from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, TypedDict

import attrs
import pytest

from aiocdf.bound_function import BoundFunction
from aiocdf.errors import InvalidType


@attrs.frozen
class Query:
    x: int


@dataclass
class Reply:
    value: int


class Point(TypedDict):
    x: int


class Handle:
    async def response(self, output: Any = None) -> Any:
        return ("response", output)


class Caller:
    """Stands for the client, and keeps what it was asked."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []

    def call(self, function, data=None, *, nonce=None, timeout=None, retry=False) -> Handle:
        self.calls.append((function, data, nonce, timeout, retry))
        return Handle()


def bind(kind: Any, output: Any = None) -> tuple[BoundFunction[Any, Any], Caller]:
    caller = Caller()
    return BoundFunction(call=caller.call, function="double", input=kind, output=output), caller


def test_call() -> None:
    """All arguments reach the client as they are."""
    function, caller = bind(None)
    function.call({"x": 1}, nonce="n", timeout=5.0, retry=True)
    function.call()

    assert caller.calls == [("double", {"x": 1}, "n", 5.0, True), ("double", None, None, None, False)]


async def test_value() -> None:
    """Awaiting the function's call gives the value, read as its output type."""
    function, caller = bind(Query, Reply)

    assert await function(Query(1), timeout=5.0, retry=True) == ("response", Reply)
    assert caller.calls == [("double", {"x": 1}, None, 5.0, True)]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (Query, Query(1)),
        (Query, {"x": 1}),
        (Reply, Reply(1)),
        (Point, {"x": 1}),
        (dict, {"x": 1}),
        (dict[str, int], {"x": 1}),
        (Query | Reply, Reply(1)),
        (Query | Reply, {"value": 1}),
    ],
)
def test_input(kind, data) -> None:
    """Data of the input type, or a mapping with its members, goes through as plain JSON."""
    function, caller = bind(kind)
    function.call(data)

    assert caller.calls[0][1] in ({"x": 1}, {"value": 1})


@pytest.mark.parametrize(
    ("kind", "data", "path"),
    [
        (Query, {"x": "one"}, "$.x"),
        (Query, {"x": 1, "y": 2}, "$.y"),
        (Query, None, "$"),
        (Query, Query, "$"),
        (Point, Query(1), "$"),
        (dict, [1], "$"),
    ],
)
async def test_other_input(kind, data, path) -> None:
    """Data of another type is refused before anything is sent, naming the path that does not fit."""
    function, caller = bind(kind)
    with pytest.raises(InvalidType, match=f"^function 'double' takes {kind.__name__} as its data: {re.escape(path)}: "):
        function.call(data)
    with pytest.raises(InvalidType):
        await function(data)

    assert caller.calls == []


def test_repr() -> None:
    """The repr shows the function and its types, not the client."""
    function, _ = bind(Query, Reply)

    assert "double" in repr(function)
    assert "Caller" not in repr(function)
