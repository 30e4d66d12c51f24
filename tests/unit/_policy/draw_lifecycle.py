"""Draw the lifecycle of a call from its table, for the page that explains it: run this after the table has changed.

It needs Graphviz, whose `dot` lays the picture out.
"""

from __future__ import annotations

import html
import re
import subprocess
from itertools import groupby
from pathlib import Path

from aiocdf._policy.lifecycle import TABLE, Ended

DOCS = Path(__file__).parents[3] / "docs"
PAGE, PICTURE = DOCS / "explanation" / "lifecycle.md", DOCS / "pictures" / "lifecycle.svg"
COMMAND = "python tests/unit/_policy/draw_lifecycle.py"

#: The first states, which the table does not have because they are not moves.
STARTS = {
    "Resolving": ("id of the function not known",),
    "Queued": ("id known",),
    "Running": ("id known, call started elsewhere",),
}
_STYLE = """
    bgcolor="white"; pad=0.1; nodesep=0.1; ranksep=0.3;
    node [shape=box, style="rounded,filled", fillcolor="#eef3fb", color="#4a6fa5", fontname="sans-serif", fontsize=20];
    edge [color="#4a6fa5", fontname="sans-serif", fontsize=17];
    Start [label="", shape=circle, width=0.2, fillcolor="black"];
"""


def arrows() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the words on each arrow: all events that lead from one state to another."""
    pairs = groupby(TABLE.items(), lambda move: (move[0][0].__name__, move[1].__name__))
    moves = {pair: tuple(event.value for (_, event), _ in moves) for pair, moves in pairs}
    return {**{("Start", state): why for state, why in STARTS.items()}, **moves}


def drawn() -> dict[tuple[str, str], tuple[str, ...]]:
    """Return the words on each arrow of the picture as it is kept."""
    found = {}
    for arrow in re.findall(r'class="edge">(.*?)</g>', PICTURE.read_text(), re.DOTALL):
        (ends,) = re.findall(r"<title>(.*?)</title>", arrow)
        before, to = html.unescape(ends).split("->")
        found[before, to] = tuple(
            html.unescape(words).strip("\xa0 ") for words in re.findall(r"<text .*?>(.*?)</text>", arrow)
        )
    return found


def graph() -> str:
    """Return the picture as text for Graphviz."""
    labels = {pair: "".join(f"\xa0{line}\\l" for line in words) for pair, words in arrows().items()}
    lines = [f'{before} -> {to} [label="{label}"];' for (before, to), label in labels.items()]
    return "\n".join(["digraph lifecycle {", _STYLE, *lines, f"{Ended.__name__} [peripheries=2];", "}"])


if __name__ == "__main__":
    subprocess.run(["dot", "-Tsvg", "-o", PICTURE], input=graph(), text=True, check=True)
