"""Access tokens: who gets them and what they allow."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

import attrs

from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiocdf.local.records import Access, OAuthClient
    from aiocdf.local.store import Store

__all__ = ["Issuer", "digest", "random_secret"]


def digest(secret: Secret) -> bytes:
    """Return what is kept of a token or nonce instead of itself."""
    return hashlib.sha256(secret.reveal().encode(errors="surrogatepass")).digest()


def random_secret() -> Secret:
    """Return a new token or nonce."""
    return Secret(secrets.token_urlsafe(32))


@attrs.define
class Issuer:
    """The local identity provider.

    Args:
        store: Where digests of tokens are kept.
    """

    _store: Store
    _clients: dict[str, OAuthClient] = attrs.field(factory=dict, init=False)

    def add_client(self, client: OAuthClient) -> None:
        """Know a client from now on, in place of one by the same id."""
        self._clients[client.client_id] = client

    def authenticate(self, client_id: str, client_secret: Secret) -> OAuthClient | None:
        """Return the client, if the secret is its own."""
        client = self._clients.get(client_id)
        known = client is not None and hmac.compare_digest(digest(client.client_secret), digest(client_secret))
        return client if known else None

    async def issue(self, access: Access) -> Secret:
        """Return a new token that allows this."""
        token = random_secret()
        await self._store.add_token(digest(token), access)
        return token

    async def access(self, token: Secret) -> Access | None:
        """Return what a token allows, or None if it is unknown or has expired."""
        access = await self._store.access(digest(token))
        return access if access is not None and access.expires > time.time() else None

    async def revoke(self, token: Secret) -> None:
        """End a token."""
        await self._store.drop_token(digest(token))
