"""The types of the caller's values: what is read, what is refused, and how values are sent."""

from __future__ import annotations

import collections
import enum
import json
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Annotated, Any, Final, Generic, Literal, NamedTuple, NewType, NotRequired, TypedDict, TypeVar
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.converter import check_type, plain_input, structure
from aiocdf._wire.payload import encode
from aiocdf.errors import DecodeError, InvalidArgument, InvalidType

T = TypeVar("T")
OSLO = timezone(timedelta(hours=1))
ID = UUID("5c9f6f4e-8f0a-4b6e-9d0e-0d6c3f3b1a11")


class Color(enum.Enum):
    RED = "red"
    BLUE = "blue"


class Level(enum.IntEnum):
    LOW = 1
    HIGH = 2


class Ratio(enum.Enum):
    HALF = 0.5
    WHOLE = 1.0


class Mode(enum.StrEnum):
    FAST = "fast"


class Old(str, enum.Enum):  # noqa: UP042 - as it was written before StrEnum
    ON = "on"


class Name(str):
    __slots__ = ()


class Celsius(float):
    __slots__ = ()


class Count(int):
    __slots__ = ()


@attrs.frozen
class Reading:
    value: float
    label: str = ""


@attrs.frozen
class Other:
    value: float
    label: str = ""
    more: int = 0


@dataclass
class Series:
    name: str
    readings: list[Reading] = field(default_factory=list)
    unit: str | None = None


class Point(TypedDict):
    x: int
    at: NotRequired[datetime]


class Span(NamedTuple):
    start: datetime
    stop: datetime | None = None


@attrs.frozen
class Page(Generic[T]):
    items: list[T]
    next: str | None = None


@attrs.frozen
class Node:
    name: str
    children: list[Node] = attrs.field(factory=list)
    by_name: dict[str, Node] = attrs.field(factory=dict)


@attrs.frozen
class Cat:
    kind: Literal["cat"]
    lives: int


@attrs.frozen
class Dog:
    kind: Literal["dog"]
    lives: int


@attrs.frozen
class Positive:
    value: int = attrs.field(validator=attrs.validators.gt(0))


@attrs.frozen
class Everything:
    """One field for each kind of type."""

    at: datetime
    day: date
    hour: time
    id: UUID
    price: Decimal
    color: Color
    levels: set[Level]
    pair: tuple[int, str]
    span: Span
    point: Point
    series: Series
    animal: Cat | Dog
    counts: dict[int, float]
    page: Page[Reading]
    note: str | None = None
    rest: Any = None


UserId = NewType("UserId", int)
MOMENT = datetime(2024, 5, 1, 10, tzinfo=OSLO)
EVERYTHING = Everything(
    at=MOMENT,
    day=date(2024, 5, 1),
    hour=time(10, 30),
    id=ID,
    price=Decimal("9.50"),
    color=Color.RED,
    levels={Level.HIGH},
    pair=(1, "a"),
    span=Span(MOMENT, None),
    point=Point(x=1, at=MOMENT),
    series=Series("a", [Reading(1.5, "x")]),
    animal=Dog("dog", 1),
    counts={1: 0.5},
    page=Page([Reading(2.0)], "c"),
    rest={"a": [1]},
)


def read(value: object, kind: Any) -> Any:
    return structure(value, kind, what="the response")


