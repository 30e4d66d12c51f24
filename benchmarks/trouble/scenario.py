"""A scenario, and the result of its run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from ideal import ideal_makespan
from simulation import PER_FUNCTION, PER_PROJECT

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Container, Iterable, Mapping, Sequence

    from simulation import Call
    from trouble.service import Fault, Line, Visit

    from aiocdf import CallHandle, Client

    Script = Callable[["Stage"], Awaitable[None]]
    Target = Callable[["Run"], Iterable["Check"]]

PATIENCE = 5.0


@dataclass(frozen=True, kw_only=True)
class Hog:
    """Calls of another client, which run when the scenario begins."""

    places: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """Calls, and the trouble during them.

    Args:
        calls: Function and seconds of each, in the order in which they are made; the key of each is its index.
        targets: The targets of a run.
        faults: Creates the faults for each run.
        begin: When the trouble begins, in seconds.
        lasts: How long the trouble lasts, in seconds; 0 if it has no end or no duration.
        hog: The calls of another client.
        warm: Whether one call is made and awaited before the scenario begins.
        script: The actions of the program after it has made the calls; None to wait for all of them.
        sick: Functions whose calls are not expected to end well.
        beside: A scenario for comparison.
        reach: The ideal makespan with the trouble, if known; None for the ideal without trouble.
        retry: Whether calls may run twice.
        settings: The client's settings that differ from the defaults.
        limit: Seconds after which a run counts as stuck.
        seed: The seed for faults that hit a part of the requests.
    """

    calls: Sequence[tuple[int, float]]
    targets: Sequence[Target]
    faults: Callable[[], Sequence[Fault]] = tuple
    begin: float = 0.0
    lasts: float = 0.0
    hog: Hog | None = None
    warm: bool = False
    script: Script | None = None
    sick: Container[int] = ()
    beside: Scenario | None = None
    reach: float | None = None
    retry: bool = False
    settings: Mapping[str, object] = field(default_factory=dict)
    limit: float = 3600.0
    seed: str = "outages"

    @property
    def ideal(self) -> float:
        """The minimum makespan without trouble."""
        return ideal_with(self.calls)


def ideal_with(calls: Sequence[tuple[int, float]], others: Sequence[tuple[int, float]] = ()) -> float:
    """Return the minimum makespan if calls of other clients already run."""
    every = [*others, *calls]
    asked = [(function, key, 0.0) for key, (function, _) in enumerate(every)]
    seconds = [seconds for _, seconds in every]
    return ideal_makespan(asked, seconds, per_function=PER_FUNCTION, per_project=PER_PROJECT)


@dataclass(frozen=True, kw_only=True)
class End:
    """How a handle ended."""

    at: float
    #: None for a call that completed.
    error: BaseException | None
    #: The key of the call that the handle ended with; None if it has no call.
    key: int | None = None


@dataclass(kw_only=True)
class Stage:
    """A scenario while it runs."""

    client: Client
    line: Line
    handles: Sequence[CallHandle]
    ends: dict[int, End]


@dataclass(frozen=True)
class Check:
    """A figure and its maximum; no and yes are 0 and 1."""

    what: str
    reached: float
    most: float

    @property
    def holds(self) -> bool:
        """Return whether the target is met. NaN does not meet a target."""
        return self.reached <= self.most


@dataclass(kw_only=True)
class Run:
    """The result of a run."""

    scenario: Scenario
    ends: Mapping[int, End]
    visits: Sequence[Visit]
    #: Our calls as the service knows them.
    started: Sequence[Call]
    #: The errors that reached the loop's exception handler.
    loop_errors: Sequence[str]
    beside: Run | None = None
    notes: list[str] = field(default_factory=list)

    def well(self, key: int) -> bool:
        """Return whether a call is expected to complete."""
        return self.scenario.calls[key][0] not in self.scenario.sick

    def keys(self, *, well: bool = True) -> list[int]:
        """Return the keys of the calls that are expected to complete, or of the others."""
        return [key for key in range(len(self.scenario.calls)) if self.well(key) is well]

    def errors(self, *, well: bool = True) -> Counter[str]:
        """Count the handles that did not end with a completed call, by outcome."""
        ends = (self.ends.get(key) for key in self.keys(well=well))
        kinds = ("stuck" if end is None else type(end.error).__name__ if end.error else "" for end in ends)
        return Counter(filter(None, kinds))

    @property
    def completed(self) -> int:
        """How many handles ended with a completed call."""
        return sum(end.error is None for end in self.ends.values())

    @property
    def twice(self) -> int:
        """How often calls were started that had already been started."""
        return len(self.started) - len({call.key for call in self.started})

    @property
    def wrong(self) -> int:
        """How many handles ended with the call of another handle."""
        return sum(end.key not in (None, key) for key, end in self.ends.items())

    @property
    def makespan(self) -> float:
        """When the last of the handles that are expected to complete ended; the limit if one is stuck."""
        return max(
            (self.ends[key].at if key in self.ends else self.scenario.limit for key in self.keys()),
            default=0.0,
        )

    @property
    def stretch(self) -> float:
        """The makespan minus the trouble's duration, divided by the ideal."""
        return (self.makespan - self.scenario.lasts) / self.scenario.ideal

    def count(self, kind: str, begin: float = 0.0, end: float = float("inf")) -> int:
        """Return how many requests of a kind were sent in a time span."""
        return sum(visit.kind == kind and begin <= visit.at < end for visit in self.visits)

    @property
    def posts(self) -> float | None:
        """Calls' POSTs per second during the trouble, after its first seconds; None if it does not last longer."""
        begin, lasts = self.scenario.begin, self.scenario.lasts
        if lasts <= PATIENCE:
            return None
        return self.count("start", begin + PATIENCE, begin + lasts) / (lasts - PATIENCE)

    @property
    def polls(self) -> float | None:
        """Polls per second during the trouble; None if it has no duration."""
        begin, lasts = self.scenario.begin, self.scenario.lasts
        return self.count("poll", begin, begin + lasts) / lasts if lasts else None

    @property
    def throttled(self) -> int:
        """How many requests were answered 429."""
        return sum(visit.status == 429 for visit in self.visits)

    @property
    def sessions(self) -> float:
        """Requested sessions per call."""
        return self.count("session") / len(self.scenario.calls)

    @cached_property
    def checks(self) -> list[Check]:
        """Compare the run with the scenario's targets. Some targets add notes."""
        return [check for target in self.scenario.targets for check in target(self)]
