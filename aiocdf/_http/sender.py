"""Sends a request with its token, and retries it while that makes sense."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import attrs

from aiocdf import _clock
from aiocdf._policy import retrying
from aiocdf._wire.http import StorageRequest, is_object
from aiocdf._wire.problems import api_error
from aiocdf._wire.redaction import redact_error
from aiocdf.errors import ApiError, AuthError, ConnectError, TransportError
from aiocdf.telemetry import RequestDone

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiocdf._http.transport import Transport
    from aiocdf._wire.http import Request, Response
    from aiocdf.config import Retrying
    from aiocdf.secret import Secret
    from aiocdf.telemetry import Event

__all__ = ["Authorizer", "Sender"]

_UNAUTHORIZED = 401
# After twice this many seconds without a byte, an idempotent request is sent again; doubled with each attempt.
_SILENCE = 1.5
_SUCCESS = range(200, 300)


class Authorizer(Protocol):
    """Provides access tokens."""

    async def token(self) -> Secret:
        """Return a valid token; raise an `AuthError` if none is available."""

    async def rejected(self, used: Secret) -> bool:
        """Record that the service rejected *used*; return whether to try again with a new token."""


class Sender:
    """Sends requests to the service.

    Args:
        transport: Sends one request.
        authorizer: Provides the access token.
        headers: Sent with each request.
        retry: How often and after which waits to retry.
        emit: Called with an event for each attempt.
    """

    def __init__(
        self,
        transport: Transport,
        authorizer: Authorizer,
        *,
        headers: Mapping[str, str],
        retry: Retrying,
        emit: Callable[[Event], None],
    ) -> None:
        self._transport = transport
        self._authorizer = authorizer
        self._headers = headers
        self._retry = retry
        self._emit = emit

    async def send(self, request: Request, *, attempts: int | None = None) -> Response:
        """Send *request* and return the success answer, whose body looks like a JSON object.

        If the body is something else after the last attempt, it is returned as it is; reading it raises. A
        `StorageRequest` goes without the token, and its answer may be anything.

        Args:
            request: The request.
            attempts: The maximum number of attempts; None for the setting.

        Raises:
            AuthError: No access token is available.
            TransportError: There was no answer.
            ApiError: The answer has an error status.
        """
        attempt, garbled, most = 1, 0, attempts or self._retry.attempts
        to_storage = isinstance(request, StorageRequest)
        while True:
            if request.repeatable and most > 1 and not to_storage:
                request = attrs.evolve(request, silence=_SILENCE * 2.0**attempt if attempt < most else None)
            try:
                response = await self._send_once(request, attempt)
            except (TransportError, ApiError, AuthError) as error:
                garbled, wait = 0, self._wait(request, attempt, error, most)
                if wait is None:
                    raise
            else:
                garbled += 1
                wait = None if to_storage or is_object(response) else self._wait(request, attempt, None, most, garbled)
                if wait is None:
                    return response
            await _clock.sleep(wait)
            attempt += 1

    def _wait(
        self,
        request: Request,
        attempt: int,
        error: TransportError | ApiError | AuthError | None,
        attempts: int,
        garbled: int = 0,
    ) -> float | None:
        """Return how long to wait, or None to give up; without an error, the answer was not JSON."""
        if isinstance(error, AuthError) and not error.passing:
            return None
        answer = error if isinstance(error, ApiError) else None
        return retrying.delay(
            retrying.Outcome(
                attempt=attempt,
                repeatable=request.repeatable,
                status=answer.status if answer else None,
                garbled=garbled,
                unsent=isinstance(error, ConnectError),
                retryable=answer.retryable if answer else None,
                retry_after=answer.retry_after if answer else None,
            ),
            attempts=attempts,
            base=self._retry.base,
            cap=self._retry.cap,
            jitter=_clock.jitter(0.0, 1.0),
        )

    async def _send_once(self, request: Request, attempt: int) -> Response:
        """Send once, and return the answer of success."""
        if isinstance(request, StorageRequest):
            return _successful(request, await self._send_counted(request, attempt), request.secrets)
        return await self._send_authorized(request, attempt)

    async def _send_authorized(self, request: Request, attempt: int) -> Response:
        """Send once; if the service rejects the token, renew it and send once more.

        A 401 means that the service did nothing, so even a request that is not idempotent may be sent again.
        """
        token = await self._authorizer.token()
        response = await self._send_with(token, request, attempt)
        if response.status == _UNAUTHORIZED and await self._authorizer.rejected(token):
            token = await self._authorizer.token()
            response = await self._send_with(token, request, attempt + 1)
        return _successful(request, response, (token, *request.secrets))

    async def _send_with(self, token: Secret, request: Request, attempt: int) -> Response:
        authorized = attrs.evolve(
            request,
            headers={**self._headers, **request.headers, "authorization": f"Bearer {token.reveal()}"},
            secrets=(token, *request.secrets),
        )
        return await self._send_counted(authorized, attempt)

    async def _send_counted(self, request: Request, attempt: int) -> Response:
        started = _clock.monotonic()
        status = None
        try:
            response = await self._transport.send(request)
            status = response.status
        finally:
            self._emit(
                RequestDone(name=request.name, status=status, attempt=attempt, seconds=_clock.monotonic() - started)
            )
        return response


def _successful(request: Request, response: Response, secrets: tuple[Secret, ...]) -> Response:
    """Return an answer of success; raise any other."""
    if response.status not in _SUCCESS:
        raise redact_error(api_error(request, response), secrets)
    return response
