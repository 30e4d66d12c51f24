"""Draws the faults of each request from a seed."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from aiocdf.local.faults.fault import Fault, Faults

__all__ = ["Draw", "Trouble"]


@attrs.frozen(kw_only=True)
class Trouble:
    """The faults of one request.

    Args:
        before: Seconds to wait before handling the request.
        after: Seconds to wait before sending the response.
        fault: The fault other than latency; None if there is none.
        status: The HTTP status of a fault of kind `status`; None for other kinds.
    """

    before: float = 0.0
    after: float = 0.0
    fault: Fault | None = None
    status: int = 0


class Draw:
    """Draws the faults of each request. Each fault has its own random series, independent of other faults.

    Args:
        faults: The configured faults and the seed.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = [(fault, random.Random(f"{faults.seed}:{n}")) for n, fault in enumerate(faults.faults)]  # noqa: S311 - no secrets
        self._hits = [0] * len(self._faults)

    def trouble(self, method: str, path: str, elapsed: float) -> Trouble:
        """Return the faults of a request.

        Args:
            method: The HTTP method.
            path: The path, without the project's prefix.
            elapsed: Seconds since the server started.
        """
        trouble = Trouble()
        for number, (fault, chance) in enumerate(self._faults):
            if not (fault.hits(method, path) and fault.is_active(elapsed) and self._hits[number] != fault.times):
                continue
            # Draw even if another fault came first, so that the random series stays the same.
            hit, choice = chance.random() < fault.rate, chance.random()
            if not hit or (fault.kind != "latency" and trouble.fault is not None):
                continue
            self._hits[number] += 1
            trouble = _with(trouble, fault, choice)
        return trouble


def _with(trouble: Trouble, fault: Fault, choice: float) -> Trouble:
    """Add a fault to a request's faults. *choice* is a random number from 0 to 1."""
    if fault.kind == "latency":
        low, high = fault.seconds[0], fault.seconds[-1]
        seconds = low + choice * (high - low)
        if fault.handled:
            return attrs.evolve(trouble, after=trouble.after + seconds)
        return attrs.evolve(trouble, before=trouble.before + seconds)
    status = fault.status[int(choice * len(fault.status))] if fault.status else 0
    return attrs.evolve(trouble, fault=fault, status=status)
