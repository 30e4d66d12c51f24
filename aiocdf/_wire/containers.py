"""Hooks that read lists, objects and classes strictly: an array stays an array, and an object an object."""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import (
    TYPE_CHECKING,
    Any,
    NewType,
    NotRequired,
    TypedDict,
    get_args,
    get_origin,
    get_type_hints,
)

import attrs
from cattrs.cols import (
    is_namedtuple,
    list_structure_factory,
    mapping_structure_factory,
    namedtuple_dict_structure_factory,
    namedtuple_dict_unstructure_factory,
)
from cattrs.errors import IterableValidationError, IterableValidationNote

from aiocdf._wire.faults import Misfit, type_name
from aiocdf._wire.kinds import ARRAYS, LISTS, OBJECTS, is_class, is_typed_dict, origin_of

if TYPE_CHECKING:
    from cattrs import Converter

    from aiocdf._wire.kinds import Hook

__all__ = ["read_containers_strictly"]

#: A whole number as the name of a member, which is always text in JSON.
_Number = NewType("_Number", int)


def read_containers_strictly(converter: Converter) -> None:
    """Register hooks for containers that raise `Misfit` if the value is of another type."""
    converter.register_structure_hook(_Number, _read_number)
    converter.register_structure_hook_factory(is_class, _class)
    converter.register_structure_hook_factory(is_typed_dict, _typed_dict)
    converter.register_structure_hook_factory(lambda kind: origin_of(kind) in ARRAYS, _array)
    converter.register_structure_hook_factory(_is_fixed_tuple, _fixed_tuple)
    converter.register_structure_hook_factory(lambda kind: origin_of(kind) in OBJECTS, _object)
    converter.register_structure_hook_factory(is_namedtuple, _named_tuple)
    converter.register_unstructure_hook_factory(is_namedtuple, namedtuple_dict_unstructure_factory)
    converter.register_unstructure_hook_factory(
        lambda kind: origin_of(kind) in OBJECTS and get_args(kind)[:1] == (int,),
        lambda kind: converter.gen_unstructure_mapping(kind, key_handler=_write_number),
    )


def _is_fixed_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple and get_args(kind)[-1:] != (...,)


def _class(kind: Any, converter: Converter) -> Hook:
    origin = origin_of(kind)
    if attrs.has(origin):
        attrs.resolve_types(origin)
    read = converter.gen_structure_attrs_fromdict(kind)

    def hook(value: object, _: object) -> Any:
        if isinstance(value, Mapping):
            return read(value, kind)
        if isinstance(value, origin):
            return value
        raise Misfit(value, kind)

    return hook


def _typed_dict(kind: Any, converter: Converter) -> Hook:
    read = converter.gen_structure_typeddict(kind if get_origin(kind) else _evaluated(kind))

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(value, kind)
        return read(dict(value), kind)

    return hook


def _evaluated(kind: Any) -> Any:
    """Return a TypedDict with evaluated annotations: Python does not see a `NotRequired` in annotations as text."""
    hints = get_type_hints(kind, include_extras=True)
    marked = {
        name: hint if name in kind.__required_keys__ or get_origin(hint) is NotRequired else NotRequired[hint]
        for name, hint in hints.items()
    }
    make: Any = TypedDict
    return make(kind.__name__, marked)


def _named_tuple(kind: Any, converter: Converter) -> Hook:
    """Read both forms of a named tuple: an object, and the array that `json.dumps` writes."""
    parts = GenericAlias(tuple, tuple(get_type_hints(kind).values()))
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
    build = ARRAYS[origin_of(kind)]
    items: Any = GenericAlias(list, get_args(kind)[:1]) if get_args(kind) else list
    read = list_structure_factory(items, converter)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, LISTS):
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
            except Exception as error:  # noqa: BLE001 - hooks of the caller's types may raise anything
                error.add_note(IterableValidationNote("an item", index, part))
                errors.append(error)
        if errors:
            raise IterableValidationError("a tuple", errors, kind)
        return tuple(items)

    return hook


def _object(kind: Any, converter: Converter) -> Hook:
    key, item = get_args(kind) or (Any, Any)
    members: Any = GenericAlias(Mapping, (_Number if key is int else key, item))
    read: Hook = mapping_structure_factory(members, converter, dict)

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


def _write_number(key: object, _: object = None) -> str:
    return str(key)
