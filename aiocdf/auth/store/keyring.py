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
    """Keeps sign-ins in the operating system's keyring, by the package `keyring`: `pip install 'aiocdf[keyring]'`.

    Where there is no keyring, as on most servers, nothing is kept anywhere else instead: it is an error.

    Args:
        service: The name under which the keyring shows them.
    """

    def __init__(self, service: str = "aiocdf") -> None:
        self._service = service

    async def load(self, key: str) -> Secret | None:
        """Return what is kept under *key*; None for nothing.

        Raises:
            AuthError: The keyring cannot be read.
        """
        text = await self._call("get_password", key)
        return None if text is None else Secret(text)

    async def save(self, key: str, text: Secret) -> None:
        """Keep *text* under *key*.

        Raises:
            AuthError: The keyring cannot be written.
        """
        await self._call("set_password", key, text)

    async def delete(self, key: str) -> None:
        """Forget what is kept under *key*.

        Raises:
            AuthError: The keyring cannot be written.
        """
        if await self.load(key) is not None:
            await self._call("delete_password", key)

    def lock(self, key: str) -> AbstractAsyncContextManager[None]:
        """Keep everyone else from renewing the sign-in under *key*, in other processes too: by a file, for keyrings have no locks.

        Raises:
            AuthError: Another one holds it for too long, or there can be no such file.
        """
        return FileTokenStore().lock(key)

    async def _call(self, name: str, key: str, *more: Secret) -> Any:
        """Call the keyring in a thread, for it may ask the user for a password."""
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
    except Exception as error:  # noqa: BLE001 - each of its back ends has errors of its own
        return AuthError(f"the keyring failed: {type(error).__name__}. Is there one, and is it unlocked?")
