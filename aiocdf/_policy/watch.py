"""The running calls of one function: what answers say of them, what they leave out, and when a call is given up.

A call is given up when it can no longer be expected that its end will be seen:

- answers have left it out for `LOST_AFTER` seconds, or said of it what cannot be read;
- the service has refused for as long to tell of any call of the function;
- no poll had an answer that can be used for as long as the caller has patience, or the error is one that does not pass;
- it has outrun the functions' time limit.

Time counts, not polls. What passes between an answer and a poll without one may be an outage, and does not count.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf._policy.patience import passing
from aiocdf.errors import NotFound
from aiocdf.models.calls import CallStatus

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from datetime import datetime

    from aiocdf._policy.runtimes import Runtimes
    from aiocdf.errors import AiocdfError, ApiError

__all__ = ["LOST_AFTER", "Followed", "Loss", "Watch", "milliseconds"]

#: Seconds of answers without a call after which it is given up.
LOST_AFTER = 30.0
# Seconds between two answers that count as watched at most: what lies between may be an outage.
_LONGEST_COUNTED = 10.0
# Seconds between two polls without an answer that count as silence at most.
_LONGEST_GAP = 120.0
_UNKNOWN = "the service no longer knows it, or never did. Check the ids; it keeps calls only for a time"


def milliseconds(time: datetime) -> int:
    """Return a time as the service writes it: in milliseconds since 1970."""
    return round(time.timestamp() * 1000)


@attrs.frozen
class Loss:
    """Why a call is given up."""

    reason: str
    cause: AiocdfError | None = None
    #: The service may still know the call.
    known: bool = True


@attrs.define
class Followed:
    """A running call."""

    #: When it started by our clock; when it was attached to, until the service has said.
    since: float
    #: When it started by the service's clock, in epoch milliseconds; None until the service has described it as running.
    start: int | None
    #: Seconds of answers that did not describe it in a way that can be read; None while they do.
    missing: float | None = None

    def still_runs(self, item: Mapping[str, Any]) -> bool:
        """Return whether an answer says no more than that the call runs, since the start that is known.

        A start can move: a call that waited for a process starts when it begins to work.
        """
        return (
            item.get("status") == CallStatus.Running and self.start is not None and self.start == item.get("startTime")
        )


@attrs.define(eq=False)
class Watch:
    """What is known of the running calls of one function, and of the polls for them."""

    function_id: int
    runtimes: Runtimes
    calls: dict[int, Followed] = attrs.field(factory=dict)
    #: When the next poll is due.
    due: float = math.inf
    #: A poll is under way; the next is planned when it is over.
    polling: bool = False
    #: When the last poll was sent.
    sent_at: float = 0.0
    #: Running calls a second that are expected to end.
    ends: float = 0.0
    #: Polls in a row that had no answer that can be used.
    failures: int = 0
    #: Seconds for which every answer was a refusal; None while the service describes calls.
    refused: float | None = None
    #: Since when no poll has had an answer.
    silent_since: float | None = None
    #: When the last poll without an answer was over.
    _failed_at: float = -math.inf
    #: When the last poll was answered, and when the one before; None after one that was not.
    _heard_at: float | None = None
    _heard_before: float | None = None

    def polled(self, now: float) -> None:
        """Note that a poll begins, which may take more than one request."""
        self.sent_at, self._heard_before = now, self._heard_at

    def answered(self, now: float) -> float:
        """Record an answer with calls in it, and return the seconds before it that count as watched."""
        passed = self._passed(now)
        self.refused, self.silent_since, self.failures = None, None, 0
        return passed

    def missed(self, ids: Iterable[int], passed: float, unread: Mapping[int, AiocdfError]) -> dict[int, Loss]:
        """Note calls that an answer left out, or described in a way that is *unread*; return those to give up."""
        losses = {}
        for call_id in ids:
            call = self.calls.get(call_id)
            if call is None:
                continue
            call.missing = 0.0 if call.missing is None else call.missing + passed
            if call.missing >= LOST_AFTER:
                error = unread.get(call_id)
                reason = _UNKNOWN if error is None else f"its state could not be read: {error}"
                losses[call_id] = Loss(reason, error, known=error is not None)
        return losses

    def refuse(self, ids: Collection[int], error: ApiError, now: float) -> dict[int, Loss]:
        """Note an answer that refused to tell; return the calls to give up. It may name those that it does not know."""
        passed = self._passed(now)
        self.silent_since, self.failures = None, self.failures + 1
        named = {item.get("id") for item in error.missing}
        if not named.isdisjoint(ids):
            return self.missed([call_id for call_id in ids if call_id in named], passed, {})
        self.refused = 0.0 if self.refused is None else self.refused + passed
        if self.refused < LOST_AFTER:
            return {}
        loss = Loss(f"the service refuses to tell: {error}", error, known=not isinstance(error, NotFound))
        return dict.fromkeys(ids, loss)

    def silence(self, error: AiocdfError, now: float, patience: float) -> dict[int, Loss]:
        """Note a poll without an answer that can be used; return the calls to give up."""
        self._heard_at, self.failures = None, self.failures + 1
        if self.silent_since is None:
            self.silent_since = now
        elif now - self._failed_at > _LONGEST_GAP:  # this computer slept, and its clock did not
            self.silent_since += now - self._failed_at - _LONGEST_GAP
        self._failed_at = now
        silence = now - self.silent_since
        if not passing(error):
            return dict.fromkeys(self.calls, Loss(f"it can no longer be polled: {error}", error))
        if silence < patience:
            return {}
        reason = f"no poll had an answer that could be used for {silence:.0f} s: {error}"
        return dict.fromkeys(self.calls, Loss(reason, error))

    def paused(self) -> None:
        """Record a pause that the service asked for; it does not count as silence."""
        self._heard_at = self.silent_since = None

    def oldest(self, now: float) -> float:
        """Return the age of the oldest call."""
        return now - min((call.since for call in self.calls.values()), default=now)

    def overrun(self, now: float, limit: float) -> dict[int, Loss]:
        """Return the calls that have run for longer than *limit* seconds, as the last answer said; none in a silence."""
        if self.silent_since is not None:
            return {}
        reason = f"it still counts as running {limit:.0f} s after its start, past every time limit"
        return {call_id: Loss(reason) for call_id, call in self.calls.items() if now - call.since > limit}

    def _passed(self, now: float) -> float:
        self._heard_at = now
        return 0.0 if self._heard_before is None else min(now - self._heard_before, _LONGEST_COUNTED)
