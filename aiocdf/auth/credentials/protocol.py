"""The protocol that all kinds of credentials implement."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf._http.transport import Transport
    from aiocdf.auth.oauth.token import AccessToken
    from aiocdf.secret import Secret

__all__ = ["Credentials"]


@runtime_checkable
class Credentials(Protocol):
    """An immutable value that says how to get access tokens.

    It holds no state, so several clients and event loops may share it; the token source decides when to fetch.
    A token store keeps the sign-ins of users.
    """

    async def fetch(self, transport: Transport, old: AccessToken | None = None) -> AccessToken:
        """Get an access token.

        Args:
            transport: What sends requests.
            old: The token to replace; None for the first token of a client.

        Raises:
            AuthError: No token is available; the message says what to do.
        """

    def session_item(self) -> Mapping[str, str | Secret] | None:
        """Return the item for `POST /sessions` that lets a function act as these credentials.

        None means that they are not transferable: exchange the access token instead.
        Secrets in the item are still wrapped.
        """
