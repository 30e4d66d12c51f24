"""What does not fit a type: at which JSON path, what was found there, and what was wanted."""

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
    """A value that does not fit; it keeps the types only, because the value may be secret.

    Args:
        value: What was found.
        wanted: The type, or a text that describes what fits.
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
        """Say it in one phrase."""
        return f"{self.path}: found {self.found}, wanted {self.wanted}"


def type_name(kind: object) -> str:
    """Return a type as it is written in annotations."""
    return str(kind) if get_args(kind) or kind is None else getattr(kind, "__name__", str(kind))


def member_path(path: str, name: str) -> str:
    """Return the JSON path of a member, quoted where its name is not a plain word."""
    return f"{path}.{name}" if name.isidentifier() else f"{path}[{json.dumps(name)}]"


def faults(error: BaseException, kind: object, path: str, spell: Callable[[type, str], str]) -> Iterator[Fault]:
    """Give what an error of cattrs says, one fault for each value.

    Args:
        error: What cattrs raised.
        kind: The type that was wanted at *path*.
        path: Where the value stands.
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
    """Return the note that says where in its parent a value stands, if there is one."""
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
            return Fault(member_path(path, name), "a member", f"one that {type_name(kind)} has")
    # The class's own validators and converters, whose messages may quote the value.
    return Fault(path, f"a value that raises {type(error).__name__}", type_name(kind))
