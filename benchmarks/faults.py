"""The faults between a client and the simulated service, drawn at random from a seed."""

from __future__ import annotations

import enum
import random
from dataclasses import asdict, dataclass
from typing import Any

_STORM_SECONDS = 1.0


class Fault(enum.StrEnum):
    """What happens to one request."""

    none = enum.auto()
    #: The connection is reset, and the service does not receive the request.
    reset_before = enum.auto()
    #: The service processes the request, and the connection is reset instead of an answer.
    reset_after = enum.auto()
    #: The service processes the request, and half of the answer arrives.
    half = enum.auto()
    #: The service processes the request, and the answer is not HTTP.
    garbage = enum.auto()
    #: The service processes the request, and the answer's body is not JSON.
    garbage_body = enum.auto()
    #: The service does not receive the request, and no answer arrives.
    hang_before = enum.auto()
    #: The service processes the request, and no answer arrives.
    hang_after = enum.auto()
    #: A gateway answers instead of the service.
    error_before = enum.auto()
    #: The service processes the request, and a gateway answers instead.
    error_after = enum.auto()
    #: The request arrives at the service with a delay.
    late = enum.auto()


@dataclass(kw_only=True)
class Mix:
    """The rates of faults, and the load of another client.

    Args:
        rates: Parts of 1 of all requests, by the name of the fault.
        storms: Seconds from one storm to the next; during a storm of one second, all requests get 429. 0 for no storms.
        late: The maximum delay of a late request, in seconds.
        others: Calls a second that another client starts on each function.
        other_seconds: Seconds that such a call runs.
        functions: How many functions the other client calls.
        skew: How many seconds the service's clock is ahead of the client's.
        seed: The seed of the random draws.
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
        """Return the mix as JSON."""
        return asdict(self)


class Draw:
    """Draws the faults of a run.

    Args:
        mix: The rates of faults.
    """

    def __init__(self, mix: Mix) -> None:
        self._mix = mix
        self._random = random.Random(mix.seed)
        self._faults = [Fault(name) for name in mix.rates]
        self._weights = list(mix.rates.values())

    def fault(self) -> Fault:
        """Return the fault of the next request."""
        left = 1.0 - sum(self._weights)
        (fault,) = self._random.choices([*self._faults, Fault.none], [*self._weights, left])
        return fault

    def lateness(self) -> float:
        """Return the seconds that a late request waits."""
        return self._random.uniform(0.0, self._mix.late)

    def status(self) -> int:
        """Return the answer of a gateway."""
        return self._random.choice((500, 502, 503, 504))

    def is_storm(self, seconds: float) -> bool:
        """Return whether every request is rejected, this many *seconds* after the start of the run."""
        storms = self._mix.storms
        return bool(storms) and seconds > storms and seconds % storms < _STORM_SECONDS
