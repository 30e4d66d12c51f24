"""The access token of one client: fetched once for all who wait, and renewed ahead of its expiry."""

from __future__ import annotations

import asyncio
import contextvars
import copy
import logging
from typing import TYPE_CHECKING

from aiocdf import _clock
from aiocdf.auth._finish import ended
from aiocdf.auth.credentials.user_credentials import UserCredentials
from aiocdf.errors import AuthError, ClientClosed

if TYPE_CHECKING:
    from aiocdf._http.transport import Transport
    from aiocdf.auth.credentials.protocol import Credentials
    from aiocdf.auth.oauth.token import AccessToken
    from aiocdf.secret import Secret

__all__ = ["TokenSource"]

_log = logging.getLogger(__name__)

#: Seconds within which a refused token is not the token's fault: without this, an API that refuses every
#: token would cost a token request for each of its answers.
_TOO_YOUNG_TO_BLAME = 30.0
#: Seconds for which a failure answers whoever asks next, so that a queue of calls does not hammer the provider.
_FAILURE_HOLDS = 1.0


class TokenSource:
    """The access token of one client on one event loop.

    Nothing happens before the first `token()`. At most one fetch is under way, in a task of its own, so that a caller
    who is cancelled takes nothing away from the others.

    Args:
        credentials: How to get a token.
        transport: What sends token requests.
    """

    def __init__(self, credentials: Credentials, transport: Transport) -> None:
        self._credentials = credentials
        self._transport = transport
        self._current: AccessToken | None = None
        self._fetch_task: asyncio.Task[AccessToken] | None = None
        self._failures = 0
        self._failed_at = 0.0
        self._closed = False

    async def token(self) -> Secret:
        """Return a token that is good now.

        Raises:
            AuthError: There is none to be had; the message says what to do.
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
        if not self._is_failing(for_seconds=_pause(self._failures)):
            self._ensure_fetch()
        return current.secret

    async def rejected(self, used: Secret) -> bool:
        """Tell whether a request that got a 401 should be sent again, and see to it that there is a new token.

        Args:
            used: The token that was refused.

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
        """Return a token of a sign-in made now, or kept from before; this is where a user may be asked for one.

        Raises:
            AuthError: There is none to be had; the message says what to do.
            ClientClosed: The source was closed.
        """
        self._current, self._failures = None, 0
        return await self._await_fetch()

    async def logout(self) -> None:
        """End the sign-in of a user, and forget the token.

        Raises:
            AuthError: The provider could not be told of it.
        """
        await self._forget()
        if isinstance(self._credentials, UserCredentials):
            await self._credentials.logout(self._transport)

    async def aclose(self) -> None:
        """End the fetch under way, if there is one, and forget the token.

        A renewal whose request was sent is waited for, so that a new refresh token is kept: the provider's answer may
        take as long as a token request may. Being cancelled does not end this wait, but being cancelled twice does.
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
                self._current = None  # it may have come to its end instead

    async def _await_fetch(self) -> AccessToken:
        """Return what the fetch under way brings, or a new one."""
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
            # One a waiter: a shared one would collect the tracebacks and notes of all of them.
            raise copy.copy(error) from error.__cause__
        raise error

    def _ensure_fetch(self) -> asyncio.Task[AccessToken]:
        """Return the fetch that is under way or has just failed, or start one."""
        if self._closed:
            raise _closed()
        if self._fetch_task is None or (self._fetch_task.done() and not self._is_failing(for_seconds=_FAILURE_HOLDS)):
            loop = asyncio.get_running_loop()
            # An empty context: the task serves everybody, and must not carry on what belongs to its first caller.
            self._fetch_task = loop.create_task(self._run(), name="aiocdf token", context=contextvars.Context())
            self._fetch_task.add_done_callback(_read_exception)
        return self._fetch_task

    async def _run(self) -> AccessToken:
        """Fetch a token and keep it, or keep count of failures."""
        try:
            token = await self._credentials.fetch(self._transport, self._current)
        except Exception as error:
            self._failures += 1
            self._failed_at = now = _clock.monotonic()
            current = self._current
            if self._failures == 1 and current is not None and current.age(now, _clock.wall()) < current.stale_after:
                _log.warning("the access token could not be renewed, and is used until it expires: %s", error)
            raise
        self._current, self._failures = token, 0
        return token

    def _is_failing(self, *, for_seconds: float) -> bool:
        """Tell whether the last fetch failed, less than so many seconds ago."""
        return self._failures > 0 and _clock.monotonic() - self._failed_at < for_seconds


def _pause(failures: int) -> float:
    """Return the seconds to wait before a token that is still good is renewed again: 5, doubling to 60."""
    return min(60.0, 5.0 * 2.0 ** min(failures - 1, 4))


def _closed() -> ClientClosed:
    """Say why there is no token."""
    return ClientClosed("no access token: the client is closed.")


def _read_exception(fetching: asyncio.Task[AccessToken]) -> None:
    """Take note of the exception, which nobody may be waiting for any more."""
    if not fetching.cancelled():
        fetching.exception()
