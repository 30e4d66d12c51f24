"""The console script `aiocdf`, which is `python -m aiocdf` too."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or say what to install for it."""
    # Until a command handles it, Ctrl-C is no more than the end: nobody needs to see which import it came in.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        # Only here can its absence be told in a line: what it needs is an extra.
        from aiocdf.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.stderr.write('error: the command line needs more packages: pip install "aiocdf[cli]"\n')
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
