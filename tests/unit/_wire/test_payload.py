from __future__ import annotations

import collections
import enum
import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType, SimpleNamespace
from typing import Any, TypedDict

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.payload import encode, strings
from aiocdf.errors import InvalidArgument, InvalidType, UsageError
from aiocdf.secret import Secret

text = st.text(st.characters(exclude_categories=["Cs"]))
plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | text
json_values = st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=20)


class Array:
    """As numpy's: a sequence in all but name."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> float:
        return 1.0

    def __iter__(self) -> Any:
        return iter([1.0])

    def __array__(self) -> Any:
        return [1.0]


class Float64(float):
    """As numpy's: a float by inheritance."""

    def __repr__(self) -> str:
        return "np.float64(1.5)"


class Color(enum.StrEnum):
    RED = "red"


class Level(enum.IntEnum):
    HIGH = 3


class Point(TypedDict):
    x: float


@attrs.frozen
class Sensor:
    name: str
    at: datetime
    levels: tuple[Level, ...] = ()
    place: Place | None = None


@dataclass
class Place:
    city: str
    tags: list[str] = field(default_factory=list)


@attrs.define
class Node:
    child: Node | None = None


@attrs.define
class Holder:
    value: Any


@given(st.dictionaries(text, json_values))
def test_round_trip(data) -> None:
    """Any JSON object arrives as it was given, and all its strings are looked at, with their own paths."""
    encoded, plain_object = encode(data, limit=None)
    found = strings(plain_object)

    assert json.loads(encoded) == data
    assert len({path for path, _, _ in found}) == len(found)
    assert sorted(value for _, _, value in found) == sorted(all_strings(data))


def all_strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [found for child in children for found in all_strings(child)]


@pytest.mark.parametrize(
    ("data", "sent"),
    [
        (None, {}),
        ({}, {}),
        (Point(x=1.0), {"x": 1.0}),
        (MappingProxyType({"x": 1}), {"x": 1}),
        (collections.UserDict(x=1), {"x": 1}),
        (collections.OrderedDict(x=(1, 2)), {"x": [1, 2]}),
        (collections.ChainMap({"x": 1}, {"y": 2}), {"x": 1, "y": 2}),
        (
            Sensor("a", datetime(2024, 5, 1, tzinfo=UTC), (Level.HIGH,), Place("Oslo", ["b"])),
            {"name": "a", "at": "2024-05-01T00:00:00+00:00", "levels": [3], "place": {"city": "Oslo", "tags": ["b"]}},
        ),
        (Place("Oslo"), {"city": "Oslo", "tags": []}),
        ({"c": Color.RED, Color.RED: Level.HIGH}, {"c": "red", "red": 3}),
        ({"x": Float64(1.5)}, {"x": 1.5}),
        ({"x": "ü\u2028\x00\U0001f600"}, {"x": "ü\u2028\x00\U0001f600"}),
        ({"x": 2**200}, {"x": 2**200}),
    ],
)
def test_what_can_be_sent(data, sent) -> None:
    """Mappings of all kinds, and attrs and dataclass values with what they hold, become JSON objects."""
    assert json.loads(encode(data, limit=None)[0]) == sent


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        ([1], "list"),
        ("text", "str"),
        (b"{}", "bytes"),
        (7, "int"),
        (Array(), "Array"),
        (SimpleNamespace(x=1), "SimpleNamespace"),
        (Place, "type"),
        (Sensor, "type"),
        (dict, "type"),
    ],
)
def test_no_object(data, kind) -> None:
    """What is no object is refused with what it is and how to wrap it: a class in the place of its instance, too."""
    with pytest.raises(InvalidType, match=f"data must be a JSON object .* not {kind}: wrap it"):
        encode(data, limit=None)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"a": {1, 2}}, r"a value of type set at \$\.a,"),
        ({"a": [0, {"b": frozenset()}]}, r"a value of type frozenset at \$\.a\[1\]\.b,"),
        ({"a": datetime(2024, 1, 1, tzinfo=UTC)}, r"a value of type datetime at \$\.a,"),
        ({"a b": [b"x"]}, r"a value of type bytes at \$\[\"a b\"\]\[0\],"),
        ({'say "hi"': Decimal(1)}, r"a value of type Decimal at \$\[\"say \\\"hi\\\"\"\],"),
        ({"a": Array()}, r"a value of type Array at \$\.a,"),
        ({"a": 1j}, r"a value of type complex at \$\.a,"),
        ({"a": (1, object())}, r"a value of type object at \$\.a\[1\],"),
        ({"a": MappingProxyType({})}, r"a value of type mappingproxy at \$\.a,"),
        ({"a": Place("Oslo")}, r"a value of type Place at \$\.a,"),
        ({"a": Secret("s3cr3t")}, r"a value of type Secret at \$\.a,"),
        (Holder({"x": 1j}), r"a value of type complex at \$\.value\.x,"),
        (Holder(Secret("s3cr3t")), r"a value of type Secret at \$\.value,"),
        ({1: "a"}, r"a key of type int at \$:"),
        ({"a": [{None: 1}]}, r"a key of type NoneType at \$\.a\[0\]:"),
        ({"a": {("b",): 1}}, r"a key of type tuple at \$\.a:"),
    ],
)
def test_no_json(data, words) -> None:
    """What JSON has no word for is refused with its type and path, never its value."""
    with pytest.raises(InvalidType, match=rf"^data has {words}") as caught:
        encode(data, limit=None)

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf"), Float64("nan")])
def test_numbers_that_json_lacks(number) -> None:
    """NaN and the infinities, which Python would write in a way nobody else reads, are refused with their path."""
    with pytest.raises(InvalidArgument, match=r" at \$\.a\[2\]\.b, and JSON has no such number"):
        encode({"a": [0, 1.5, {"b": number}]}, limit=None)


