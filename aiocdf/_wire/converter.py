"""The one cattrs converter: strict for the caller's types, tolerant and in camelCase for the service's models.

In the service's answers, null means an absent field, unknown fields go to a model's `extra`, times are epoch
milliseconds, and an id may be text.
"""

from __future__ import annotations

import collections.abc
import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from types import UnionType
from typing import Any, TypeVar, cast, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn_from_attrs, override

from aiocdf._wire.containers import read_containers_strictly
from aiocdf._wire.faults import Fault, Misfit, faults, type_name
from aiocdf._wire.scalars import read_scalars_strictly
from aiocdf._wire.unions import read_unions_strictly
from aiocdf.errors import DecodeError, InvalidArgument, InvalidType
from aiocdf.models.calls import FunctionCall, LogEntry
from aiocdf.models.files import File
from aiocdf.models.functions import Function, FunctionError, FunctionLimits, Range
from aiocdf.models.open_enum import OpenEnum
from aiocdf.models.schedules import FunctionSchedule
from aiocdf.models.sessions import Session
from aiocdf.models.tokens import Capability, TokenInspection, TokenProject
from aiocdf.secret import Secret

__all__ = ["camel", "check_type", "plain_input", "plain_value", "read_id", "structure"]

T = TypeVar("T")

# How cattrs ends its message; the converter is not in the hands of users.
_ADVICE = " Register a structure hook for it."
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The maximum number of characters of an id. Python does not read integers of any length.
_LONGEST_ID = 20
_MODELS = (
    Range,
    File,
    Function,
    FunctionLimits,
    FunctionCall,
    FunctionSchedule,
    LogEntry,
    Session,
    TokenInspection,
    TokenProject,
)

converter = cattrs.Converter(unstruct_collection_overrides={collections.abc.Set: list})
read_scalars_strictly(converter)
read_containers_strictly(converter)
read_unions_strictly(converter)


def camel(name: str) -> str:
    """Return *name* in the service's spelling."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def structure(value: object, kind: type[T], *, what: str, path: str = "$") -> T:
    """Build a *kind* from JSON values.

    Args:
        value: The JSON values.
        kind: A model, or a type that `check_type` accepts.
        what: The name of the object in messages, such as "call 12 of function 3".
        path: The JSON path of *value* in the answer.

    Raises:
        DecodeError: A value does not fit. The message has the JSON paths, but no values, because they may be secret.
    """
    try:
        return converter.structure(value, kind)
    except Exception as error:  # noqa: BLE001 - hooks of the caller's types may raise anything
        found = list(faults(error, kind, path, _spell))
    del value  # tracebacks with locals must not show it
    first = found[0]
    raise DecodeError(
        f"{what} does not fit {type_name(kind)}: {_listed(found)}",
        path=first.path,
        found=first.found,
        wanted=first.wanted,
    )


def check_type(kind: Any, name: str) -> None:
    """Check that the converter can build *kind* from JSON; None means plain JSON values.

    Args:
        kind: The type.
        name: The argument's name.

    Raises:
        InvalidType: It cannot, or *kind* is not a type.
    """
    if kind is None:
        return
    try:
        converter.get_structure_hook(kind)
    except Exception as error:  # noqa: BLE001 - to inspect a type runs its code
        reason = str(error).removesuffix(_ADVICE)
        raise InvalidType(f"{name} is {type_name(kind)}, which aiocdf cannot build from JSON: {reason}") from None


def plain_input(data: object, kind: Any, *, what: str) -> Any:
    """Return *data* as plain JSON values, after checking that it is a *kind* or has the same members.

    Args:
        data: The caller's data.
        kind: The type of the data.
        what: The function as text, for the message.

    Raises:
        InvalidType: It does not fit; the message has the JSON paths.
        InvalidArgument: It is nested too deeply.
    """
    try:
        return _plain(_inputs().structure(data, kind), kind)
    except RecursionError:
        raise InvalidArgument("data is nested too deeply to be JSON: flatten it") from None
    except Exception as error:  # noqa: BLE001 - hooks of the caller's types may raise anything
        found = list(faults(error, kind, "$", lambda _, name: name))
    del data
    raise InvalidType(f"{what} takes {type_name(kind)} as its data: {_listed(found)}")


@cache
def _inputs() -> cattrs.Converter:
    """Return the converter for data: unknown members are allowed in answers, but in data they may be misspelled."""
    return converter.copy(forbid_extra_keys=True)


def plain_value(value: object) -> Any:
    """Return an attrs, dataclass or NamedTuple value as plain JSON values.

    Raises:
        InvalidType: A field's value is not of the declared type.
    """
    try:
        return _plain(value, None)
    except Misfit as misfit:
        fault = f"data is a {misfit.found}, wanted {misfit.wanted}"
    del value
    raise InvalidType(fault)


def _plain(value: object, kind: Any) -> Any:
    as_declared = None if attrs.has(type(value)) or is_dataclass(value) else kind
    try:
        return converter.unstructure(value, unstructure_as=as_declared)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - the methods of any value may raise anything
        raise Misfit(value, "a value whose fields have the declared types") from None


def read_id(value: Any, _: object = int) -> int:
    """Read an id, which may be text or a number without a fraction: the API's documents differ, so answers may too.

    Raises:
        Misfit: It is neither a whole number nor the text of one.
    """
    if type(value) is int:
        return value
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < _LONGEST_ID:
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    raise Misfit(value, "a whole number")


def _listed(found: list[Fault]) -> str:
    return "; ".join(map(str, found[:5]))


def _spell(kind: type, name: str) -> str:
    """Return the JSON name of a field, in the service's spelling for models."""
    return camel(name) if kind in _MODELS else name


