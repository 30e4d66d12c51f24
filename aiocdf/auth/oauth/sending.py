"""Sending a request to an identity provider, reading the answer, and retrying the few failures that a retry can cure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from aiocdf import _clock
from aiocdf._policy import retrying
from aiocdf._wire.http import retry_after
from aiocdf.errors import AuthError, TransportError

if TYPE_CHECKING:
    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request, Response

__all__ = ["Reader", "send_token_request"]

#: Seconds that the first wait takes at the most, and that any wait takes.
_BASE, _CAP = 1.0, 60.0

T_co = TypeVar("T_co", covariant=True)


class Reader(Protocol[T_co]):
    """Reads an answer; an error is returned, not raised, for the frames that read may hold a token."""

    def __call__(self, response: Response, *, what: str, asked_at_wall: float) -> T_co | AuthError:
        """Read *response*.

        Args:
            response: The answer, whatever its status.
            what: What was asked for, for the error's message.
            asked_at_wall: Wall time in seconds, just before the request was sent.
        """


async def send_token_request(request: Request, transport: Transport, read: Reader[T_co], *, attempts: int = 3) -> T_co:
    """Send a request and read the answer.

    It is sent again when there was no answer, and after a 429 or 5xx.

    Args:
        request: A request to an identity provider.
        transport: What sends it.
        read: What makes something of the answer.
        attempts: How often it may be sent in all.

    Raises:
        OAuthError: The provider refused.
        AuthError: The provider could not be reached; the cause is the transport's error.
    """
    what = f"no {request.name} ({request.method} {request.url.partition('?')[0]})"
    attempt = 1
    while True:
        asked_at_wall = _clock.wall()
        response = await _send(request, transport)
        outcome = (
            response if isinstance(response, AuthError) else read(response, what=what, asked_at_wall=asked_at_wall)
        )
        if not isinstance(outcome, AuthError):
            return outcome
        wait = _wait(response, attempt, attempts)
        if wait is None:
            raise outcome
        await _clock.sleep(wait)
        attempt += 1


async def _send(request: Request, transport: Transport) -> Response | AuthError:
    """Send once; what goes wrong is returned."""
    try:
        return await transport.send(request)
    except TransportError as error:
        failure = AuthError(f"no {error}", passing=error.passing)
        failure.__cause__ = error
        return failure


def _wait(response: Response | AuthError, attempt: int, attempts: int) -> float | None:
    """Return the seconds to wait before the next attempt, or None to give up."""
    answer = None if isinstance(response, AuthError) else response
    return retrying.delay(
        retrying.Outcome(
            attempt=attempt,
            repeatable=True,
            retryable=answer is None or answer.status == 429 or answer.status >= 500,
            retry_after=None if answer is None else retry_after(answer),
        ),
        attempts=attempts,
        base=_BASE,
        cap=_CAP,
        jitter=_clock.jitter(0.0, 1.0),
    )
