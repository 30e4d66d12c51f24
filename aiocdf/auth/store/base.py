"""The protocol of token stores, and the store that keeps sign-ins in memory."""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from aiocdf import _clock
from aiocdf.errors import AuthError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from contextlib import AbstractAsyncContextManager

    from aiocdf.secret import Secret

__all__ = ["MemoryTokenStore", "TokenStore", "wait_for_turn"]

#: Seconds to wait for the lock, which is longer than a token request may take; and the first and last pause between tries.
_PATIENCE, _PAUSE, _LONGEST_PAUSE = 45.0, 0.01, 0.25


@runtime_checkable
class TokenStore(Protocol):
    """Keeps a text for each sign-in, under a key that reveals nothing about it.

    The texts hold tokens: anyone who reads them can act as the user. `save` and `delete` are called with the lock held.
    """

    async def load(self, key: str) -> Secret | None:
        """Return the text under *key*; None if there is none."""

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*; when this returns, it is stored for good."""

    async def delete(self, key: str) -> None:
        """Delete the text under *key*, if there is one."""

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Prevent other users of this store from renewing the sign-in under *key*.

        Raises:
            AuthError: Another one holds the lock for too long.
        """


class MemoryTokenStore:
    """Keeps sign-ins as long as the process lives; clients may share one, each on its own event loop."""

    def __init__(self) -> None:
        self._texts: dict[str, Secret] = {}
        self._lock = threading.Lock()  # and not asyncio's, which belongs to one event loop

    async def load(self, key: str) -> Secret | None:
        """Return the text under *key*; None if there is none."""
        return self._texts.get(key)

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*."""
        self._texts[key] = text

    async def delete(self, key: str) -> None:
        """Delete the text under *key*."""
        self._texts.pop(key, None)

    @contextlib.asynccontextmanager
    async def lock(self, key: str) -> AsyncIterator[None]:  # noqa: ARG002 - one for all is enough
        """Keep other clients from renewing a sign-in.

        Raises:
            AuthError: Another one holds the lock for too long.
        """
        await wait_for_turn(lambda: self._lock.acquire(blocking=False))
        try:
            yield
        finally:
            self._lock.release()


async def wait_for_turn(take: Callable[[], bool]) -> None:
    """Try to take a lock until it succeeds, without blocking the event loop.

    Args:
        take: Takes the lock if it is free, without waiting; returns whether it did.

    Raises:
        AuthError: It was not free in time.
    """
    give_up_at, pause = _clock.monotonic() + _PATIENCE, _PAUSE
    while not take():
        if _clock.monotonic() > give_up_at:
            raise AuthError(
                f"another client or process has been renewing this sign-in for {_PATIENCE:g} s: try again.",
                passing=True,
            )
        await _clock.sleep(pause)
        pause = min(2.0 * pause, _LONGEST_PAUSE)
