"""Hooks that read scalars strictly: no value is converted to another type, except a whole number to a float.

By default, cattrs calls the type: `list("abc")`, `int(2.7)`, `bool("false")`, `str(None)`.
"""

from __future__ import annotations

from datetime import date, datetime, time
from enum import Enum, IntEnum, StrEnum
from types import NoneType
from typing import TYPE_CHECKING, Any, get_args
from uuid import UUID

from aiocdf._wire.faults import Misfit, type_name
from aiocdf._wire.kinds import is_literal

if TYPE_CHECKING:
    from cattrs import Converter

    from aiocdf._wire.kinds import Hook

__all__ = ["read_scalars_strictly"]


def read_scalars_strictly(converter: Converter) -> None:
    """Register hooks for scalars that raise `Misfit` if the value is of another type."""
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _read_exact)
    converter.register_structure_hook(float, _read_float)
    converter.register_structure_hook(bytes, _refuse_bytes)
    for enum in (Enum, IntEnum, StrEnum):
        converter.register_structure_hook(enum, _read_enum)
    for moment in (datetime, date, time):
        converter.register_structure_hook(moment, _read_iso)
        converter.register_unstructure_hook(moment, moment.isoformat)
    converter.register_structure_hook(UUID, _read_text)
    converter.register_unstructure_hook(UUID, str)
    converter.register_structure_hook_factory(_is_decimal, lambda _: _read_text)
    converter.register_unstructure_hook_factory(_is_decimal, lambda _: str)
    converter.register_structure_hook_factory(lambda kind: kind is object, lambda _: lambda value, _: value)
    converter.register_structure_hook_factory(lambda kind: kind in (None, NoneType), lambda _: _read_none)
    converter.register_structure_hook_factory(is_literal, _literal)


def _read_exact(value: Any, kind: Any) -> Any:
    if type(value) is kind or (isinstance(value, kind) and not isinstance(value, bool)):
        return value
    if kind in {str, bool, int}:
        raise Misfit(value, kind)
    if issubclass(kind, Enum):
        return _read_enum(value, kind)
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


def _refuse_bytes(value: object, _: object) -> Any:
    raise Misfit(value, "a type that JSON has, not bytes")


def _read_enum(value: Any, kind: Any) -> Any:
    """Read a member of an enumeration by its value."""
    if isinstance(value, kind):
        return value
    try:
        member = kind(value)
    except ValueError:
        raise Misfit(value, f"a value of {type_name(kind)}") from None
    # `True == 1 == 1.0`, so an enumeration accepts each instead of the others.
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


def _is_decimal(kind: Any) -> bool:
    """Return whether *kind* is `Decimal`, by its name: its module is slow to import, and few programs use it."""
    return (getattr(kind, "__module__", None), getattr(kind, "__name__", None)) == ("decimal", "Decimal")


def _literal(kind: Any) -> Hook:
    options = [(item.value if isinstance(item, Enum) else item, item) for item in get_args(kind)]

    def read(value: object, _: object) -> Any:
        for plain, item in options:
            if value is item or (type(value) is type(plain) and value == plain):
                return item
        raise Misfit(value, kind)

    return read
