"""Scenarios in which answers to POSTs are lost, so that the client does not know whether a call started."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from trouble.outcomes import garbage, hangs_after, lost_answer, lost_request, no_answer, refuse, unavailable
from trouble.scenario import Check, Scenario
from trouble.scenarios import dealt
from trouble.service import Fault

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from trouble.scenario import Run, Script, Stage
    from trouble.scenarios import Catalogue

_API = ("session", "sessions", "lookup", "limits", "start", "list", "poll", "read")
_UNCERTAIN = "SubmissionUncertain"
_FUNCTIONS = range(1, 6)
# Calls that may be in flight together when the first answers are lost: if swapped, they are not distinguishable.
_TOGETHER = 10


def _before() -> Sequence[Fault]:
    return [
        Fault(kinds=_API, outcome=lost_request(), part=0.05),
        Fault(kinds=_API, outcome=unavailable(), part=0.05),
        Fault(kinds=_API, outcome=refuse(500, "Internal server error"), part=0.05),
    ]


def _after() -> Sequence[Fault]:
    return [
        Fault(kinds=_API, outcome=lost_answer(), part=0.05),
        Fault(kinds=_API, outcome=garbage(done=True), part=0.05),
        Fault(kinds=_API, outcome=lost_answer(), part=0.03),
    ]


def _hangs() -> Sequence[Fault]:
    return [
        Fault(kinds=_API, outcome=no_answer(), part=0.01, delay=60.0),
        Fault(kinds=_API, outcome=hangs_after(), part=0.01, delay=0.0),
    ]


_FAULTS = {
    "before": _before,
    "after": _after,
    "hangs": _hangs,
    "all": lambda: [*_before(), *_after(), *_hangs()],
}


def doubtful(count: int, faults: str, *, others: float = 0.0, most: float = 0.0, seed: str = "1") -> Scenario:
    """Answers and requests are lost.

    Args:
        count: The number of calls.
        faults: The faults.
        others: How many calls a second another client makes of each function.
        most: The maximum fraction of calls that may be uncertain because of the other client.
        seed: The seed for the faults and for the other client.
    """

    def target(run: Run) -> Iterator[Check]:
        errors = run.errors()
        doubts = sum(visit.kind == "start" and visit.status not in (201, 429, 400) for visit in run.visits)
        asked = sum(visit.kind in ("sessions", "list") for visit in run.visits)
        yield Check("uncertain", errors[_UNCERTAIN], _TOGETHER + most * count)
        yield Check("uncertain that did not start", len(_uncertain(run) - {call.key for call in run.started}), 0)
        yield Check("other errors", errors.total() - errors[_UNCERTAIN], 0)
        yield Check("started twice", run.twice, 0)
        yield Check("wrong", run.wrong, 0)
        yield Check("requests a doubt", asked / max(doubts, 1), 3)
        yield Check("faults of aiocdf", len(run.loop_errors), 0)
        run.notes.append(f"{doubts} POSTs in doubt of {len(run.scenario.calls)} calls")

    return Scenario(
        calls=dealt(count, functions=_FUNCTIONS),
        faults=_FAULTS[faults],
        script=_beside(others, seed) if others else None,
        targets=(target,),
        seed=seed,
    )


def _uncertain(run: Run) -> set[int]:
    return {key for key, end in run.ends.items() if type(end.error).__name__ == _UNCERTAIN}


def _beside(rate: float, seed: str) -> Script:
    """Let another client call the same functions, at random times."""

    async def script(stage: Stage) -> None:
        chance = random.Random(seed)
        while not all(handle.done() for handle in stage.handles):
            await asyncio.sleep(chance.expovariate(rate * len(_FUNCTIONS)))
            stage.line.start(chance.choice(_FUNCTIONS), 1.0)

    return script


#: By name: what makes the scenario of a number of calls, and how many there are in full and in small.
DOUBTS: Catalogue = {
    f"doubt-{faults}{'-beside' if others else ''}-{seed}": (
        lambda count, faults=faults, others=others, seed=seed: doubtful(
            count, faults, others=others, most=0.03 if others else 0.0, seed=seed
        ),
        600,
        200,
    )
    for others in (0.0, 0.2)
    for faults in _FAULTS
    for seed in "123"
}
