"""Run `aiocdf demo` and draw what it prints into docs/pictures/demo.svg: `python docs/capture_demo.py`."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

CHECKOUT = Path(__file__).parents[1]
PICTURES = CHECKOUT / "docs" / "pictures"
WIDTH = 100
#: How many lines of each part the picture shows: half a screen of the most telling ones.
SHOWN = {"300 calls": 5, "A call that fails": 19, "The cost of the calls": 7}


def printed() -> str:
    """Return what the demo prints on a terminal."""
    environment = os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)}
    command = [sys.executable, "-m", "aiocdf", "demo"]
    done = subprocess.run(command, env=environment, cwd=CHECKOUT, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()  # with the carriage returns of the progress bar


def shortened(text: str) -> str:
    """Return the demo's parts, each cut to the lines that are shown, without what differs from computer to computer."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:43210", text).replace(str(CHECKOUT), "~/aiocdf")
    text = re.sub(r"\x1b\[\?25[lh]", "", text)  # shows and hides the cursor
    head, *parts = re.split(r"\n\n\x1b\[1m(?=\w)", text.partition("\nNext steps")[0])
    shown = [head.rstrip()]
    for part in parts:
        limit = next((lines for title, lines in SHOWN.items() if part.startswith(title)), 0)
        if not limit:
            continue
        lines = [re.split(r"\r|\x1b\[2K", line)[-1] for line in part.rstrip().split("\n")]  # the bar's last state
        shown.append("\n".join(["\x1b[1m" + lines[0], *lines[1:limit], *(["..."] if len(lines) > limit else [])]))
    return "\n\n".join(shown)


def draw(text: str, name: str, *, title: str) -> None:
    """Draw a terminal with *text*. Its font is the reader's: the one that rich names would be fetched from elsewhere."""
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(text))
    picture = console.export_svg(title=title, unique_id=name)
    (PICTURES / f"{name}.svg").write_text(re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL))


if __name__ == "__main__":
    draw(f"$ aiocdf demo\n{shortened(printed())}", "demo", title="aiocdf demo")
