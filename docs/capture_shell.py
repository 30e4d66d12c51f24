"""Deploy, call and list functions in a shell, and draw that into docs/pictures/shell.svg: `python docs/capture_shell.py`."""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile

from capture_demo import CHECKOUT, WIDTH, draw

from aiocdf import local

COMMANDS = (
    ["functions", "deploy", "hello"],
    ["call", "signed_report", '{"readings": {"TT-101": [17.3, 17.8]}, "pause": 1}', "--follow"],
    ["calls", "list", "signed_report"],
    ["functions", "list"],
)
#: What a command shows of its state while it works, and removes.
STATE = re.compile(r"[^\n]*\n\x1b\[\?25h\r\x1b\[1A\x1b\[2K")


async def printed(command: list[str], environment: dict[str, str], folder: str) -> str:
    """Return what a terminal shows after a command."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "aiocdf", *command),
        env=os.environ | environment | {"FORCE_COLOR": "1", "COLUMNS": str(WIDTH)},
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    out, _ = await process.communicate()
    lines = STATE.sub("", out.decode()).rstrip().split("\n")
    return "\n".join(re.split(r"\r|\x1b\[2K", line)[-1] for line in lines)


def typed(command: list[str]) -> str:
    """Return a command as one types it; only JSON needs quotes here."""
    return " ".join(["$ aiocdf", *(f"'{word}'" if " " in word else word for word in command)])


async def main() -> None:
    """Run the commands against a local server, one after the other, and draw what they print."""
    shown = []
    with tempfile.TemporaryDirectory() as folder:
        async with local.serve(CHECKOUT / "examples" / "functions") as server:
            await printed(["init", "hello"], {}, folder)
            for command in COMMANDS:
                text = await printed(command, server.environment(), folder)
                shown.append(f"\x1b[1m{typed(command)}\x1b[0m\n{text}")
    draw("\n\n".join(shown), "shell", title="aiocdf")


if __name__ == "__main__":
    asyncio.run(main())
