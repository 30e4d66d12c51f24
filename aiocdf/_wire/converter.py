"""The one cattrs converter: camelCase, epoch milliseconds, open enumerations, fields we have not heard of.

It reads leniently: a null is an absent field, and unknown fields end in a model's `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar, cast, get_args

import attrs
import cattrs
from cattrs.gen import make_dict_structure_fn, override

from aiocdf.errors import DecodeError
from aiocdf.models.calls import FunctionCall, LogEntry
from aiocdf.models.functions import Function, FunctionError, FunctionLimits, Range
from aiocdf.models.schedules import FunctionSchedule
from aiocdf.models.sessions import Session
from aiocdf.models.tokens import Capability, TokenInspection, TokenProject
from aiocdf.secret import Secret

__all__ = ["camel", "converter", "structure"]

T = TypeVar("T")

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

converter = cattrs.Converter()


def camel(name: str) -> str:
    """Return *name* as the service spells it."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


def structure(value: object, kind: type[T], *, what: str, path: str = "$") -> T:
    """Read *value*, which came as JSON, as a *kind*.

    Args:
        value: What `json.loads` gave.
        kind: A model, or any type that cattrs knows how to build.
        what: What is being read, for the message: "call 12 of function 3".
        path: Where in the answer *value* stands.

    Raises:
        DecodeError: Naming the JSON paths that do not fit. The values are not quoted: they may be secret.
    """
    try:
        return converter.structure(value, kind)
    except Exception as error:  # noqa: BLE001 - hooks of the caller's own types may raise anything
        faults = [_respell(fault, kind) for fault in cattrs.transform_error(error, path)]
    del value  # tracebacks with locals must not show it either
    first = faults[0].rpartition(" @ ")[2] if faults else path
    raise DecodeError(f"{what} cannot be read as {_name(kind)}: {'; '.join(faults[:5])}", path=first)


def _name(kind: object) -> str:
    return str(kind) if get_args(kind) else getattr(kind, "__name__", str(kind))


def _respell(fault: str, kind: object) -> str:
    """Turn a path in Python's names back into the service's, where the names were ours."""
    text, separator, path = fault.rpartition(" @ ")
    return text + separator + (camel(path) if kind in _MODELS else path)


def _read_instant(value: object, _: object) -> datetime:
    """Read epoch milliseconds."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("expected epoch milliseconds")
    try:
        return _EPOCH + timedelta(milliseconds=value)
    except OverflowError:
        raise ValueError("a time beyond the calendar") from None


def _read_iso_instant(value: object, _: object) -> datetime:
    """Read a time that a function returned, as ISO 8601 text."""
    if isinstance(value, datetime):
        return value
    return datetime.fromisoformat(cast("str", value))


def _read_error(value: object, _: object) -> FunctionError:
    """Read both shapes of `error`: an object with message and trace, or a plain string."""
    if isinstance(value, Mapping):
        code = value.get("code")
        trace = value.get("trace")
        return FunctionError(
            message=str(value.get("message") or ""),
            trace=None if trace is None else str(trace),
            code=code if isinstance(code, int) else None,
        )
    return FunctionError(message=str(value))


def _read_capability(value: object, _: object) -> Capability:
    """Read a capability, which stands under the name of its kind beside the projects that it is for."""
    if not isinstance(value, Mapping):
        raise TypeError("expected an object")
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
    """Make the hook of a model: service's names, nulls as absent, unknown fields kept."""
    fields = attrs.fields(attrs.resolve_types(kind))
    names = {camel(field.name) for field in fields} - {"extra"}
    keeps_extra = any(field.name == "extra" for field in fields)
    overrides: dict[str, Any] = {
        field.name: override(
            rename=camel(field.name),
            struct_hook=_read_instant if field.type in (datetime, datetime | None) else None,
        )
        for field in fields
    }
    read = make_dict_structure_fn(kind, converter, **overrides)

    def hook(value: object, _: object) -> Any:
        if not isinstance(value, Mapping):
            raise TypeError("expected an object")
        known = {name: value[name] for name in names if value.get(name) is not None}
        if keeps_extra:
            known["extra"] = {name: item for name, item in value.items() if name not in names}
        return read(known, kind)

    return hook


_MODELS = (
    Range,
    Function,
    FunctionLimits,
    FunctionCall,
    FunctionSchedule,
    LogEntry,
    Session,
    TokenInspection,
    TokenProject,
)

converter.register_structure_hook(datetime, _read_iso_instant)
converter.register_unstructure_hook(datetime, datetime.isoformat)
converter.register_structure_hook(Secret, lambda value, _: Secret(value))
converter.register_structure_hook(FunctionError, _read_error)
converter.register_structure_hook(Capability, _read_capability)
# A factory: a model's hook is made when its first answer is read, not when aiocdf is imported.
converter.register_structure_hook_factory(_MODELS.__contains__, _read_model)
