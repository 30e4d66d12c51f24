"""Kinds of types, and the JSON form of each."""

from __future__ import annotations

import collections
import collections.abc
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_origin, is_typeddict

import attrs
from cattrs.cols import is_namedtuple

__all__ = [
    "ARRAYS",
    "LISTS",
    "OBJECTS",
    "Hook",
    "is_class",
    "is_literal",
    "is_typed_dict",
    "is_union",
    "origin_of",
    "shape",
    "shape_of",
]

Hook = Callable[[Any, Any], Any]

ARRAYS: dict[object, Callable[[list[Any]], Any]] = {
    list: list,
    tuple: tuple,
    set: set,
    frozenset: frozenset,
    collections.deque: collections.deque,
    collections.abc.Sequence: list,
    collections.abc.MutableSequence: list,
    collections.abc.Iterable: list,
    collections.abc.Collection: list,
    collections.abc.Set: frozenset,
    collections.abc.MutableSet: set,
}
OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
# JSON has only the first; the data of a call, which is checked too, may have any of them.
LISTS = (list, tuple, set, frozenset)


def origin_of(kind: Any) -> Any:
    """Return the class or special form of a generic type; another type is returned unchanged."""
    return get_origin(kind) or kind


def is_class(kind: Any) -> bool:
    """Return whether *kind* is an attrs class or a dataclass."""
    return attrs.has(origin_of(kind)) or is_dataclass(origin_of(kind))


def is_typed_dict(kind: Any) -> bool:
    """Return whether *kind* is a `TypedDict`."""
    return is_typeddict(origin_of(kind))


def is_literal(kind: Any) -> bool:
    """Return whether *kind* is a `Literal`."""
    return origin_of(kind) is Literal


def is_union(kind: Any) -> bool:
    """Return whether *kind* is a union, in either spelling."""
    return origin_of(kind) in (Union, UnionType)


def shape(kind: Any) -> str | None:
    """Return the JSON form of a type; None if it depends on the value."""
    origin = origin_of(kind)
    if origin is Literal:
        return "scalar"
    if origin in (Any, object) or not isinstance(origin, type) or is_namedtuple(origin):
        return None
    if origin in ARRAYS:
        return "array"
    if origin in OBJECTS or is_class(kind) or is_typed_dict(kind):
        return "object"
    return "null" if origin is NoneType else "scalar"


def shape_of(value: object) -> str:
    """Return the JSON form of a value."""
    if value is None:
        return "null"
    if isinstance(value, LISTS):
        return "array"
    return "object" if isinstance(value, Mapping) or is_class(type(value)) else "scalar"
