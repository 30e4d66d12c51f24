"""Calls of the service in memory: how long they run, and how they end."""

from __future__ import annotations

import traceback
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf import _clock

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["FakeCall", "Run", "milliseconds", "run_handle", "seconds_since_1970"]

_NOTHING = object()
# The date at which the loop's clock shows 0: 14 November 2023.
_EPOCH = 1_700_000_000.0


@attrs.frozen(kw_only=True)
class Run:
    """What one call does.

    Args:
        seconds: How long it runs, by the loop's clock.
        status: How it ends: `Completed`, `Failed` or `Timeout`.
        value: What it returns; if not given, the service has no response of it.
        error: Why it failed, with `message` and `trace`.
        fields: What replaces parts of the ended call, for answers that are not as they should be.
    """

    seconds: float = 1.0
    status: str = "Completed"
    value: Any = _NOTHING
    error: Any = None
    fields: dict[str, Any] = attrs.field(factory=dict)


def run_handle(handle: Callable[[Any], Any], data: Any, seconds: float) -> Run:
    """Return the run that comes of a handle: what it returns or raises; a `TimeoutError` is the service's time limit."""
    try:
        return Run(seconds=seconds, value=handle(data))
    except TimeoutError:
        return Run(seconds=seconds, status="Timeout")
    except Exception as error:  # noqa: BLE001 - whatever it is, it is what becomes of the call
        found = {"message": f"{type(error).__name__}: {error}", "trace": "".join(traceback.format_exception(error))}
        return Run(seconds=seconds, status="Failed", error=found)


@attrs.define(eq=False)
class FakeCall:
    """A call at the service in memory."""

    id: int
    function: int
    data: Any
    run: Run
    #: When, by the loop's clock.
    started: float
    schedule: int | None = None
    #: The service's clock, ahead of the loop's.
    ahead: float = 0.0

    @property
    def ends(self) -> float:
        """When it ends, by the loop's clock."""
        return self.started + self.run.seconds

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return _clock.monotonic() < self.ends

    @property
    def wire(self) -> dict[str, Any]:
        """The call as the service describes it."""
        described: dict[str, Any] = {"id": self.id, "functionId": self.function, "scheduleId": self.schedule}
        described |= {"status": "Running", "startTime": milliseconds(self.started + self.ahead)}
        if not self.running:
            described |= {"status": self.run.status, "endTime": milliseconds(self.ends + self.ahead)}
            described |= {"error": self.run.error} | self.run.fields
        return {name: value for name, value in described.items() if value is not None}

    @property
    def response(self) -> dict[str, Any]:
        """What it returned, as the service says it."""
        said = {} if self.run.value is _NOTHING else {"response": self.run.value}
        return {"callId": self.id, "functionId": self.function, **said}

    @property
    def logs(self) -> list[dict[str, Any]]:
        """A line for each second that it has run."""
        seconds = int(min(_clock.monotonic(), self.ends) - self.started)
        return [{"message": f"second {n}", "timestamp": milliseconds(self.started + n)} for n in range(seconds + 1)]


def milliseconds(time: float) -> int:
    """Return the service's form of a time of the loop's clock."""
    return int(1000 * seconds_since_1970(time))


def seconds_since_1970(time: float) -> float:
    """Return the date of a time of the loop's clock."""
    return _EPOCH + time
