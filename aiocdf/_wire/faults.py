"""Values that do not fit a type: the JSON path, the type that was found, and the type that was expected."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

import attrs
from cattrs.errors import (
    AttributeValidationNote,
    BaseValidationError,
    ForbiddenExtraKeysError,
    IterableValidationNote,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Fault", "Misfit", "faults", "member_path", "type_name"]


class Misfit(Exception):
    """A value that does not fit. It keeps only the types, because the value may be secret.

    Args:
        value: The value that was found.
        wanted: The expected type, or a description of it.
    """

    def __init__(self, value: object, wanted: object) -> None:
        super().__init__()
        self.found = type_name(None if value is None else type(value))
        self.wanted = wanted if isinstance(wanted, str) else type_name(wanted)


@attrs.frozen
class Fault:
    """One value that does not fit."""

    path: str
    found: str
    wanted: str

    def __str__(self) -> str:
        """Return the fault as one phrase."""
        return f"{self.path}: found {self.found}, wanted {self.wanted}"


def type_name(kind: object) -> str:
    """Return a type as it is written in an annotation."""
    return str(kind) if get_args(kind) or kind is None else getattr(kind, "__name__", str(kind))


def member_path(path: str, name: str) -> str:
    """Return the JSON path of a member; a name that is not an identifier is quoted."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{json.dumps(name)}]"


def faults(error: BaseException, kind: object, path: str, spell: Callable[[type, str], str]) -> Iterator[Fault]:
    """Yield the faults in an error of cattrs, one for each value.

    Args:
        error: The error that cattrs raised.
        kind: The expected type at *path*.
        path: The JSON path of the value.
        spell: Returns the JSON name of a class's field.
    """
    if not isinstance(error, BaseValidationError):
        yield _fault(error, kind, path)
        return
    for inner in error.exceptions:
        place = _place(inner)
        if place is None:
            yield from faults(inner, error.cl, path, spell)
        elif isinstance(place, AttributeValidationNote):
            yield from faults(inner, place.type, member_path(path, spell(error.cl, place.name)), spell)
        else:
            yield from faults(inner, place.type, _item_path(path, place.index), spell)


def _place(error: BaseException) -> Any:
    """Return the note with the place of a value in its parent; None if there is none."""
    notes = getattr(error, "__notes__", ())
    return next((note for note in notes if isinstance(note, AttributeValidationNote | IterableValidationNote)), None)


def _item_path(path: str, index: int | str) -> str:
    return f"{path}[{index}]" if isinstance(index, int) else member_path(path, str(index))


def _fault(error: BaseException, kind: object, path: str) -> Fault:
    match error:
        case Misfit():
            return Fault(path, error.found, error.wanted)
        case KeyError():
            return Fault(path, "nothing", type_name(kind))
        case ForbiddenExtraKeysError():
            name = min(error.extra_fields)
            return Fault(member_path(path, name), "an unknown member", f"a member of {type_name(kind)}")
    # Validators and converters of the class, whose messages may quote the value.
    return Fault(path, f"a value that raises {type(error).__name__}", type_name(kind))
