"""The scenarios in which a trouble is one of the service as a whole: each in full, and small for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trouble.outcomes import Bucket, garbage, refuse, unavailable, unreachable
from trouble.scenario import Hog, Scenario, ideal_with
from trouble.service import Fault
from trouble.targets import calm, full_again, given_up, near, safe, soon, still, thrifty, told_in_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from trouble.service import Outcome

    Catalogue = dict[str, tuple[Callable[[int], Scenario], int, int]]

API = ("session", "lookup", "limits", "start", "poll", "read")
_TROUBLE = (safe, soon, still, calm)


def dealt(count: int, seconds: float = 1.0, *, functions: Sequence[int] = range(1, 6)) -> list[tuple[int, float]]:
    """Return *count* calls that go to each function in turn."""
    return [(functions[place % len(functions)], seconds) for place in range(count)]


def failing(
    kinds: Sequence[str], outcome: Outcome, begin: float = 0.0, lasts: float = 1e9, **more: object
) -> Callable[[], Sequence[Fault]]:
    """Return what makes one fault for the time of a trouble."""
    return lambda: [Fault(kinds=kinds, outcome=outcome, begin=begin, end=begin + lasts, **more)]  # type: ignore[arg-type]


def identity(count: int) -> Scenario:
    """The identity provider answers 503 for 2 s from the start."""
    return Scenario(calls=dealt(count), faults=failing(["token"], unavailable(), lasts=2), lasts=2, targets=_TROUBLE)


def starts_unavailable(count: int, begin: float = 0.0) -> Scenario:
    """POSTs that start calls are answered 503 for 5 s."""
    faults = failing(["start"], unavailable(), begin, 5)
    return Scenario(calls=dealt(count), faults=faults, begin=begin, lasts=5, targets=_TROUBLE)


def away(count: int, begin: float = 0.0, *, warm: bool = False, kinds: Sequence[str] = API) -> Scenario:
    """There is no connection for 30 s; a client that never had one is told to wait for it as long as for any trouble."""
    settings = {"connect_patience": None}
    faults = failing(kinds, unreachable(), begin, 30)
    return Scenario(
        calls=dealt(count), faults=faults, begin=begin, lasts=30, warm=warm, targets=_TROUBLE, settings=settings
    )


def nowhere(count: int, kinds: Sequence[str] = API) -> Scenario:
    """There is no connection, and never was one: a wrong address is likelier than an outage."""
    return Scenario(calls=dealt(count), faults=failing(kinds, unreachable()), targets=(told_in_time,))


def sessions_unavailable(count: int) -> Scenario:
    """Sessions are refused with 503 for 30 s from the start."""
    faults = failing(["session"], unavailable(), lasts=30)
    return Scenario(calls=dealt(count), faults=faults, lasts=30, targets=_TROUBLE)


def sessions_spoilt(count: int, outcome: Outcome) -> Scenario:
    """One in twenty requests for a session goes wrong."""
    return Scenario(calls=dealt(count), faults=failing(["session"], outcome, part=0.05), targets=(safe, soon))


def rated(count: int, rate: int, *, told: bool) -> Scenario:
    """The service lets so many POSTs through a second; the others are refused, and told to wait for a second or not."""
    calls = dealt(count, functions=[1])
    bound = (count - rate) / rate + 1.0
    headers = {"retry-after": "1"} if told else {}
    return Scenario(
        calls=calls,
        faults=lambda: [Fault(kinds=["start"], outcome=Bucket(rate, headers))],
        targets=(safe, near(1.2), thrifty),
        reach=max(bound, ideal_with(calls)),
    )


def shared(count: int, seconds: float) -> Scenario:
    """Somebody else's calls hold all but ten places for 20 s."""
    calls, hog = dealt(count, seconds), Hog(places=240, seconds=20)
    others = [(901 + place // 80, hog.seconds) for place in range(hog.places)]
    targets = (safe, full_again, near(1.15))
    return Scenario(
        calls=calls, hog=hog, lasts=hog.seconds, targets=targets, reach=ideal_with(calls, others), limit=7200
    )


def deleted(count: int, begin: float = 3.0) -> Scenario:
    """The function of all calls is deleted when some have run."""
    refused = refuse(400, "function 1 cannot be called")
    unknown = refuse(400, "Function ids not found", missing=[{"id": 1}])

    def faults() -> list[Fault]:
        return [
            Fault(kinds=["start"], outcome=refused, begin=begin),
            Fault(kinds=["lookup"], outcome=unknown, begin=begin),
        ]

    return Scenario(calls=dealt(count, functions=[1]), faults=faults, begin=begin, targets=(given_up,))


#: By name: what makes the scenario of a number of calls, and how many there are in full and in small.
WHOLE: Catalogue = {
    "identity-503": (identity, 3000, 300),
    "call-503": (starts_unavailable, 5000, 500),
    "call-503-middle": (lambda count: starts_unavailable(count, count / 625), 5000, 750),
    "unreachable-warm": (lambda count: away(count, warm=True), 5000, 500),
    "unreachable-cold": (away, 5000, 500),
    "unreachable-middle": (lambda count: away(count, count / 625), 5000, 750),
    # Also of the identity provider.
    "network-cold": (lambda count: away(count, kinds=("token", *API)), 5000, 500),
    "nowhere": (nowhere, 5000, 500),
    "network-nowhere": (lambda count: nowhere(count, ("token", *API)), 5000, 500),
    "session-503": (sessions_unavailable, 1000, 300),
    "session-500-some": (
        lambda count: sessions_spoilt(count, refuse(500, "Internal server error")),
        1000,
        300,
    ),
    "session-garbage-some": (lambda count: sessions_spoilt(count, garbage()), 1000, 300),
    "rate-10": (lambda count: rated(count, 10, told=False), 1500, 400),
    "rate-10-retry-after": (lambda count: rated(count, 10, told=True), 1500, 400),
    "rate-20": (lambda count: rated(count, 20, told=False), 1500, 600),
    "rate-20-retry-after": (lambda count: rated(count, 20, told=True), 1500, 600),
    "rate-50": (lambda count: rated(count, 50, told=False), 1500, 1000),
    "rate-50-retry-after": (lambda count: rated(count, 50, told=True), 1500, 1000),
    "hog-1s": (lambda count: shared(count, 1), 2000, 1200),
    "hog-60s": (lambda count: shared(count, 60), 750, 300),
    "hog-600s": (lambda count: shared(count, 600), 500, 250),
    "deleted": (deleted, 5000, 600),
}
