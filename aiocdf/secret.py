"""A string that is never shown, and decorators that keep arguments out of tracebacks."""

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

    Read it with `reveal()` only in the line that sends it.

    Args:
        value: The text. A `Secret` is copied.

    Raises:
        TypeError: `value` is not a string. The message does not show it.
    """

    __slots__ = ("_reveal",)

    def __init__(self, value: str | Secret) -> None:
        if isinstance(value, Secret):
            value = value.reveal()
        if not isinstance(value, str):
            kind = type(value).__name__
            del value  # a traceback with locals must not show a secret of another type
            raise TypeError(f"a secret must be a string, not {kind}")
        text: str = value

        def reveal() -> str:
            return text

        # A closure, not an attribute: debuggers and serializers that walk attributes do not find the text.
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
        """Return whether the text is not empty."""
        return bool(self.reveal())

    def __reduce__(self) -> NoReturn:
        """Refuse pickling."""
        raise TypeError("a Secret does not support pickling, so that it stays in this process")

    def __copy__(self) -> Secret:
        """Return itself: it cannot change."""
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        """Return itself: it cannot change."""
        return self


def hide_arguments(function: Callable[P, R]) -> Callable[P, R]:
    """Remove the frames of *function* from the tracebacks of its errors: their locals hold its arguments.

    Error reports may show the locals of each frame. An argument may be a secret, also by mistake: a token instead of
    credentials, a URL with a password.
    """

    @functools.wraps(function)
    def hidden(*args: P.args, **given: P.kwargs) -> R:
        try:
            return function(*args, **given)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is raised again
            failure = error.with_traceback(None)
        del args, given
        failure.__context__ = None  # it has frames, too
        raise failure

    return hidden


def safe_to_show(kind: type[T]) -> type[T]:
    """Make an attrs class safe in error reports: rejected arguments are hidden, and an incomplete value has a repr."""
    changed: Any = kind
    changed.__init__ = hide_arguments(changed.__init__)
    changed.__repr__ = _show_fields
    return kind


def _show_fields(value: attrs.AttrsInstance) -> str:
    """Show the fields that are set; the repr of attrs raises if one is not."""
    shown = [
        f"{field.name}={(field.repr if callable(field.repr) else repr)(getattr(value, field.name))}"
        for field in attrs.fields(type(value))
        if field.repr and hasattr(value, field.name)
    ]
    return f"{type(value).__name__}({', '.join(shown)})"
