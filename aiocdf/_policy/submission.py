"""Never twice: what the outcome of one attempt to start a call means.

A call POST that may have reached the service is not sent again, for the function could run twice. So every way in which
an attempt can end has a verdict, in `RULES`, where the first that fits decides. The table in `docs/explanation` shows the
same rows, and a test holds the two together.
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
    """How far an attempt came."""

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
    """What is done with a call after an attempt that did not start it for certain."""

    AGAIN = "another attempt"
    RECOVER = "find out whether it started"
    END = "none"


@attrs.frozen
class Rule:
    """One way in which an attempt ends."""

    #: In the words of the table in the explanation.
    what: str
    fits: Callable[[AiocdfError], bool]
    #: When making the session ended so, and when the POST did.
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
        "any other 5xx, a timeout, a broken connection, an answer that cannot be read",
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
    """Tell whether a POST that ended so counts as one of the few that a call may cost."""
    return verdict is Verdict.DOUBT or (verdict is Verdict.AGAIN and not isinstance(error, RateLimited))


def follows(
    verdict: Verdict, error: AiocdfError, *, attempts: int, most: int, repeatable: bool, own_nonce: bool, in_doubt: bool
) -> Next:
    """Return what is done with the call.

    Args:
        verdict: Of the last attempt.
        error: How it ended.
        attempts: POSTs so far that count, by `spends`.
        most: POSTs that may be sent where an attempt can have been the fault of its own.
        repeatable: The caller says that the function may run twice.
        own_nonce: The nonce is the caller's, and the only one.
        in_doubt: The attempt sent the nonce of one before that may have started the call.
    """
    refused_nonce = verdict is Verdict.AGAIN and not isinstance(error, RateLimited)
    if verdict is Verdict.DOUBT:
        return (Next.AGAIN if attempts < most else Next.END) if repeatable else Next.RECOVER
    if in_doubt and (refused_nonce or (verdict is Verdict.REFUSED and isinstance(error, ApiError))):
        return Next.RECOVER
    if refused_nonce:
        return Next.AGAIN if not own_nonce and attempts < most else Next.END
    return Next.AGAIN if verdict in (Verdict.AGAIN, Verdict.TROUBLE) else Next.END
