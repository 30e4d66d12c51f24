"""The access token of one client: fetched once for all waiting calls, and renewed before it expires."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
from typing import TYPE_CHECKING

import attrs

from aiocdf import _clock
from aiocdf._wire.redaction import redact, redact_error
from aiocdf.auth._finish import ended
from aiocdf.auth._pacing import answers_for, is_lasting, pause
from aiocdf.auth.credentials.user_credentials import UserCredentials
from aiocdf.errors import AiocdfError, AuthError, ClientClosed

if TYPE_CHECKING:
    from aiocdf._http.transport import Transport
    from aiocdf.auth.credentials.protocol import Credentials
    from aiocdf.auth.oauth.token import AccessToken
    from aiocdf.secret import Secret

__all__ = ["TokenSource"]

_log = logging.getLogger(__name__)

#: A token younger than this, in seconds, is not replaced after a 401: otherwise an API that rejects all tokens would
#: cause a token request for each answer.
_TOO_YOUNG_TO_BLAME = 30.0


class TokenSource:
    """The access token of one client on one event loop.

    Nothing is sent before the first `token()`. At most one fetch is under way. It runs in its own task, so that
    cancelling one caller does not affect the others.

    Args:
        credentials: How to get a token.
        transport: What sends token requests.
    """

    def __init__(self, credentials: Credentials, transport: Transport) -> None:
        self._credentials = credentials
        self._transport = transport
        self._current: AccessToken | None = None
        self._fetch_task: asyncio.Task[AccessToken] | None = None
        self._trouble: _Trouble | None = None
        self._closed = False

    async def token(self) -> Secret:
        """Return a valid token.

        Raises:
            AuthError: No token is available; the message says what to do.
            ClientClosed: The source was closed.
        """
        current = self._current
        if current is None:
            return (await self._await_fetch()).secret
        age = current.age(_clock.monotonic(), _clock.wall())
        if age < current.renew_after:
            return current.secret
        if age >= current.stale_after:
            return (await self._await_fetch()).secret
        if self._trouble is None or _clock.monotonic() >= self._trouble.renew_again_at:
            self._ensure_fetch()
        return current.secret

    async def rejected(self, used: Secret) -> bool:
        """Return whether to resend a request that got a 401; fetch a new token if needed.

        Args:
            used: The token that was rejected.

        Raises:
            ClientClosed: The source was closed.
        """
        current = self._current
        if current is None:
            return False
        if current.secret != used:
            return True
        if current.age(_clock.monotonic(), _clock.wall()) < _TOO_YOUNG_TO_BLAME:
            return False
        try:
            return (await self._await_fetch()).secret != used
        except AuthError:
            return False  # logged by the fetch; the service's own 401 is what the caller should see

    async def login(self) -> AccessToken:
        """Return a token of a stored sign-in or of a new one; this may ask the user to sign in.

        Raises:
            AuthError: No token is available; the message says what to do.
            ClientClosed: The source was closed.
        """
        self._current = self._trouble = None
        return await self._await_fetch()

    async def logout(self) -> None:
        """End the sign-in of a user, and forget the token.

        Raises:
            AuthError: The provider could not be reached.
        """
        await self._forget()
        if isinstance(self._credentials, UserCredentials):
            await self._credentials.logout(self._transport)

    async def aclose(self) -> None:
        """End the fetch under way, and forget the token.

        If a renewal was sent, this waits for its answer, so that a new refresh token is saved. The wait is at most the
        time limit of a token request. A second cancellation ends it.
        """
        self._closed = True
        await self._forget()

    async def _forget(self) -> None:
        fetching, self._current = self._fetch_task, None
        if fetching is not None:
            fetching.cancel()
            try:
                await ended(fetching)
            finally:
                self._current = None  # the fetch may have completed instead

    async def _await_fetch(self) -> AccessToken:
        """Return the result of the fetch under way, or of a new one."""
        fetching = self._ensure_fetch()
        await asyncio.wait({fetching})  # unlike awaiting the task itself, being cancelled here leaves it running
        if fetching.cancelled():
            raise (
                _closed() if self._closed else AuthError("the request for an access token was cancelled", passing=True)
            )
        error = fetching.exception()
        if error is None:
            return fetching.result()
        if isinstance(error, AuthError):
            # A copy for each waiter: a shared error would collect the tracebacks and notes of all of them.
            raise copy.copy(error) from error.__cause__
        raise error

    def _ensure_fetch(self) -> asyncio.Task[AccessToken]:
        """Return the fetch that is under way or has just failed, or start a new one."""
        if self._closed:
            raise _closed()
        holds = self._trouble is not None and _clock.monotonic() < self._trouble.answers_until
        if self._fetch_task is None or (self._fetch_task.done() and not holds):
            loop = asyncio.get_running_loop()
            # An empty context: the task serves all callers, and must not keep the context variables of the first one.
            self._fetch_task = loop.create_task(self._run(), name="aiocdf token", context=contextvars.Context())
            self._fetch_task.add_done_callback(_read_exception)
        return self._fetch_task

    async def _run(self) -> AccessToken:
        """Fetch a token and keep it, or count the failure."""
        try:
            token = await self._credentials.fetch(self._transport, self._current)
        except Exception as error:
            if isinstance(error, AiocdfError):
                # An error of a token function may quote the old token.
                redact_error(error, _secrets_of(self._current))
            self._note(error)
            raise
        self._current, self._trouble = token, None
        return token

    def _note(self, error: Exception) -> None:
        """Record a failure; the first one is logged if no caller gets it."""
        now, current, before = _clock.monotonic(), self._current, self._trouble
        self._trouble = _Trouble.after(error, before, now)
        if before is None and current is not None and current.age(now, _clock.wall()) < current.stale_after:
            message = redact(str(error), _secrets_of(current))
            _log.warning(
                "the access token could not be renewed, and is used until it expires: %s",
                message,
                extra={"event": "token_not_renewed"},
            )


@attrs.frozen(kw_only=True)
class _Trouble:
    """Consecutive failed fetches."""

    failures: int
    #: How many of the last ones were lasting refusals.
    refusals: int
    #: Until when the last failure is the answer to all callers, in loop time.
    answers_until: float
    #: When the renewal of a valid token is tried again, in loop time.
    renew_again_at: float

    @classmethod
    def after(cls, error: Exception, before: _Trouble | None, now: float) -> _Trouble:
        """Count one more failure."""
        failures = 1 + (before.failures if before else 0)
        refusals = 1 + (before.refusals if before else 0) if is_lasting(error) else 0
        return cls(
            failures=failures,
            refusals=refusals,
            answers_until=now + answers_for(error, refusals),
            renew_again_at=now + pause(error, failures),
        )


def _secrets_of(token: AccessToken | None) -> list[Secret]:
    return [secret for secret in (token.secret, token.refresh_token) if secret] if token else []


def _closed() -> ClientClosed:
    """Return the error of a closed source."""
    return ClientClosed("no access token: the client is closed.")


def _read_exception(fetching: asyncio.Task[AccessToken]) -> None:
    """Mark the exception as retrieved: no caller may be waiting for it."""
    if not fetching.cancelled():
        fetching.exception()
