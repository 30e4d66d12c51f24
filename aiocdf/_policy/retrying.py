"""Whether a request that did not succeed is sent again, and when.

Full jitter after doubling bounds, as in the AWS architecture blog's "Exponential backoff and jitter"; a request that
may have reached the service is sent again only if doing it twice is the same as doing it once, or the service says so.
"""

from __future__ import annotations

import attrs

__all__ = ["Outcome", "delay"]

_TOO_MANY = 429
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})
#: Answers that are not JSON after which a request is not sent again: most such answers come from a wrong address.
_MOST_GARBLED = 3
#: Beyond any cap, and short of what a float can hold.
_DOUBLINGS = 64


@attrs.frozen(kw_only=True)
class Outcome:
    """What became of one attempt."""

    #: Counted from 1.
    attempt: int
    #: The request may be sent twice without doing more than once.
    repeatable: bool
    #: The HTTP status; None when there was no answer.
    status: int | None = None
    #: Answers in a row, this attempt's the last, with a status of success and a body that is not what the service sends.
    garbled: int = 0
    #: No byte left, so the service has seen nothing.
    unsent: bool = False
    #: What the service says of sending again.
    retryable: bool | None = None
    #: Seconds the service asks to wait.
    retry_after: float | None = None


def delay(outcome: Outcome, *, attempts: int, base: float, cap: float, jitter: float) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up.

    Args:
        outcome: The attempt that did not succeed.
        attempts: How many there may be in all.
        base: Seconds that the first wait takes at the most.
        cap: Seconds that any wait takes at the most, by our own choice or at the service's request.
        jitter: A random number between 0 and 1.
    """
    if outcome.attempt >= attempts or not _again(outcome):
        return None
    # A service that is asked too often is left in peace for half of the bound at least.
    part = 0.5 + jitter / 2 if outcome.status == _TOO_MANY else jitter
    wait = part * min(cap, base * 2.0 ** min(outcome.attempt - 1, _DOUBLINGS))
    if outcome.retry_after is None:
        return wait
    if outcome.retry_after > cap:
        return None
    # A little later than asked, and not all clients at once.
    return outcome.retry_after + 0.1 * wait


def _again(outcome: Outcome) -> bool:
    if outcome.retryable is not None:
        return outcome.retryable
    if outcome.unsent:
        return True
    if outcome.garbled:
        return outcome.repeatable and outcome.garbled < _MOST_GARBLED
    return outcome.repeatable and (outcome.status is None or outcome.status in _TRANSIENT)
