"""Hooks that read unions: they find the member that fits by the value's JSON form, and a class by its fields."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args, get_type_hints

import attrs

from aiocdf._wire.faults import Misfit, type_name
from aiocdf._wire.kinds import is_class, is_literal, is_union, origin_of, shape, shape_of

if TYPE_CHECKING:
    from cattrs import Converter

    from aiocdf._wire.kinds import Hook

__all__ = ["read_unions_strictly"]


def read_unions_strictly(converter: Converter) -> None:
    """Register a hook for unions that raises `Misfit` if no member fits."""
    converter.register_structure_hook_factory(is_union, _union)


def _union(kind: Any, converter: Converter) -> Hook:
    members = get_args(kind)
    classes = [member for member in members if is_class(member)]
    readers = [(member, converter.get_structure_hook(member)) for member in members if member not in classes]
    if classes:
        readers.append((classes[0], _one_class_of(classes, converter)))
    if len(readers) == 2 and NoneType in members:
        return _optional(*next(reader for reader in readers if reader[0] is not NoneType))

    def hook(value: object, _: object) -> Any:
        if type(value) in members and not isinstance(value, str):  # text may be a datetime, and 1 is not a float here
            return value
        fitting = [(member, read) for member, read in readers if shape(member) in (None, shape_of(value))]
        if len(fitting) == 1:
            member, read = fitting[0]
            return read(value, member)  # its error has more detail
        for member, read in fitting:
            try:
                return read(value, member)
            except Exception:  # noqa: BLE001, S112 - the next one may fit
                continue
        raise Misfit(value, kind)

    return hook


def _optional(kind: Any, read: Hook) -> Hook:
    return lambda value, _: None if value is None else read(value, kind)


def _one_class_of(classes: list[Any], converter: Converter) -> Hook:
    """Return a hook that builds the class whose fields the value has."""
    hooks = [(kind, converter.get_structure_hook(kind), _Members.of(kind, converter)) for kind in classes]
    if len(hooks) == 1:
        return hooks[0][1]
    names = " | ".join(map(type_name, classes))

    def hook(value: Any, _: object) -> Any:
        if not isinstance(value, Mapping):
            return value
        fitting = [
            (len(members.names & value.keys()), kind, read) for kind, read, members in hooks if members.fit(value)
        ]
        most = max((known for known, _, _ in fitting), default=0)
        best = [(kind, read) for known, kind, read in fitting if known == most]
        if len(best) != 1:
            raise Misfit(value, f"the members of one of {names}")
        kind, read = best[0]
        return read(value, kind)

    return hook


@attrs.frozen
class _Members:
    """What distinguishes a class from others: the names of its fields, those without a default, and its literals."""

    names: frozenset[str]
    required: frozenset[str]
    literals: dict[str, tuple[Any, Hook]]

    @classmethod
    def of(cls, kind: Any, converter: Converter) -> _Members:
        """Inspect a class."""
        origin = origin_of(kind)
        if attrs.has(origin):
            defaults = {field.name: field.default is not attrs.NOTHING for field in attrs.fields(origin)}
        else:
            defaults = {
                field.name: field.default is not MISSING or field.default_factory is not MISSING
                for field in fields(origin)
            }
        literals = {name: hint for name, hint in get_type_hints(origin).items() if is_literal(hint)}
        return cls(
            frozenset(defaults),
            frozenset(name for name, optional in defaults.items() if not optional),
            {name: (hint, converter.get_structure_hook(hint)) for name, hint in literals.items()},
        )

    def fit(self, value: Mapping[str, Any]) -> bool:
        """Return whether *value* has the required members and the literals of the class."""
        try:
            for name in value.keys() & self.literals.keys():
                hint, read = self.literals[name]
                read(value[name], hint)
        except Misfit:
            return False
        return self.required <= value.keys()
