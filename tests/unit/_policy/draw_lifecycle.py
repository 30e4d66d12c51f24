"""Draw the lifecycle of a call, from its table into the page that explains it: run this after the table has changed."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

from aiocdf._policy.lifecycle import TABLE, Ended

PAGE = Path(__file__).parents[3] / "docs" / "explanation" / "lifecycle.md"
COMMAND = "python tests/unit/_policy/draw_lifecycle.py"
BEGIN, END = f"<!-- drawn from the table by `{COMMAND}` -->", "<!-- end of the drawing -->"

# Where a call begins is no move, so the table does not have it.
_STARTS = (
    ("Resolving", "id of the function not known"),
    ("Queued", "id known"),
    ("Running", "id known, call started elsewhere"),
)


def diagram() -> str:
    """Return the diagram as Mermaid text: an arrow for each pair of states, with all events that lead from one to the other."""
    lines = ["stateDiagram-v2", *(f"    [*] --> {state}: {why}" for state, why in _STARTS)]
    pairs = groupby(TABLE.items(), lambda move: (move[0][0], move[1]))
    for (before, to), moves in pairs:
        events = "<br/>".join(event.value for (_, event), _ in moves)
        lines.append(f"    {before.__name__} --> {to.__name__}: {events}")
    return "\n".join([*lines, f"    {Ended.__name__} --> [*]"])


def drawn(page: str) -> str:
    """Return the text of the page with the diagram in its place."""
    fence = "`" * 3
    block = f"{BEGIN}\n{fence}mermaid\n{diagram()}\n{fence}\n{END}"
    return re.sub(rf"{re.escape(BEGIN)}.*{re.escape(END)}", lambda _: block, page, flags=re.DOTALL)


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text()))
