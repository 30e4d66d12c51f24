"""What goes wrong between a client and the simulated service: which fault hits a request is drawn from a seed."""

from __future__ import annotations

import enum
import random
from dataclasses import asdict, dataclass
from typing import Any

_STORM_SECONDS = 1.0


class Fault(enum.StrEnum):
    """What happens to one request."""

    none = enum.auto()
    #: The connection is reset; the service has not seen the request.
    reset_before = enum.auto()
    #: The service does what was asked, and the connection is reset in place of the answer.
    reset_after = enum.auto()
    #: The service does what was asked, and half of the answer arrives.
    half = enum.auto()
    #: The service does what was asked, and the answer is not HTTP.
    garbage = enum.auto()
    #: The service does what was asked, and the answer is HTTP whose body is not JSON.
    garbage_body = enum.auto()
    #: The service has not seen the request, and no answer comes.
    hang_before = enum.auto()
    #: The service does what was asked, and no answer comes.
    hang_after = enum.auto()
    #: A gateway answers in place of the service.
    error_before = enum.auto()
    #: The service does what was asked, and a gateway answers in its place.
    error_after = enum.auto()
    #: The request waits on its way to the service.
    late = enum.auto()


@dataclass(kw_only=True)
class Mix:
    """How often what happens, and who else is there.

    Args:
        rates: Parts of 1 of all requests, by the name of the fault.
        storms: Seconds from one storm to the next, in which all requests for a second are answered with 429; 0 for none.
        late: Seconds that a late request waits, at most.
        others: Calls a second that another client starts on each function.
        other_seconds: Seconds that such a call runs.
        functions: How many functions the other client calls.
        skew: Seconds that the service's clock is ahead of the client's.
        seed: What the draws begin with.
    """

    rates: dict[str, float]
    storms: float = 0.0
    late: float = 1.0
    others: float = 0.0
    other_seconds: float = 1.0
    functions: int = 1
    skew: float = 0.0
    seed: int = 1

    def plan(self) -> dict[str, Any]:
        """Return it as JSON."""
        return asdict(self)


class Draw:
    """Draws the faults of a run.

    Args:
        mix: How often what happens.
    """

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._random = random.Random(mix.seed)
        self._faults = [Fault(name) for name in mix.rates]
        self._weights = list(mix.rates.values())

    def fault(self) -> Fault:
        """Return what happens to the next request."""
        left = 1.0 - sum(self._weights)
        (fault,) = self._random.choices([*self._faults, Fault.none], [*self._weights, left])
        return fault

    def lateness(self) -> float:
        """Return the seconds that a late request waits."""
        return self._random.uniform(0.0, self._mix.late)

    def status(self) -> int:
        """Return what a gateway answers."""
        return self._random.choice((500, 502, 503, 504))

    def is_storm(self, seconds: float) -> bool:
        """Tell whether every request is refused, so many *seconds* after the run began."""
        storms = self._mix.storms
        return bool(storms) and seconds > storms and seconds % storms < _STORM_SECONDS
