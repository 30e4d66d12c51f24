"""What a client needs from credentials, whatever their kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf._http.transport import Transport
    from aiocdf.auth.token import AccessToken
    from aiocdf.secret import Secret

__all__ = ["Credentials"]


class Credentials(Protocol):
    """An immutable value that says how to get access tokens.

    It holds no state, so several clients and event loops may share it; when to fetch is the token source's affair.
    """

    async def fetch(self, transport: Transport) -> AccessToken:
        """Get a new access token.

        Raises:
            AuthError: There is none to be had; the message says what to do.
        """

    def session_item(self) -> Mapping[str, str | Secret] | None:
        """Return the item for `POST /sessions` that lets a function act as these credentials.

        None means that they cannot be handed over: exchange the access token instead.
        Secrets in the item are still wrapped.
        """
