"""Scenarios in which a part of the service, of the program or of one call is in trouble."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from trouble.outcomes import lost_answer, no_answer, refuse, unavailable
from trouble.scenario import Scenario
from trouble.scenarios import dealt, failing
from trouble.service import Fault
from trouble.targets import beside, safe, soon, unsure

if TYPE_CHECKING:
    from trouble.scenario import Script, Stage, Target
    from trouble.scenarios import Catalogue
    from trouble.service import Outcome

_SICK = 9
_UNCERTAIN = "SubmissionUncertain"
_FULL = "Function exceeded maximum number='100' of concurrent calls. Please try again later."


def sick(count: int, outcome: Outcome, *, delay: float = 0.0) -> Scenario:
    """POSTs to one function fail; four other functions work."""
    calls = dealt(5 * count, functions=[_SICK, 1, 2, 3, 4])
    return Scenario(
        calls=calls,
        faults=failing(["start"], outcome, functions=[_SICK], delay=delay),
        sick=[_SICK],
        script=_see_well([place for place, (function, _) in enumerate(calls) if function != _SICK]),
        beside=Scenario(calls=dealt(4 * count, functions=[1, 2, 3, 4]), targets=()),
        targets=(safe, beside),
    )


def unnamed(count: int, lasts: float = 0.0) -> Scenario:
    """One function rejects all calls with 429; five other functions work.

    Args:
        count: The number of calls of the working functions.
        lasts: How long the trouble lasts, in seconds; 0 for no end.
    """
    mixed = dealt(count // 5, functions=[_SICK, 1, 2, 3, 4, 5])
    well = sum(function != _SICK for function, _ in mixed)
    calls = [*mixed, *dealt(count - well)]
    forever = not lasts
    return Scenario(
        calls=calls,
        faults=failing(["start"], refuse(429, "Too Many Requests"), lasts=lasts or 1e9, functions=[_SICK]),
        lasts=lasts,
        sick=[_SICK] if forever else [],
        script=_see_well([key for key, (function, _) in enumerate(calls) if function != _SICK]) if forever else None,
        beside=Scenario(calls=dealt(count), targets=()),
        targets=(safe, beside) if forever else (safe, soon, beside),
    )


def spurious(count: int, part: float) -> Scenario:
    """Some POSTs are rejected as if the project were full."""
    refused = refuse(429, "There are too many running calls in this project.")
    calls = dealt(count, functions=range(1, 9))
    return Scenario(calls=calls, faults=failing(["start"], refused, part=part), targets=(safe, soon))


def stray(count: int, at: float) -> Scenario:
    """The program cancels all tasks of the loop except its own, once, after some seconds."""

    async def script(_: Stage) -> None:
        await asyncio.sleep(at)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            if task is not None:
                task.cancel()

    return Scenario(calls=dealt(count), script=script, targets=(safe, soon))


def repeated(then: Outcome, target: Target, script: Script | None = None) -> Scenario:
    """The POST of a call that may run twice starts it, its answer is lost, and then another fault follows."""

    def faults() -> list[Fault]:
        return [Fault(kinds=["start"], outcome=lost_answer(), times=1), Fault(kinds=["start"], outcome=then)]

    return Scenario(calls=[(1, 30.0)], faults=faults, script=script, retry=True, targets=(target,), limit=900)


def _see_well(keys: list[int]) -> Script:
    """Wait for these calls, and cancel the others."""

    async def script(stage: Stage) -> None:
        await asyncio.wait([stage.handles[key] for key in keys])
        for handle in stage.handles:
            handle.cancel()

    return script


async def _cancel(stage: Stage) -> None:
    await asyncio.sleep(10)
    stage.handles[0].cancel()


async def _close(stage: Stage) -> None:
    await asyncio.sleep(10)
    await stage.client.aclose()


#: By name: what makes the scenario of a number of calls, and how many there are in full and in small.
PARTS: Catalogue = {
    "sick-503": (lambda count: sick(count, unavailable()), 400, 200),
    "sick-hangs": (lambda count: sick(count, no_answer(), delay=60.0), 400, 200),
    "unnamed-429": (unnamed, 3000, 1000),
    "unnamed-429-20s": (lambda count: unnamed(count, 20.0), 3000, 1000),
    "spurious-429-5": (lambda count: spurious(count, 0.05), 1000, 400),
    "spurious-429-30": (lambda count: spurious(count, 0.3), 1000, 400),
    # While the token is requested, while POSTs are in flight, and while polls are in flight.
    "stray-cancel-token": (lambda count: stray(count, 0.02), 1000, 500),
    "stray-cancel-start": (lambda count: stray(count, 0.13), 1000, 500),
    "stray-cancel-poll": (lambda count: stray(count, 1.3), 1000, 500),
    "repeat-cancel": (lambda _: repeated(refuse(429, _FULL), unsure("CancelledError"), _cancel), 1, 1),
    "repeat-aclose": (lambda _: repeated(refuse(429, _FULL), unsure(_UNCERTAIN, "ClientClosed"), _close), 1, 1),
    "repeat-403": (lambda _: repeated(refuse(403, "Forbidden"), unsure(_UNCERTAIN)), 1, 1),
    "repeat-nonce": (lambda _: repeated(refuse(400, "invalid nonce"), unsure(_UNCERTAIN)), 1, 1),
}