def _read_instant(value: object, _: object) -> datetime:
    """Read epoch milliseconds."""
    if type(value) is not int and type(value) is not float:
        raise Misfit(value, "epoch milliseconds")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except (OverflowError, ValueError):
        raise Misfit(value, "epoch milliseconds within the calendar") from None


def _read_open_enum(value: object, kind: Any) -> OpenEnum:
    if type(value) is not str:
        raise Misfit(value, str)
    return cast("OpenEnum", kind(value))


def _read_secret(value: object, _: object) -> Secret:
    if not isinstance(value, str):
        raise Misfit(value, Secret)
    return Secret(value)


def _read_error(value: object, _: object) -> FunctionError:
    """Read both forms of `error`, an object and a string, with any content: the end of a call must not get lost."""
    if isinstance(value, Mapping):
        code = value.get("code")
        trace = value.get("trace")
        return FunctionError(
            message=str(value.get("message") or ""),
            trace=None if trace is None else str(trace),
            code=code if type(code) is int else None,
        )
    return FunctionError(message=str(value))


def _read_capability(value: object, _: object) -> Capability:
    """Read a capability: an object with its ACL's name as one member and the projects as another."""
    if not isinstance(value, Mapping):
        raise Misfit(value, Capability)
    projects = converter.structure(value.get("projectScope", {}), dict[str, Any]).get("projects")
    acl = next((name for name in value if name != "projectScope"), "")
    held = converter.structure(value.get(acl, {}), dict[str, Any])
    return Capability(
        acl=acl,
        actions=converter.structure(held.get("actions", ()), tuple[str, ...]),
        scope=converter.structure(held.get("scope", {}), dict[str, Any]),
        projects=None if projects is None else converter.structure(projects, tuple[str, ...]),
    )


def _read_model(kind: type[Any]) -> Callable[[object, object], Any]:
    """Make the hook of a model: it reads the service's names and nulls as absent, and keeps unknown fields."""
    fields = [_without_null(field) for field in attrs.fields(attrs.resolve_types(kind))]
    names = {camel(field.name) for field in fields} - {"extra"}
    keeps_extra = len(names) < len(fields)
    overrides: dict[str, Any] = {
        field.name: override(rename=camel(field.name), struct_hook=_field_hook(field)) for field in fields
    }
    read = make_dict_structure_fn_from_attrs(fields, kind, converter, **overrides)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise Misfit(value, kind)
        known: dict[str, Any] = {}
        extra: dict[str, Any] = {}
        for name, item in value.items():
            if name not in names:
                extra[name] = item
            elif item is not None:
                known[name] = item
        if keeps_extra:
            known["extra"] = extra
        return read(known, kind)

    return hook


def _without_null(field: attrs.Attribute[Any]) -> attrs.Attribute[Any]:
    """Return a model's field without None in its type: a null is absent, and not read."""
    kinds = get_args(field.type) if isinstance(field.type, UnionType) else (field.type,)
    return field.evolve(type=kinds[0])


def _field_hook(field: attrs.Attribute[Any]) -> Callable[[Any, Any], Any] | None:
    """Return the hook of a field that the service writes in a special form; None for the others."""
    if field.type is datetime:
        return _read_instant
    if field.type is int and field.name.endswith("id"):
        return read_id
    return None


converter.register_structure_hook(OpenEnum, _read_open_enum)
converter.register_structure_hook(Secret, _read_secret)
converter.register_structure_hook(FunctionError, _read_error)
converter.register_structure_hook(Capability, _read_capability)
# A factory: a model's hook is made when its first answer is read, not when aiocdf is imported.
converter.register_structure_hook_factory(_MODELS.__contains__, _read_model)
