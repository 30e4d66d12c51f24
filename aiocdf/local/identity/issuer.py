"""The issuer: it stores clients and users, issues tokens, and returns the access of a token."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from typing import TYPE_CHECKING

import attrs

from aiocdf.local.identity.attempts import Attempts
from aiocdf.local.state.records import RefreshToken
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiocdf.local.state.records import Access, Consent, OAuthClient, User
    from aiocdf.local.state.tokens import Tokens

__all__ = ["Issuer", "digest", "random_secret"]


def digest(secret: Secret) -> bytes:
    """Return the digest to store instead of a token or nonce."""
    return hashlib.sha256(secret.reveal().encode(errors="surrogatepass")).digest()


def random_secret() -> Secret:
    """Return a new token or nonce."""
    return Secret(secrets.token_urlsafe(32))


@attrs.define
class Issuer:
    """The local identity provider.

    Args:
        tokens: Stores the digests of tokens.
    """

    _tokens: Tokens
    _clients: dict[str, OAuthClient] = attrs.field(factory=dict, init=False)
    _users: dict[str, User] = attrs.field(factory=dict, init=False)
    _secrets: Attempts = attrs.field(factory=lambda: Attempts(10, 2.0), init=False)
    _passwords: Attempts = attrs.field(factory=lambda: Attempts(5, 10.0), init=False)

    def add_client(self, client: OAuthClient) -> None:
        """Add a client. Replace an existing one with the same id."""
        self._clients[client.client_id] = client

    def add_user(self, user: User) -> None:
        """Add a user. Replace an existing one with the same name."""
        self._users[user.name] = user

    def client(self, client_id: str) -> OAuthClient | None:
        """Return the client with an id, without authenticating it; None if it is unknown."""
        return self._clients.get(client_id)

    def authenticate(self, client_id: str, client_secret: Secret) -> OAuthClient | None:
        """Return the client if the secret is correct, otherwise None. The secret of a public client is empty.

        Raises:
            TooManyAttempts: Too many secrets were wrong.
        """
        client = self._clients.get(client_id)
        if client and client.client_secret is None:
            return None if client_secret else client
        right = client.client_secret if client else None
        return client if _proves(client_id, client_secret, right, self._secrets) else None

    def sign_in(self, name: str, password: Secret) -> User | None:
        """Return the user if the password is correct, otherwise None.

        Raises:
            TooManyAttempts: Too many passwords were wrong.
        """
        user = self._users.get(name)
        return user if _proves(name, password, user.password if user else None, self._passwords) else None

    async def issue(self, access: Access) -> Secret:
        """Return a new access token with this access."""
        token = random_secret()
        await self._tokens.add_token(digest(token), access)
        return token

    async def access(self, token: Secret) -> Access | None:
        """Return the access of a token; None if the token is unknown or has expired."""
        access = await self._tokens.access(digest(token))
        return access if access is not None and access.expires > time.time() else None

    async def revoke(self, token: Secret) -> None:
        """Revoke an access token."""
        await self._tokens.drop_token(digest(token))

    async def end_sessions(self, session_ids: Collection[int]) -> None:
        """Revoke all tokens of sessions."""
        await self._tokens.end_sessions(session_ids)

    async def issue_refresh_token(self, consent: Consent, seconds: float) -> Secret:
        """Return a new refresh token of a consent, valid for *seconds*."""
        token = random_secret()
        await self._tokens.add_refresh_token(
            digest(token), RefreshToken(consent=consent, expires=time.time() + seconds)
        )
        return token

    async def consent_of(self, token: Secret, client: OAuthClient) -> Consent | None:
        """Return the consent of a client's refresh token, used or not; None if the client does not have the token."""
        found = await self._tokens.refresh_token(digest(token))
        known = found is not None and found.consent.client_id == client.client_id and found.expires > time.time()
        return found.consent if found is not None and known else None

    async def use_refresh_token(self, token: Secret) -> bool:
        """Mark a refresh token as used. Return whether it was unused before."""
        return await self._tokens.use_refresh_token(digest(token))

    async def end_consent(self, consent: Consent) -> None:
        """Revoke all tokens of a consent."""
        await self._tokens.end_consent(consent.id)


def _proves(name: str, given: Secret, right: Secret | None, attempts: Attempts) -> bool:
    """Return whether a secret is the right one of a name; *right* is None if the name is unknown."""
    now = time.monotonic()
    attempts.check(name, now)
    if right is not None and hmac.compare_digest(digest(given), digest(right)):
        attempts.succeeded(name)
        return True
    attempts.failed(name, now)
    return False
