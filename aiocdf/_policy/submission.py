"""Never twice: what the outcome of one attempt to start a call means.

A call POST that may have reached the service is not sent again, because the function could run twice. `RULES` has a
verdict for each way in which an attempt can end; the first rule that fits decides. The table in `docs/explanation` has
the same rows, and a test compares them.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

import attrs

from aiocdf.errors import (
    ApiError,
    AuthError,
    BadRequest,
    Conflict,
    ConnectError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.errors import AiocdfError

__all__ = ["RULES", "Next", "Rule", "Step", "Verdict", "follows", "judge", "spends"]


class Step(StrEnum):
    """The step at which an attempt ended."""

    SESSION = "session"
    POST = "POST"


class Verdict(StrEnum):
    """What an attempt means for its call."""

    STARTED = "started"
    AGAIN = "not started, send again"
    REFUSED = "not started, refused"
    TROUBLE = "not started, trouble of the service"
    DOUBT = "in doubt"


class Next(StrEnum):
    """What to do with a call after an attempt that did not certainly start it."""

    AGAIN = "another attempt"
    RECOVER = "find out whether it started"
    END = "none"


@attrs.frozen
class Rule:
    """One way in which an attempt ends."""

    #: The row's text in the table of the explanation.
    what: str
    fits: Callable[[AiocdfError], bool]
    #: The verdict when creating the session ended this way, and when the POST did.
    session: Verdict
    post: Verdict


def _is(*kinds: type[AiocdfError]) -> Callable[[AiocdfError], bool]:
    return lambda error: isinstance(error, kinds)


def _speaks_of_nonce(error: AiocdfError) -> bool:
    return isinstance(error, BadRequest) and "nonce" in error.detail.lower()


RULES = (
    Rule(
        "no access token, for a reason that passes",
        lambda error: isinstance(error, AuthError) and error.passing,
        Verdict.TROUBLE,
        Verdict.TROUBLE,
    ),
    Rule("no access token, for good", _is(AuthError), Verdict.REFUSED, Verdict.REFUSED),
    Rule(
        "no connection",
        lambda error: isinstance(error, ConnectError) and error.passing,
        Verdict.TROUBLE,
        Verdict.TROUBLE,
    ),
    Rule("no connection, for good: certificate, address", _is(ConnectError), Verdict.REFUSED, Verdict.REFUSED),
    Rule("401, 403, 409", _is(Unauthorized, PermissionDenied, Conflict), Verdict.REFUSED, Verdict.REFUSED),
    Rule("429", _is(RateLimited), Verdict.AGAIN, Verdict.AGAIN),
    Rule("400 that speaks of the nonce", _speaks_of_nonce, Verdict.REFUSED, Verdict.AGAIN),
    Rule("any other 3xx or 4xx", _is(BadRequest, NotFound), Verdict.REFUSED, Verdict.REFUSED),
    Rule(
        "5xx that says that it may be sent again",
        lambda error: isinstance(error, ServerError) and error.retryable is True,
        Verdict.TROUBLE,
        Verdict.TROUBLE,
    ),
    Rule(
        "any other 5xx, a timeout, a broken connection, an answer that is not readable",
        lambda _: True,
        Verdict.TROUBLE,
        Verdict.DOUBT,
    ),
)


def judge(error: AiocdfError, step: Step) -> Verdict:
    """Return what an attempt that ended with *error* at *step* means."""
    rule = next(rule for rule in RULES if rule.fits(error))
    return rule.session if step is Step.SESSION else rule.post


def spends(verdict: Verdict, error: AiocdfError) -> bool:
    """Return whether a POST that ended this way counts as one of the attempts of a call."""
    return verdict is Verdict.DOUBT or (verdict is Verdict.AGAIN and not isinstance(error, RateLimited))


def follows(
    verdict: Verdict, error: AiocdfError, *, attempts: int, most: int, repeatable: bool, own_nonce: bool, in_doubt: bool
) -> Next:
    """Return what to do with the call.

    Args:
        verdict: The verdict on the last attempt.
        error: How the attempt ended.
        attempts: How many POSTs so far count, by `spends`.
        most: How many POSTs may count before the call ends.
        repeatable: The caller says that the function may run twice.
        own_nonce: The caller gave the nonce, so no other can be used.
        in_doubt: The attempt reused the nonce of an earlier one that may have started the call.
    """
    refused_nonce = verdict is Verdict.AGAIN and not isinstance(error, RateLimited)
    if verdict is Verdict.DOUBT:
        return (Next.AGAIN if attempts < most else Next.END) if repeatable else Next.RECOVER
    if in_doubt and (refused_nonce or (verdict is Verdict.REFUSED and isinstance(error, ApiError))):
        return Next.RECOVER
    if refused_nonce:
        return Next.AGAIN if not own_nonce and attempts < most else Next.END
    return Next.AGAIN if verdict in (Verdict.AGAIN, Verdict.TROUBLE) else Next.END