@pytest.mark.parametrize(
    ("kind", "value", "built"),
    [
        (int, 2, 2),
        (float, 2, 2.0),
        (float, 2.5, 2.5),
        (str, "", ""),
        (bool, False, False),
        (None, None, None),
        (Any, [None, 1], [None, 1]),
        (object, {"a": 1}, {"a": 1}),
        (list, [1, "a"], [1, "a"]),
        (dict, {"a": 1}, {"a": 1}),
        (list[float], [1, 2.5], [1.0, 2.5]),
        (Sequence[int], [1], [1]),
        (tuple[int, ...], [1, 2], (1, 2)),
        (tuple[int, str], [1, "a"], (1, "a")),
        (tuple[()], [], ()),
        (set[int], [1, 1], {1}),
        (frozenset[str], ["a"], frozenset("a")),
        (collections.deque[int], [1], collections.deque([1])),
        (dict[str, list[int]], {"a": [1]}, {"a": [1]}),
        (dict[int, str], {"-1": "a"}, {-1: "a"}),
        (dict[Color, int], {"red": 1}, {Color.RED: 1}),
        (dict[date, int], {"2024-05-01": 1}, {date(2024, 5, 1): 1}),
        (Mapping[str, Any], {"a": None}, {"a": None}),
        (datetime, "2024-05-01T10:00:00+01:00", MOMENT),
        (datetime, "2024-05-01T09:00:00Z", datetime(2024, 5, 1, 9, tzinfo=UTC)),
        (datetime, "2024-05-01T10:00:00", datetime(2024, 5, 1, 10)),  # noqa: DTZ001 - naive times are read, too
        (date, "2024-05-01", date(2024, 5, 1)),
        (time, "10:30", time(10, 30)),
        (UUID, str(ID), ID),
        (Decimal, "9.50", Decimal("9.50")),
        (Color, "red", Color.RED),
        (Level, 2, Level.HIGH),
        (Mode, "fast", Mode.FAST),
        (Ratio, 1, Ratio.WHOLE),
        (Old, "on", Old.ON),
        (Name, "a", Name("a")),
        (Celsius, 1.5, Celsius(1.5)),
        (Count, 1, Count(1)),
        (Literal["a"] | list[int], [1], [1]),
        (Literal["a"] | list[int], "a", "a"),
        (list[int] | object, ["a"], ["a"]),
        (Span | str, ["2024-05-01T10:00:00+01:00", None], Span(MOMENT)),
        (Literal["a", 1], 1, 1),
        (Literal[Color.RED, "b"], "red", Color.RED),
        (UserId, 7, 7),
        (Annotated[int, "units"], 7, 7),
        (Final[int], 7, 7),
        (int | None, None, None),
        (int | str, "1", "1"),
        (float | str, 1, 1.0),
        (datetime | str, "2024-05-01T10:00:00+01:00", MOMENT),
        (datetime | str, "today", "today"),
        (int | list[int], [1], [1]),
        (Reading | str, "none", "none"),
        (Reading | list[Reading] | None, [{"value": 1}], [Reading(1.0)]),
        (Reading, {"value": 1, "more": 2}, Reading(1.0)),
        (Series, {"name": "a", "readings": [{"value": 1}]}, Series("a", [Reading(1.0)])),
        (Point, {"x": 1}, {"x": 1}),
        (Span, {"start": "2024-05-01T10:00:00+01:00"}, Span(MOMENT)),
        (Span, ["2024-05-01T10:00:00+01:00", None], Span(MOMENT)),
        (Page[Reading], {"items": [{"value": 1}]}, Page([Reading(1.0)])),
        (Cat | Dog, {"kind": "dog", "lives": 1}, Dog("dog", 1)),
        (Reading | Series | None, {"name": "a"}, Series("a")),
        (Reading | Other, {"value": 1, "more": 2}, Other(1.0, "", 2)),
        (list[Cat | Dog], [{"kind": "cat", "lives": 9}], [Cat("cat", 9)]),
        (Node, {"name": "a", "children": [{"name": "b"}]}, Node("a", [Node("b")])),
    ],
)
def test_reading(kind, value, built) -> None:
    """JSON becomes a value of each supported type."""
    check_type(kind, "Output")
    found = read(value, kind)

    assert found == built
    assert type(found) is type(built)