def test_data_that_holds_itself() -> None:
    """A circle is refused with the place where it closes; the same object twice is none."""
    circle: dict[str, Any] = {"a": []}
    circle["a"].append(circle)
    shared = [1]

    with pytest.raises(InvalidArgument, match=r"holds itself at \$\.a\[0\]"):
        encode(circle, limit=None)
    assert encode({"a": shared, "b": shared, "c": [shared, shared]}, limit=None)[0]


def test_too_deep() -> None:
    """Nesting beyond what Python can follow is refused, in mappings and in attrs values."""
    deep: Any = None
    for _ in range(100_000):
        deep = [deep]
    node = Node()
    for _ in range(5_000):
        node = Node(node)

    for data in ({"a": deep}, node):
        with pytest.raises(InvalidArgument, match="nested too deeply"):
            encode(data, limit=None)


@pytest.mark.parametrize(
    ("data", "path"),
    [
        ({"a": "\ud800"}, "$.a"),
        ({"b": 1, "\udfff": 1}, '$["\\udfff"]'),
        ({"a": ["ok", {"b": "x\ud800y"}]}, "$.a[1].b"),
        ({"a": {"c": ("\U0001f600", "\udc80")}}, "$.a.c[1]"),
    ],
)
def test_half_a_surrogate_pair(data, path) -> None:
    """Text that is not Unicode, as broken file names give, is refused with the path at which it stands."""
    with pytest.raises(InvalidArgument, match=rf"half a surrogate pair at {re.escape(path)},"):
        encode(data, limit=None)


def test_endless_numbers() -> None:
    """A whole number with more digits than Python writes is refused."""
    with pytest.raises(InvalidArgument, match="thousands of digits"):
        encode({"a": 10**5000}, limit=None)


def test_limit() -> None:
    """The limit is in bytes of JSON, which letters beyond ASCII take more of; the message has both numbers."""
    data = {"a": "ü" * 10}
    size = len('{"a":""}') + 20

    assert len(encode(data, limit=size)[0]) == size
    with pytest.raises(InvalidArgument, match=rf"data is {size} bytes of JSON and this cloud takes at most 27"):
        encode(data, limit=size - 1)


def test_users_catch_what_they_know() -> None:
    """What is refused is a UsageError, and what Python would have raised."""
    for data, kind in (({"a": float("nan")}, ValueError), ({"a": {1}}, TypeError)):
        with pytest.raises(kind) as caught:
            encode(data, limit=None)
        assert isinstance(caught.value, UsageError)


def test_strings() -> None:
    """Each string is found with the key it stands under, also inside lists."""
    found = strings({"a": "x", "b c": ["y", {"d": ("z",)}], "n": 1})

    assert sorted(found) == [("$.a", "a", "x"), ('$["b c"][0]', "b c", "y"), ('$["b c"][1].d[0]', "d", "z")]
