"""Sending a request to an identity provider, reading the answer, and retrying the few failures that a retry can cure."""

from __future__ import annotations

import asyncio
import json
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Protocol, TypeVar

import attrs

from aiocdf import _clock
from aiocdf._policy import retrying
from aiocdf._wire.http import Response, retry_after
from aiocdf._wire.redaction import redact, redact_error
from aiocdf.auth.oauth.token import json_object
from aiocdf.errors import AuthError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request
    from aiocdf.secret import Secret

__all__ = ["TIME_LIMIT", "Reader", "send_token_request"]

#: Seconds for all attempts together and the waits in between.
TIME_LIMIT = 30.0
#: Seconds for the first attempt, where another does no harm: most answers that take longer never come.
_FIRST_LIMIT = 4.0
#: Seconds that the first wait takes at most.
_BASE = 1.0
#: The largest accepted answer in bytes after decompression: hundreds of times a usual one.
_LARGEST = 256 * 1024
#: Characters of a text in an answer: more than an error quotes of it.
_QUOTED = 4000

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class Reader(Protocol[T_co]):
    """Reads an answer; an error is returned, not raised, for the frames that read may hold a token."""

    def __call__(self, response: Response, *, what: str, asked_at_wall: float) -> T_co | AuthError:
        """Read *response*.

        Args:
            response: The answer, whatever its status.
            what: What was requested, for the error's message.
            asked_at_wall: Wall time in seconds, just before the request was sent.
        """


async def send_token_request(
    request: Request,
    transport: Transport,
    read: Reader[T_co],
    *,
    attempts: int = 3,
    first_limit: float = _FIRST_LIMIT,
) -> T_co:
    """Send a request and read the answer.

    It is sent again if there was no answer, and after a 429 or 5xx. All attempts together take at most half a minute.

    Args:
        request: A request to an identity provider.
        transport: What sends it.
        read: Reads the answer.
        attempts: The maximum number of attempts.
        first_limit: Seconds for the first attempt; `TIME_LIMIT` if its answer must not be lost.

    Raises:
        OAuthError: The provider refused.
        AuthError: The provider could not be reached; the cause is the transport's error.
    """
    what = f"no {request.name} ({request.method} {request.url.partition('?')[0]})"
    request = attrs.evolve(request, timeout=first_limit, max_answer=_LARGEST)
    give_up_at = _clock.monotonic() + TIME_LIMIT
    try:
        async with asyncio.timeout_at(give_up_at) as limit:
            outcome = await _send_until(request, transport, partial(read, what=what), attempts, give_up_at)
    except TimeoutError:
        if not limit.expired():
            raise
        outcome = AuthError(f"{what}: no answer within {TIME_LIMIT:g} s. Check the network.", passing=True)
    if isinstance(outcome, AuthError):
        raise redact_error(outcome, request.secrets)
    return outcome


async def _send_until(
    request: Request, transport: Transport, read: Callable[..., T | AuthError], attempts: int, give_up_at: float
) -> T | AuthError:
    """Send until an attempt is the last; an error is returned, so that it is not the context of a later timeout error."""
    for attempt in count(1):
        asked_at_wall = _clock.wall()
        response = await _send(request, transport)
        outcome = response if isinstance(response, AuthError) else _read(response, request, read, asked_at_wall)
        if not isinstance(outcome, AuthError):
            return outcome
        outcome.retry_after = None if isinstance(response, AuthError) else retry_after(response)
        wait = _wait(response, attempt, attempts)
        if wait is None or _clock.monotonic() + wait >= give_up_at:
            break
        await _clock.sleep(wait)
        request = attrs.evolve(request, timeout=TIME_LIMIT)
    return outcome


def _read(
    response: Response, request: Request, read: Callable[..., T | AuthError], asked_at_wall: float
) -> T | AuthError:
    """Read an answer, first without the sent secrets: an error shortens quotes, and a part of a secret could remain."""
    outcome = read(_concealed(response, request.secrets), asked_at_wall=asked_at_wall)
    return outcome if isinstance(outcome, AuthError) else read(response, asked_at_wall=asked_at_wall)


def _concealed(response: Response, secrets: Iterable[Secret]) -> Response:
    """Return an answer without the sent secrets that it repeats."""
    answer = json_object(response.body)
    if not answer:
        return response  # errors do not quote it
    shown = {
        name: redact(value[:_QUOTED], secrets) if isinstance(value, str) else value for name, value in answer.items()
    }
    return attrs.evolve(response, body=json.dumps(shown).encode())


async def _send(request: Request, transport: Transport) -> Response | AuthError:
    """Send once; an error is returned."""
    try:
        return await transport.send(request)
    except TransportError as error:
        cause = redact_error(error, request.secrets)
        failure = AuthError(f"no {cause}", passing=cause.passing)
        failure.__cause__ = cause
        return failure


def _wait(response: Response | AuthError, attempt: int, attempts: int) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up."""
    if isinstance(response, AuthError):
        again, after = response.passing, None
    else:
        again, after = response.status == 429 or response.status >= 500, retry_after(response)
    return retrying.delay(
        retrying.Outcome(attempt=attempt, repeatable=True, retryable=again, retry_after=after),
        attempts=attempts,
        base=_BASE,
        cap=TIME_LIMIT,
        jitter=_clock.jitter(0.0, 1.0),
    )
