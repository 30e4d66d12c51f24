"""Text from outside, fit for a line of a log."""

from __future__ import annotations

__all__ = ["one_line"]

LONGEST = 300


def one_line(text: str) -> str:
    """Return the first line of the text with something in it, without control characters and not longer than 300 characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    shown = "".join(character if character.isprintable() else "?" for character in line[: LONGEST + 1])
    return shown if len(line) <= LONGEST else f"{shown[: LONGEST - 3]}..."
