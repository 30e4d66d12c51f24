"""The tokens of the local server. They are in memory, so they end when the server stops."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiocdf.local.state.records import Access, RefreshToken

__all__ = ["Tokens"]

#: Expired tokens are removed each time this many tokens have been added.
SWEEP_EVERY = 1_000


@attrs.define
class Tokens:
    """Stores the access of tokens by the digests of the tokens."""

    _tokens: dict[bytes, Access] = attrs.field(factory=dict, init=False, repr=False)
    _refresh_tokens: dict[bytes, RefreshToken] = attrs.field(factory=dict, init=False, repr=False)

    async def add_token(self, digest: bytes, access: Access) -> None:
        """Store the access of a token."""
        _drop_expired(self._tokens)
        self._tokens[digest] = access

    async def access(self, digest: bytes) -> Access | None:
        """Return the access of a token; None if the token is unknown."""
        return self._tokens.get(digest)

    async def drop_token(self, digest: bytes) -> None:
        """Remove a token."""
        self._tokens.pop(digest, None)

    async def add_refresh_token(self, digest: bytes, token: RefreshToken) -> None:
        """Store the data of a refresh token."""
        _drop_expired(self._refresh_tokens)
        self._refresh_tokens[digest] = token

    async def refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return the data of a refresh token; None if it is unknown."""
        return self._refresh_tokens.get(digest)

    async def use_refresh_token(self, digest: bytes) -> bool:
        """Mark a refresh token as used. Return whether it was known and unused before."""
        token = self._refresh_tokens.get(digest)
        if token is None or token.used:
            return False
        self._refresh_tokens[digest] = attrs.evolve(token, used=True)
        return True

    async def end_consent(self, consent_id: str) -> None:
        """Remove all tokens of a consent."""
        for digest in [digest for digest, access in self._tokens.items() if access.consent_id == consent_id]:
            del self._tokens[digest]
        for digest in [digest for digest, token in self._refresh_tokens.items() if token.consent.id == consent_id]:
            del self._refresh_tokens[digest]

    async def end_sessions(self, session_ids: Collection[int]) -> None:
        """Remove all tokens of sessions."""
        for digest in [digest for digest, access in self._tokens.items() if access.session_id in session_ids]:
            del self._tokens[digest]


def _drop_expired(tokens: dict[bytes, Access] | dict[bytes, RefreshToken]) -> None:
    """Remove expired tokens, but only occasionally, so that adding a token stays cheap."""
    if tokens and len(tokens) % SWEEP_EVERY == 0:
        now = time.time()
        for digest in [digest for digest, token in tokens.items() if token.expires <= now]:
            del tokens[digest]
