"""Makes untrusted text fit for one line of a log."""

from __future__ import annotations

__all__ = ["one_line"]

LONGEST = 300


def one_line(text: str) -> str:
    """Return the first line of a text that is not blank, without control characters, with at most 300 characters."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    shown = "".join(character if character.isprintable() else "?" for character in line[: LONGEST + 1])
    return shown if len(line) <= LONGEST else f"{shown[: LONGEST - 3]}..."
