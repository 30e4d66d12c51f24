"""Whether a failed request is sent again, and when.

Waits have full jitter below doubling bounds, as in the AWS architecture blog's "Exponential backoff and jitter". A
request that may have reached the service is sent again only if it is idempotent or the service says so.
"""

from __future__ import annotations

import attrs

__all__ = ["Outcome", "delay"]

_TOO_MANY = 429
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
#: After this many answers that are not JSON, a request is not sent again: most of them come from a wrong address.
_MOST_GARBLED = 3
#: Keeps the exponent within what a float can hold.
_DOUBLINGS = 64


@attrs.frozen(kw_only=True)
class Outcome:
    """The result of one attempt."""

    #: Counted from 1.
    attempt: int
    #: The request is idempotent: sending it twice has the same effect as once.
    repeatable: bool
    #: The HTTP status; None when there was no answer.
    status: int | None = None
    #: How many answers in a row, up to this attempt, had a success status and a body that is not JSON.
    garbled: int = 0
    #: No byte was sent, so the service has not seen the request.
    unsent: bool = False
    #: Whether the service says that the request may be sent again; None if it does not say.
    retryable: bool | None = None
    #: Seconds that the service requests to wait.
    retry_after: float | None = None


def delay(outcome: Outcome, *, attempts: int, base: float, cap: float, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    Args:
        outcome: The failed attempt.
        attempts: The maximum number of attempts.
        base: The maximum of the first wait, in seconds.
        cap: The maximum of any wait, in seconds, also of one that the service requests.
        jitter: A random number between 0 and 1.
    """
    if outcome.attempt >= attempts or not _again(outcome):
        return None
    # After a 429, wait at least half of the bound.
    part = 0.5 + jitter / 2 if outcome.status == _TOO_MANY else jitter
    wait = part * min(cap, base * 2.0 ** min(outcome.attempt - 1, _DOUBLINGS))
    if outcome.retry_after is None:
        return wait
    if outcome.retry_after > cap:
        return None
    # A little later than requested, and not all clients at once.
    return outcome.retry_after + 0.1 * wait


def _again(outcome: Outcome) -> bool:
    if outcome.retryable is not None:
        return outcome.retryable
    if outcome.unsent:
        return True
    if outcome.garbled:
        return outcome.repeatable and outcome.garbled < _MOST_GARBLED
    return outcome.repeatable and (outcome.status is None or outcome.status in _TRANSIENT)
