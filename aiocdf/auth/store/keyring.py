"""The token store that keeps sign-ins in the operating system's keyring."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiocdf.auth._finish import finished
from aiocdf.auth.store.file import FileTokenStore
from aiocdf.errors import AuthError, ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

__all__ = ["KeyringTokenStore"]


class KeyringTokenStore:
    """Keeps sign-ins in the operating system's keyring, with the package `keyring`: `pip install 'aiocdf[keyring]'`.

    Without a keyring, as on most servers, it raises an error and stores nothing.

    Args:
        service: The name under which the keyring shows them.
    """

    def __init__(self, service: str = "aiocdf") -> None:
        self._service = service

    async def load(self, key: str) -> Secret | None:
        """Return the text under *key*; None if there is none.

        Raises:
            AuthError: The keyring is not readable.
        """
        text = await self._call("get_password", key)
        return None if text is None else Secret(text)

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*.

        Raises:
            AuthError: The keyring is not writable.
        """
        await self._call("set_password", key, text)

    async def delete(self, key: str) -> None:
        """Delete the text under *key*.

        Raises:
            AuthError: The keyring is not writable.
        """
        if await self.load(key) is not None:
            await self._call("delete_password", key)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Prevent other clients and processes from renewing the sign-in under *key*.

        Keyrings have no locks, so the lock is a file.

        Raises:
            AuthError: Another one holds the lock for too long, or making the file failed.
        """
        return FileTokenStore().lock(key)

    async def _call(self, name: str, key: str, *more: Secret) -> Any:
        """Call the keyring in a thread, because it may ask the user for a password."""
        outcome = await finished(asyncio.to_thread(_call, name, self._service, key, *more))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome


def _call(name: str, service: str, key: str, *more: Secret) -> Any:
    """Call the keyring; an error is returned without its traceback, whose frames hold the tokens."""
    try:
        import keyring
    except ImportError:
        return ConfigError("KeyringTokenStore needs the package keyring: pip install 'aiocdf[keyring]'")
    try:
        return getattr(keyring, name)(service, key, *(text.reveal() for text in more))
    except Exception as error:  # noqa: BLE001 - each back end has its own errors
        return AuthError(f"the keyring failed: {type(error).__name__}. Is there one, and is it unlocked?")
