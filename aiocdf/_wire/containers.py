"""Hooks that read lists, objects, classes and unions strictly: an array stays an array, and an object an object."""

from __future__ import annotations

import collections
import collections.abc
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, NewType, Union, get_args, get_origin, get_type_hints, is_typeddict

import attrs
from cattrs.cols import (
    is_namedtuple,
    list_structure_factory,
    mapping_structure_factory,
    namedtuple_dict_structure_factory,
    namedtuple_dict_unstructure_factory,
)
from cattrs.disambiguators import create_default_dis_func
from cattrs.errors import IterableValidationError, IterableValidationNote

from aiocdf._wire.faults import Misfit, type_name

if TYPE_CHECKING:
    from cattrs import Converter

__all__ = ["read_containers_strictly"]

Hook = Callable[[Any, Any], Any]

#: A whole number as the name of a member, which is always text in JSON.
_Number = NewType("_Number", int)

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
_OBJECTS = (dict, collections.abc.Mapping, collections.abc.MutableMapping)
# JSON has the first only; the data of a call, which is checked as well, may have any of them.
_LISTS = (list, tuple, set, frozenset)


def read_containers_strictly(converter: Converter) -> None:
    """Give *converter* hooks for containers that raise `Misfit` where the value is of another type."""
    converter.register_structure_hook(_Number, _read_number)
    converter.register_structure_hook_factory(_is_class, _class)
    converter.register_structure_hook_factory(_is_typed_dict, _typed_dict)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) in _ARRAYS, _array)
    converter.register_structure_hook_factory(_is_fixed_tuple, _fixed_tuple)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) in _OBJECTS, _object)
    converter.register_structure_hook_factory(lambda kind: _origin(kind) in (Union, UnionType), _union)
    converter.register_structure_hook_factory(is_namedtuple, _named_tuple)
    converter.register_unstructure_hook_factory(is_namedtuple, namedtuple_dict_unstructure_factory)
    converter.register_unstructure_hook_factory(
        lambda kind: _origin(kind) in _OBJECTS and get_args(kind)[:1] == (int,),
        lambda kind: converter.gen_unstructure_mapping(kind, key_handler=str),
    )


def _origin(kind: Any) -> Any:
    return get_origin(kind) or kind


def _is_class(kind: Any) -> bool:
    return attrs.has(_origin(kind)) or is_dataclass(_origin(kind))


def _is_typed_dict(kind: Any) -> bool:
    return is_typeddict(_origin(kind))


def _is_fixed_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1:] != (...,)


def _class(kind: Any, converter: Converter) -> Hook:
    read = converter.gen_structure_attrs_fromdict(kind)
    origin = _origin(kind)

    def hook(value: object, _: object) -> Any:
        if isinstance(value, Mapping):
            return read(value, kind)
        if isinstance(value, origin):
            return value
        raise Misfit(value, kind)

    return hook


def _typed_dict(kind: Any, converter: Converter) -> Hook:
    read = converter.gen_structure_typeddict(kind)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(value, kind)
        return read(dict(value), kind)

    return hook


def _named_tuple(kind: Any, converter: Converter) -> Hook:
    """Read both forms: an object, and the array that `json.dumps` makes of a named tuple."""
    parts = tuple[tuple(get_type_hints(kind).values())]  # type: ignore[misc] - a type of this moment
    from_array = _fixed_tuple(parts, converter)
    from_object = namedtuple_dict_structure_factory(kind, converter)

    def hook(value: object, _: object) -> Any:
        if isinstance(value, Mapping):
            return from_object(value, kind)
        if isinstance(value, kind):
            return value
        if isinstance(value, list):
            return kind(*from_array(value, parts))
        raise Misfit(value, kind)

    return hook


def _array(kind: Any, converter: Converter) -> Hook:
    build = _ARRAYS[_origin(kind)]
    items = list[get_args(kind)[0]] if get_args(kind) else list  # type: ignore[misc] - a type of this moment
    read = list_structure_factory(items, converter)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, _LISTS):
            raise Misfit(value, kind)
        return build(read(value, items))

    return hook


def _fixed_tuple(kind: Any, converter: Converter) -> Hook:
    parts = [(part, converter.get_structure_hook(part)) for part in get_args(kind)]

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, list | tuple):
            raise Misfit(value, kind)
        if len(value) != len(parts):
            raise Misfit(value, f"{type_name(kind)} with {len(parts)} items")
        items, errors = [], []
        for index, (item, (part, read)) in enumerate(zip(value, parts, strict=True)):
            try:
                items.append(read(item, part))
            except Exception as error:  # noqa: BLE001, PERF203 - hooks of the caller's own types may raise anything
                error.add_note(IterableValidationNote("an item", index, part))
                errors.append(error)
        if errors:
            raise IterableValidationError("a tuple", errors, kind)
        return tuple(items)

    return hook


def _object(kind: Any, converter: Converter) -> Hook:
    key, item = get_args(kind) or (Any, Any)
    members = Mapping[_Number if key is int else key, item]  # type: ignore[valid-type] - a type of this moment
    read = mapping_structure_factory(members, converter, dict)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(value, kind)
        return read(value, members)

    return hook


def _read_number(value: Any, _: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.isascii() and value.removeprefix("-").isdigit():
        return int(value)
    raise Misfit(value, "int as text")


def _union(kind: Any, converter: Converter) -> Hook:
    members = get_args(kind)
    classes = [member for member in members if _is_class(member)]
    readers = [(member, converter.get_structure_hook(member)) for member in members if member not in classes]
    if classes:
        readers.append((classes[0], _one_class_of(classes, converter)))
    if len(readers) == 2 and NoneType in members:
        return _optional(*next(reader for reader in readers if reader[0] is not NoneType))

    def hook(value: object, _: object) -> Any:
        if type(value) in members:
            return value
        fitting = [(member, read) for member, read in readers if _shape(member) in (None, _shape_of(value))]
        if len(fitting) == 1:
            member, read = fitting[0]
            return read(value, member)  # its error says more than ours
        for member, read in fitting:
            try:
                return read(value, member)
            except Exception:  # noqa: BLE001, S112, PERF203 - the next one may fit
                continue
        raise Misfit(value, kind)

    return hook


def _optional(kind: Any, read: Hook) -> Hook:
    return lambda value, _: None if value is None else read(value, kind)


def _one_class_of(classes: list[Any], converter: Converter) -> Hook:
    """Return a hook that builds the class whose fields, or whose `Literal`, the value has."""
    if len(classes) == 1:
        return converter.get_structure_hook(classes[0])
    choose = create_default_dis_func(converter, *classes)
    names = " | ".join(map(type_name, classes))

    def hook(value: Any, _: object) -> Any:
        if not isinstance(value, Mapping):
            return value
        try:
            kind = choose(value)
        except (ValueError, KeyError):
            raise Misfit(value, names) from None
        return converter.structure(value, kind)  # type: ignore[type-var] - it is one of the classes

    return hook


def _shape(kind: Any) -> str | None:
    """Return what a type is in JSON; None where that depends on the value."""
    origin = _origin(kind)
    if origin is Literal:
        return "scalar"
    if origin in (Any, object) or not isinstance(origin, type) or is_namedtuple(origin):
        return None
    if origin in _ARRAYS:
        return "array"
    if origin in _OBJECTS or _is_class(kind) or _is_typed_dict(kind):
        return "object"
    return "null" if origin is NoneType else "scalar"


def _shape_of(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, _LISTS):
        return "array"
    return "object" if isinstance(value, Mapping) or _is_class(type(value)) else "scalar"
