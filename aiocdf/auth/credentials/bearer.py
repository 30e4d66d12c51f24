"""An access token obtained elsewhere, or a function that obtains one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs

from aiocdf import _clock
from aiocdf.auth.credentials.validation import shown_function
from aiocdf.auth.oauth.token import AccessToken, clean, is_sendable, read_seconds
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret, safe_to_show

if TYPE_CHECKING:
    from aiocdf._http.transport import Transport

__all__ = ["BearerToken"]

Given = str | Secret | tuple[str | Secret, float]
TokenFunction = Callable[[], Given | Awaitable[Given]]

#: Seconds for which a token from a function is used if the function does not return its lifetime.
_REUSE = 60.0
#: Seconds that a function may take.
_PATIENCE = 60.0
#: A larger lifetime in seconds is probably a point in time.
_LONGEST_LIFE = 1e9


@safe_to_show
@attrs.frozen(init=False)
class BearerToken:
    """An access token obtained elsewhere, or a function that obtains one.

    A token as text is used as long as the service accepts it. A function is called for the first request, and again
    before the token expires or if the service rejects it, never twice at the same time. If it returns
    `(token, expires_in)`, the token is kept until shortly before its expiry; a token alone is used for at most a minute.

    Args:
        token: The token, without "Bearer" in front; or a function without arguments, which returns the token or the
            token and its lifetime in seconds. An `async def` runs on the event loop, any other function in a
            thread. It may take a minute.

    Raises:
        ConfigError: It is neither a token nor a function.
    """

    token: Secret | TokenFunction = attrs.field(
        repr=lambda token: repr(token) if isinstance(token, Secret) else shown_function(token)
    )

    def __init__(self, token: str | Secret | TokenFunction) -> None:
        """Wrap a text, then check."""
        self.__attrs_init__(_wrap(token))

    def __attrs_post_init__(self) -> None:
        """Refuse what could only fail later."""
        if isinstance(self.token, Secret) and not is_sendable(self.token.reveal()):
            raise ConfigError(
                "the token is empty or not one word of visible ASCII. Give it as text, without 'Bearer' in front,"
                " or give a function that returns it."
            )

    async def fetch(self, transport: Transport, old: AccessToken | None = None) -> AccessToken:  # noqa: ARG002 - what it asks does its own I/O
        """Return the given token, or call the function.

        Raises:
            AuthError: The function failed or took too long, or did not return a valid token.
        """
        asked_at, asked_at_wall = _clock.monotonic(), _clock.wall()
        if isinstance(self.token, Secret):
            return AccessToken(secret=self.token, asked_at=asked_at, asked_at_wall=asked_at_wall)
        outcome = _read(await _ask(self.token), asked_at, asked_at_wall)
        if isinstance(outcome, AuthError):
            raise outcome
        return outcome

    def session_item(self) -> None:
        """Return None: there is nothing to hand over but the token itself."""


def _wrap(token: object) -> Secret | TokenFunction:
    """Wrap a text; a value that is neither text nor function becomes an empty text, which is rejected later."""
    if isinstance(token, str | Secret):
        return Secret(token)
    return token if callable(token) else Secret("")


async def _ask(function: TokenFunction) -> object:
    """Return what the function returned, or an error that says why there is nothing."""
    try:
        async with asyncio.timeout(_PATIENCE) as limit:
            answer = function() if _is_async(function) else await asyncio.to_thread(_guarded, function)
            return await answer if inspect.isawaitable(answer) else answer
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        if limit.expired():
            return AuthError(f"the token function took more than {_PATIENCE:g} s.", passing=True)
        return _failure(error)


def _is_async(function: TokenFunction) -> bool:
    """Return whether it is an `async def`, or an object that is called like one."""
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)


def _guarded(function: TokenFunction) -> object:
    """Call it in a thread, from which not every exception finds its way back: a StopIteration would be waited for."""
    try:
        return function()
    except Exception as error:  # noqa: BLE001 - a user's function may raise anything
        return _failure(error)


def _failure(error: Exception) -> AuthError:
    """Return an error that describes what a function raised, without the traceback, whose locals may hold secrets."""
    message = f"the token function raised {type(error).__name__}: {clean(str(error)) or 'no message'}"
    return AuthError(message, passing=True)


def _read(answer: object, asked_at: float, asked_at_wall: float) -> AccessToken | AuthError:
    """Read what a function returned; an error is returned, not raised, because the locals here hold the token."""
    token, life = answer if isinstance(answer, tuple) and len(answer) == 2 else (answer, _REUSE)
    if isinstance(answer, AuthError):
        return answer
    if not isinstance(token, str | Secret) or not is_sendable(Secret(token).reveal()):
        return AuthError(
            "the token function must return a token, or a token and the seconds that it is good for;"
            " the token must be one word of visible ASCII, without 'Bearer' in front."
        )
    seconds = read_seconds(life)
    if seconds is None or seconds > _LONGEST_LIFE:
        return AuthError("the token function must return how many seconds from now its token is good for.")
    return AccessToken.lasting(Secret(token), seconds, asked_at=asked_at, asked_at_wall=asked_at_wall)
