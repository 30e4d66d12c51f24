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

    It holds no state, so several clients and event loops may share it; when to fetch is the token source's affair.
    What has to be kept of a user's sign-in is kept in a token store.
    """

    async def fetch(self, transport: Transport, old: AccessToken | None = None) -> AccessToken:
        """Get an access token.

        Args:
            transport: What sends requests.
            old: The token that is to be replaced; None for a client's first.

        Raises:
            AuthError: There is none to be had; the message says what to do.
        """

    def session_item(self) -> Mapping[str, str | Secret] | None:
        """Return the item for `POST /sessions` that lets a function act as these credentials.

        None means that they cannot be handed over: exchange the access token instead.
        Secrets in the item are still wrapped.
        """