@pytest.mark.parametrize(
    ("kind", "value", "path", "found", "wanted"),
    [
        (list[str], "abc", "$", "str", "list[str]"),
        (list, "abc", "$", "str", "list"),
        (list[int], {"a": 1}, "$", "dict", "list[int]"),
        (set[str], "abc", "$", "str", "set[str]"),
        (dict[str, int], [["a", 1]], "$", "list", "dict[str, int]"),
        (dict, [["a", 1]], "$", "list", "dict"),
        (int, 2.7, "$", "float", "int"),
        (int, 2.0, "$", "float", "int"),
        (int, "2", "$", "str", "int"),
        (int, True, "$", "bool", "int"),
        (int, None, "$", "None", "int"),
        (bool, "false", "$", "str", "bool"),
        (bool, 0, "$", "int", "bool"),
        (str, None, "$", "None", "str"),
        (str, 7, "$", "int", "str"),
        (float, True, "$", "bool", "float"),
        (float, "1.5", "$", "str", "float"),
        (float, 10**400, "$", "int", "a number in the range of float"),
        (None, 0, "$", "int", "None"),
        (bytes, "abc", "$", "str", "a type that JSON has, not bytes"),
        (datetime, 1714557600, "$", "int", "datetime"),
        (datetime, "today", "$", "str", "datetime as ISO 8601 text"),
        (date, "2024-05-01T10:00:00", "$", "str", "date as ISO 8601 text"),
        (UUID, "5c9f", "$", "str", "UUID as text"),
        (Decimal, 9.5, "$", "float", "Decimal as text"),
        (Decimal, "nine", "$", "str", "Decimal as text"),
        (Color, "green", "$", "str", "a value of Color"),
        (Color, ["red"], "$", "list", "a value of Color"),
        (Level, True, "$", "bool", "a value of Level"),
        (Level, 1.0, "$", "float", "a value of Level"),
        (Level, "1", "$", "str", "a value of Level"),
        (Old, "off", "$", "str", "a value of Old"),
        (Name, 1, "$", "int", "str"),
        (Count, "1", "$", "str", "int"),
        (Literal["a", 1], True, "$", "bool", "typing.Literal['a', 1]"),
        (int | None, "1", "$", "str", "int"),
        (int | str, 1.5, "$", "float", "int | str"),
        (int | str, True, "$", "bool", "int | str"),
        (Reading | str, {"value": "s3cr3t"}, "$.value", "str", "float"),
        (Cat | Dog, {"kind": "cow", "lives": 1}, "$", "dict", "the members of one of Cat | Dog"),
        (Cat | Dog, {"kind": "cat", "lives": None}, "$.lives", "None", "int"),
        (Reading | Other, {"value": 1, "label": ""}, "$", "dict", "the members of one of Reading | Other"),
        (Cat | Dog, "s3cr3t", "$", "str", f"{__name__}.Cat | {__name__}.Dog"),
        (tuple[int, str], [1], "$", "list", "tuple[int, str] with 2 items"),
        (tuple[int, str], [1, 2], "$[1]", "int", "str"),
        (tuple[int, str], "ab", "$", "str", "tuple[int, str]"),
        (dict[str, int], {"a": 1, "b c": "s3cr3t"}, '$["b c"]', "str", "int"),
        (dict[int, int], {"one": 1}, "$.one", "str", "int as text"),
        (Reading, [1.0], "$", "list", "Reading"),
        (Reading, {}, "$.value", "nothing", "float"),
        (Point, {"at": None}, "$.x", "nothing", "int"),
        (Point, "s3cr3t", "$", "str", "Point"),
        (Span, ["s3cr3t", None], "$[0]", "str", "datetime as ISO 8601 text"),
        (Span, "s3cr3t", "$", "str", "Span"),
        (Series, {"name": "a", "readings": [{"value": 1}, {"value": None}]}, "$.readings[1].value", "None", "float"),
        (Page[int], {"items": ["s3cr3t"]}, "$.items[0]", "str", "int"),
        (Node, {"name": "a", "by_name": {"b": {"name": 1}}}, "$.by_name.b.name", "int", "str"),
        (Positive, {"value": -77}, "$", "a value that raises ValueError", "Positive"),
    ],
)
def test_what_does_not_fit(kind, value, path, found, wanted) -> None:
    """Nothing becomes another type: the error has the path, the type found and the one wanted, and quotes no value."""
    with pytest.raises(DecodeError) as caught:
        read(value, kind)
    error = caught.value
    report = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert (error.path, error.found, error.wanted) == (path, found, wanted)
    assert f"{path}: found {found}, wanted {wanted}" in str(error)
    assert "s3cr3t" not in report.replace(repr(value), "")  # this test's own locals
    assert "77" not in str(error)


def test_several_faults() -> None:
    """The message lists up to five values that do not fit; the fields are those of the first."""
    with pytest.raises(DecodeError) as caught:
        read({str(number): "x" for number in range(9)}, dict[str, int])

    assert caught.value.path == '$["0"]'
    assert str(caught.value).count("wanted int") == 5


