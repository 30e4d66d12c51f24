"""Hooks that read JSON strictly: nothing becomes another type on the way, except a whole number that becomes a float.

cattrs on its own calls the type: `list("abc")`, `int(2.7)`, `bool("false")`, `str(None)`.
"""

from __future__ import annotations

import collections
import collections.abc
import types
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum, IntEnum, StrEnum
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin
from uuid import UUID

from cattrs.cols import (
    is_namedtuple,
    list_structure_factory,
    mapping_structure_factory,
    namedtuple_dict_structure_factory,
    namedtuple_dict_unstructure_factory,
)
from cattrs.errors import IterableValidationError, IterableValidationNote, StructureHandlerNotFoundError

from aiocdf._wire.faults import Misfit, type_name

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["make_strict", "read_enum"]

Hook = Callable[[Any, Any], Any]

_ARRAYS: dict[object, Callable[[list[Any]], Any]] = {
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
_OBJECTS = (dict, Mapping, collections.abc.MutableMapping)
# What stands as an array in JSON: data of the caller's own, which is read too, may have the others.
_LISTS = (list, tuple, set, frozenset)


def make_strict(converter: Converter) -> None:
    """Give *converter* hooks that raise `Misfit` where the value is of another type than the one wanted."""
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _read_exact)
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(bytes, _refuse_bytes)
    for enum in (Enum, IntEnum, StrEnum):
        converter.register_structure_hook(enum, read_enum)
    for texts in (datetime, date, time):
        converter.register_structure_hook(texts, _read_iso)
        converter.register_unstructure_hook(texts, texts.isoformat)
    for named in (UUID, Decimal):
        converter.register_structure_hook(named, _read_text)
        converter.register_unstructure_hook(named, str)
    converter.register_structure_hook_factory(lambda kind: kind is object, lambda _: lambda value, _: value)
    converter.register_structure_hook_factory(lambda kind: kind in (None, types.NoneType), lambda _: _read_none)
    converter.register_structure_hook_factory(lambda kind: get_origin(kind) is Literal, _literal)
    converter.register_structure_hook_factory(lambda kind: (get_origin(kind) or kind) in _ARRAYS, _array)
    converter.register_structure_hook_factory(_is_fixed_tuple, _fixed_tuple)
    converter.register_structure_hook_factory(lambda kind: (get_origin(kind) or kind) in _OBJECTS, _object)
    converter.register_unstructure_hook_factory(_is_numbered, _numbered)
    converter.register_structure_hook_factory(is_namedtuple, _named_tuple)
    converter.register_unstructure_hook_factory(is_namedtuple, namedtuple_dict_unstructure_factory)


def _read_exact(value: Any, kind: Any) -> Any:
    if type(value) is kind or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    if kind in {str, bool, int}:
        raise Misfit(value, kind)
    if issubclass(kind, Enum):
        return read_enum(value, kind)
    base = str if issubclass(kind, str) else int
    return kind(_read_exact(value, base))


def _read_float(value: Any, kind: Any) -> Any:
    if type(value) is kind:
        return value
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Misfit(value, kind)
    try:
        return kind(value)
    except OverflowError:
        raise Misfit(value, "a number in the range of float") from None


def _refuse_bytes(_: object, kind: Any) -> Any:
    raise StructureHandlerNotFoundError("JSON has no bytes: read str, and decode it", kind)


def read_enum(value: Any, kind: Any) -> Any:
    """Read a member of an enumeration by its value."""
    if isinstance(value, kind):
        return value
    try:
        member = kind(value)
    except ValueError:
        raise Misfit(value, f"a value of {type_name(kind)}") from None
    # `True == 1 == 1.0`, so an enumeration takes each for the other.
    if type(value) is not type(member.value) and not (type(value) is int and isinstance(member.value, float | str)):
        raise Misfit(value, f"a value of {type_name(kind)}")
    return member


def _read_iso(value: Any, kind: Any) -> Any:
    if type(value) is kind:
        return value
    if not isinstance(value, str):
        raise Misfit(value, kind)
    try:
        return kind.fromisoformat(value)
    except ValueError:
        raise Misfit(value, f"{type_name(kind)} as ISO 8601 text") from None


def _read_text(value: Any, kind: Any) -> Any:
    if isinstance(value, kind):
        return value
    if not isinstance(value, str):
        raise Misfit(value, f"{type_name(kind)} as text")
    try:
        return kind(value)
    except (ValueError, ArithmeticError):
        raise Misfit(value, f"{type_name(kind)} as text") from None


def _read_none(value: object, _: object) -> None:
    if value is not None:
        raise Misfit(value, None)


def _literal(kind: Any) -> Hook:
    options = [(item.value if isinstance(item, Enum) else item, item) for item in get_args(kind)]

    def read(value: object, _: object) -> Any:
        for plain, item in options:
            if value is item or (type(value) is type(plain) and value == plain):
                return item
        raise Misfit(value, kind)

    return read


def _array(kind: Any, converter: Converter) -> Hook:
    build = _ARRAYS[get_origin(kind) or kind]
    items = list[get_args(kind)[0]] if get_args(kind) else list  # type: ignore[misc] - it is a type at run time
    read = list_structure_factory(items, converter)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, _LISTS):
            raise Misfit(value, kind)
        return build(read(value, items))

    return hook


def _is_fixed_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1:] != (...,)


def _fixed_tuple(kind: Any, converter: Converter) -> Hook:
    parts = [(part, _hook(part, converter)) for part in get_args(kind)]

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, list | tuple):
            raise Misfit(value, kind)
        if len(value) != len(parts):
            raise Misfit(value, f"{type_name(kind)}, which has {len(parts)} items")
        read, errors = [], []
        for index, (item, (part, read_part)) in enumerate(zip(value, parts, strict=True)):
            try:
                read.append(read_part(item, part))
            except Exception as error:  # noqa: BLE001 - hooks of the caller's own types may raise anything
                error.add_note(IterableValidationNote("item of a tuple", index, part))
                errors.append(error)
        if errors:
            raise IterableValidationError("items of a tuple", errors, kind)
        return tuple(read)

    return hook


def _hook(kind: Any, converter: Converter) -> Hook:
    """Return the hook of a part, which is looked up when it is used where a class holds itself."""
    try:
        return converter.get_structure_hook(kind)
    except RecursionError:
        return converter.structure


def _object(kind: Any, converter: Converter) -> Hook:
    key, item = get_args(kind) or (Any, Any)
    typed = Mapping[_Number if key is int else key, item]  # type: ignore[valid-type]
    read = mapping_structure_factory(typed, converter, dict)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(value, kind)
        return read(value, typed)

    return hook
