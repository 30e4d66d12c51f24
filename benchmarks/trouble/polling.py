"""Scenarios in which calls run, but polls get no answer or a wrong one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trouble.outcomes import refuse, unavailable, unreadable_end
from trouble.scenario import Scenario
from trouble.scenarios import dealt, failing
from trouble.targets import after_pause, calm, safe, soon

if TYPE_CHECKING:
    from trouble.scenario import Target
    from trouble.scenarios import Catalogue


def busy(count: int) -> Scenario:
    """Polls are answered 404 for a second, while a function with 20 calls of 10 s is polled often for other calls."""
    calls = [*dealt(20, 10.0, functions=[1]), *dealt(count, 1.0, functions=[1])]
    faults = failing(["poll"], refuse(404, "Not Found"), 6, 1)
    return Scenario(calls=calls, faults=faults, begin=6, lasts=1, targets=(safe, soon))


def quiet(count: int, status: int) -> Scenario:
    """Polls are rejected for 8 s, while a function has only a few long calls."""
    faults = failing(["poll"], refuse(status, "refused by a gateway"), 20, 8)
    calls = dealt(count, 60.0, functions=[1])
    return Scenario(calls=calls, faults=faults, begin=20, lasts=8, targets=(safe, soon, calm))


def paused(count: int, seconds: int, *targets: Target) -> Scenario:
    """Two polls are answered 429, each with a Retry-After header."""
    faults = failing(
        ["poll"], refuse(429, "Too Many Requests", headers={"retry-after": str(seconds)}), lasts=1e9, times=2
    )
    calls = dealt(count, 20.0, functions=[1])
    return Scenario(calls=calls, faults=faults, lasts=seconds, targets=targets, limit=2.5 * seconds)


def unreadable(count: int) -> Scenario:
    """One item of one poll's answer is not readable; in the next answer it is."""
    calls = dealt(count, 5.0, functions=[1])
    return Scenario(calls=calls, faults=failing(["poll"], unreadable_end(), times=1), targets=(safe, soon))


def unavailable_polls(count: int) -> Scenario:
    """Polls of a hundred functions are answered 503 for a minute."""
    calls = dealt(count, 20.0, functions=range(1, 101))
    faults = failing(["poll"], unavailable(), 2, 60)
    return Scenario(calls=calls, faults=faults, begin=2, lasts=60, targets=(safe, soon, calm))


#: By name: what makes the scenario of a number of calls, and how many there are in full and in small.
POLLING: Catalogue = {
    "poll-404-busy": (busy, 800, 800),
    "poll-403-quiet": (lambda count: quiet(count, 403), 20, 20),
    "poll-400-quiet": (lambda count: quiet(count, 400), 20, 20),
    "poll-429-310": (lambda count: paused(count, 310, safe, after_pause(15)), 20, 20),
    "poll-429-3600": (lambda count: paused(count, 3600, after_pause(float("inf"))), 20, 20),
    "poll-unreadable-item": (unreadable, 20, 20),
    "poll-503": (unavailable_polls, 200, 200),
}
