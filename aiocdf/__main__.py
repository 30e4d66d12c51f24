"""The console script `aiocdf`, and `python -m aiocdf`."""

from __future__ import annotations

import signal
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line, or print what to install for it."""
    # Until a command handles Ctrl-C, it ends the process without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        # Imported here to print a short error if the extra is not installed.
        from aiocdf.cli.app import run
    except ModuleNotFoundError as error:
        if error.name not in {"rich", "typer"}:
            raise
        sys.stderr.write('error: the command line needs more packages: pip install "aiocdf[cli]"\n')
        sys.exit(2)
    run()


if __name__ == "__main__":
    main()
