"""A string that never shows itself, and functions and classes whose arguments no traceback shows."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NoReturn, ParamSpec, TypeVar

import attrs

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Secret", "hide_arguments", "safe_to_show"]

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Secret:
    """A string that is not shown by `repr`, `str`, f-strings, logs, tracebacks, `attrs.asdict` or pickle.

    Read it with `reveal()` in the one line that puts it on the wire.

    Args:
        value: The text to keep. A `Secret` is taken as it is.

    Raises:
        TypeError: `value` is no string. The value itself is not part of the message.
    """

    __slots__ = ("_reveal",)

    def __init__(self, value: str | Secret) -> None:
        if isinstance(value, Secret):
            value = value.reveal()
        if not isinstance(value, str):
            kind = type(value).__name__
            del value  # a traceback with locals must not show what was passed by mistake
            raise TypeError(f"a secret must be a string, not {kind}")
        text: str = value

        def reveal() -> str:
            return text

        # A closure, not an attribute: debuggers and serialisers that walk attributes find no text.
        self._reveal = reveal

    def reveal(self) -> str:
        """Return the text."""
        return self._reveal()

    def __repr__(self) -> str:
        """Show stars."""
        return "Secret('***')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        """Compare by text."""
        return isinstance(other, Secret) and self.reveal() == other.reveal()

    def __hash__(self) -> int:
        """Hash by text."""
        return hash(self.reveal())

    def __bool__(self) -> bool:
        """Tell whether there is any text."""
        return bool(self.reveal())

    def __reduce__(self) -> NoReturn:
        """Refuse to be pickled."""
        raise TypeError("a Secret cannot be pickled or copied out of the process")

    def __copy__(self) -> Secret:
        """Return itself: it cannot change."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Return itself: it cannot change."""
        return self


def hide_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Let *function* raise its errors without the frames below, whose locals hold its arguments.

    Error reports may show the locals of each frame. An argument may be a secret, also by mistake: a token in the place
    of credentials, a URL with a password.
    """

    @functools.wraps(function)
    def hidden(*args: P.args, **given: P.kwargs) -> R:
        try:
            return function(*args, **given)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again
            failure = error.with_traceback(None)
        del args, given
        failure.__context__ = None  # which has frames of its own
        raise failure

    return hidden


def safe_to_show(kind: type[T]) -> type[T]:
    """Make an attrs class safe in error reports: arguments that it refuses are hidden, and a half-made value has a repr."""
    changed: Any = kind
    changed.__init__ = hide_arguments(changed.__init__)
    changed.__repr__ = _show_fields
    return kind


def _show_fields(value: attrs.AttrsInstance) -> str:
    """Show the fields that are set; attrs's own repr raises where one is not."""
    shown = [
        f"{field.name}={(field.repr if callable(field.repr) else repr)(getattr(value, field.name))}"
        for field in attrs.fields(type(value))
        if field.repr and hasattr(value, field.name)
    ]
    return f"{type(value).__name__}({', '.join(shown)})"
