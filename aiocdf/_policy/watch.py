"""The running calls of one function, and when the client gives up a call.

The client gives up a call when it can no longer expect to see its end:

- answers did not contain it for `LOST_AFTER` seconds, or described it in a way that is not readable;
- no answer has ever described it, and the list of the function's calls does not contain it either;
- the service refused to describe any call of the function for as long;
- no poll got a usable answer for the caller's patience, or the error is permanent;
- it has exceeded the time limit of functions.

Time counts, not the number of polls. The time between an answer and a failed poll may be an outage, and does not count.
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

#: Seconds of answers without a call after which the client gives it up.
LOST_AFTER = 30.0
# Seconds without a description of a call after which the client looks for it in the list of calls.
_SEARCH_AFTER = 0.5
# At most this many seconds between two answers count: a longer gap may be an outage.
_LONGEST_COUNTED = 10.0
# At most this many seconds between two failed polls count as silence.
_LONGEST_GAP = 120.0
_UNKNOWN = "the service no longer knows it, or never did. Check the ids; it keeps calls only for a time"


def milliseconds(time: datetime) -> int:
    """Return a time as the service writes it: in milliseconds since 1970."""
    return round(time.timestamp() * 1000)


@attrs.frozen
class Loss:
    """Why the client gives up a call."""

    reason: str
    cause: AiocdfError | None = None
    #: The service may still know the call.
    known: bool = True


@attrs.define
class Followed:
    """A running call."""

    #: When it started, by this client's clock. For an attached call: when it was attached, until a poll shows its start.
    since: float
    #: When it started, in epoch milliseconds of the service's clock; None until the service has described it as running.
    start: int | None
    #: Seconds for which answers did not describe it in a readable way; None while they do.
    missing: float | None = None

    @property
    def seen(self) -> bool:
        """Whether the service has described the call as running."""
        return self.start is not None

    def still_runs(self, item: Mapping[str, Any]) -> bool:
        """Return whether an answer shows no change: the call runs since the known start.

        A start can move: a call that waited for a process starts when it begins to work.
        """
        return (
            self.start is not None and self.start == item.get("startTime") and item.get("status") == CallStatus.Running
        )


@attrs.define(eq=False)
class Watch:
    """The running calls of one function, and the state of their polls."""

    function_id: int
    runtimes: Runtimes
    calls: dict[int, Followed] = attrs.field(factory=dict)
    #: When the next poll is due.
    due: float = math.inf
    #: Whether a poll is under way; the next one is scheduled after it.
    polling: bool = False
    #: When the last poll was sent.
    sent_at: float = 0.0
    #: Expected ends a second of the running calls.
    ends: float = 0.0
    #: How many polls in a row got no usable answer.
    failures: int = 0
    #: Seconds for which every answer was a refusal; None while the service describes calls.
    refused: float | None = None
    #: Calls that no answer has described, to be searched in the list of the function's calls.
    unheard: list[int] = attrs.field(factory=list)
    #: Since when no poll has got an answer.
    silent_since: float | None = None
    #: When the last failed poll ended.
    _failed_at: float = -math.inf
    #: When the last poll and the one before it were answered; None after a failed poll.
    _heard_at: float | None = None
    _heard_before: float | None = None

    def polled(self, now: float) -> None:
        """Record that a poll begins; it may need several requests."""
        self.sent_at, self._heard_before = now, self._heard_at

    def answered(self, now: float) -> float:
        """Record an answer with calls in it, and return how many of the seconds before it count."""
        passed = self._passed(now)
        self.refused, self.silent_since, self.failures = None, None, 0
        return passed

    def missed(self, ids: Iterable[int], passed: float, unread: Mapping[int, AiocdfError]) -> dict[int, Loss]:
        """Record calls that an answer did not contain, or that were not readable; return the calls to give up.

        Args:
            ids: The calls.
            passed: How many seconds count.
            unread: Why calls were not readable.
        """
        losses = {}
        for call_id in ids:
            call = self.calls.get(call_id)
            if call is None:
                continue
            before, call.missing = call.missing, 0.0 if call.missing is None else call.missing + passed
            if (before or 0.0) < _SEARCH_AFTER <= call.missing and not call.seen and call_id not in unread:
                self.unheard.append(call_id)
            if call.missing >= LOST_AFTER:
                error = unread.get(call_id)
                reason = _UNKNOWN if error is None else f"its state could not be read: {error}"
                losses[call_id] = Loss(reason, error, known=error is not None)
        return losses

    def unlisted(self, ids: Iterable[int], listed: Collection[int]) -> dict[int, Loss]:
        """Return the calls to give up, of those that no answer has described: the ones that are not *listed* either."""
        calls = {call_id: self.calls.get(call_id) for call_id in ids if call_id not in listed}
        return {call_id: Loss(_UNKNOWN, known=False) for call_id, call in calls.items() if call and not call.seen}

    def refuse(self, ids: Collection[int], error: ApiError, now: float) -> dict[int, Loss]:
        """Record an answer that refused to describe calls; return the calls to give up. It may name unknown ones."""
        passed = self._passed(now)
        self.silent_since, self.failures = None, self.failures + 1
        named = {item.get("id") for item in error.missing}
        if not named.isdisjoint(ids):
            return self.missed([call_id for call_id in ids if call_id in named], passed, {})
        self.refused = 0.0 if self.refused is None else self.refused + passed
        if self.refused < LOST_AFTER:
            return {}
        loss = Loss(f"the service refuses to describe it: {error}", error, known=not isinstance(error, NotFound))
        return dict.fromkeys(ids, loss)

    def silence(self, error: AiocdfError, now: float, patience: float) -> dict[int, Loss]:
        """Record a poll without a usable answer; return the calls to give up."""
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
        reason = f"no poll got a usable answer for {silence:.0f} s: {error}"
        return dict.fromkeys(self.calls, Loss(reason, error))

    def paused(self) -> None:
        """Record a pause that the service requested; it does not count as silence."""
        self._heard_at = self.silent_since = None

    def oldest(self, now: float) -> float:
        """Return the age of the oldest call."""
        return now - min((call.since for call in self.calls.values()), default=now)

    def overrun(self, now: float, limit: float) -> dict[int, Loss]:
        """Return the calls that have run longer than *limit* seconds by the last answer; none while polls fail."""
        if self.silent_since is not None:
            return {}
        reason = f"it still counts as running {limit:.0f} s after its start, which exceeds all time limits"
        return {call_id: Loss(reason) for call_id, call in self.calls.items() if now - call.since > limit}

    def _passed(self, now: float) -> float:
        self._heard_at = now
        return 0.0 if self._heard_before is None else min(now - self._heard_before, _LONGEST_COUNTED)
