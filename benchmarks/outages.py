"""Measures in virtual time how the client reacts to trouble of the service, and prints one Markdown table.

`python benchmarks/outages.py [name ...]` runs all scenarios, or those named; `--list` names them.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from typing import TYPE_CHECKING

from trouble.doubts import DOUBTS
from trouble.parts import PARTS
from trouble.polling import POLLING
from trouble.running import run
from trouble.scenarios import WHOLE
from trouble.table import markdown, plain

if TYPE_CHECKING:
    from trouble.scenario import Run

SCENARIOS = WHOLE | POLLING | PARTS | DOUBTS


def measure(name: str, *, small: bool) -> Run:
    """Run a scenario, and print how long it takes."""
    print(f"{name} ...", end="", file=sys.stderr, flush=True)
    began = time.process_time()
    make, full, few = SCENARIOS[name]
    came_to = run(make(few if small else full))
    print(f" {time.process_time() - began:.1f} s of processor time", file=sys.stderr, flush=True)
    return came_to


def main() -> None:
    """Run the selected scenarios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="name", help="a scenario; all without one")
    parser.add_argument("--small", action="store_true", help="with as few calls as in the tests")
    parser.add_argument("--json", action="store_true", help="print JSON instead of the table")
    parser.add_argument("--list", action="store_true", help="print the names of the scenarios")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(SCENARIOS):
        parser.error(f"unknown scenario {', '.join(sorted(unknown))}; --list shows all")
    if arguments.list:
        print(*SCENARIOS, sep="\n")
        return
    logging.getLogger("aiocdf").setLevel(logging.CRITICAL)
    runs = {name: measure(name, small=arguments.small) for name in arguments.names or SCENARIOS}
    if arguments.json:
        print(json.dumps({name: plain(came_to) for name, came_to in runs.items()}, indent=2))
    else:
        print(*markdown(runs), sep="\n")


if __name__ == "__main__":
    main()