@pytest.mark.parametrize("kind", [complex, "Reading", [int], 7, Page[complex], Reading | complex, type(Color.RED).RED])
def test_what_is_not_a_type(kind) -> None:
    """A type that aiocdf cannot build from JSON is rejected before anything is read or sent."""
    with pytest.raises(InvalidType, match=r"^Output is "):
        check_type(kind, "Output")


def test_there_and_back() -> None:
    """What is sent as an input is read as the same output, for each kind of type."""
    sent, plain = encode(EVERYTHING, limit=None)

    assert read(json.loads(sent), Everything) == EVERYTHING
    assert plain == plain_input(EVERYTHING, Everything, what="f")
    assert plain["counts"] == {"1": 0.5}
    assert plain["span"] == {"start": "2024-05-01T10:00:00+01:00", "stop": None}


@pytest.mark.parametrize(
    ("kind", "data", "sent"),
    [
        (Reading, Reading(1.5, "a"), {"value": 1.5, "label": "a"}),
        (Reading, {"value": 1}, {"value": 1.0, "label": ""}),
        (Series, {"name": "a", "readings": [Reading(1.5)]}, None),
        (Point, {"x": 1, "at": MOMENT}, {"x": 1, "at": "2024-05-01T10:00:00+01:00"}),
        (Point, {"x": 1, "at": "2024-05-01T10:00:00+01:00"}, {"x": 1, "at": "2024-05-01T10:00:00+01:00"}),
        (Span, Span(MOMENT), {"start": "2024-05-01T10:00:00+01:00", "stop": None}),
        (Page[Color], {"items": ["red", Color.BLUE]}, {"items": ["red", "blue"], "next": None}),
        (Page[set[int]], Page([{1}]), {"items": [[1]], "next": None}),
        (Cat | Dog, Dog("dog", 1), {"kind": "dog", "lives": 1}),
        (Cat | Dog, {"kind": "dog", "lives": 1}, {"kind": "dog", "lives": 1}),
        (dict[str, set[int]], {"a": {1}}, {"a": [1]}),
        (dict[int, Decimal], {1: Decimal("0.10")}, {"1": "0.10"}),
        (dict, {"a": 1}, {"a": 1}),
    ],
)
def test_inputs(kind, data, sent) -> None:
    """A value of the type, or a mapping with its members in Python's types or in JSON's, becomes plain JSON."""
    plain = plain_input(data, kind, what="function 7")

    assert sent is None or plain == sent
    assert json.loads(encode(plain, limit=None)[0]) == plain


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (Reading, {"value": "s3cr3t"}, r"\$\.value: found str, wanted float"),
        (Reading, {"value": 1, "lable": "s3cr3t"}, r"\$\.lable: found an unknown member, wanted a member of Reading"),
        (Point, {"x": 1, "y": 2}, r"\$\.y: found an unknown member"),
        (Reading, Series("a"), r"\$: found Series, wanted Reading"),
        (Reading, Reading, r"\$: found type, wanted Reading"),
        (Reading, None, r"\$: found None, wanted Reading"),
        (
            Everything,
            attrs.evolve(EVERYTHING, id=None, at="s3cr3t"),
            "found Everything, wanted a value",
        ),
    ],
)
def test_inputs_that_do_not_fit(kind, data, words) -> None:
    """Data that does not fit is refused with path and types; a misspelt member does not get lost."""
    with pytest.raises(InvalidType, match=words) as caught:
        plain_input(data, kind, what="function 7")

    assert "s3cr3t" not in str(caught.value)


def test_values_that_are_not_what_they_declare() -> None:
    """An attrs value with something else in a field is refused as data, and not by an error of Python's."""
    with pytest.raises(InvalidType, match="Everything"):
        encode(attrs.evolve(EVERYTHING, at="today"), limit=None)


def test_inputs_too_deep() -> None:
    """Data that is nested beyond what Python can follow is refused."""
    node = Node("a")
    for _ in range(5_000):
        node = Node("a", [node])

    with pytest.raises(InvalidArgument, match="nested too deeply"):
        plain_input(node, Node, what="function 7")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


@given(json_values, st.sampled_from([int | str | None, list[float] | dict[str, bool], Series, Point, Span, Cat | Dog]))
def test_any_json(value, kind) -> None:
    """What is read is what was there: it becomes the same JSON again, or a DecodeError."""
    try:
        built = read(value, kind)
    except DecodeError:
        return
    assert isinstance(value, dict | list) or built == value
