"""A string that never shows itself."""

from __future__ import annotations

from typing import NoReturn

__all__ = ["Secret"]


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
