"""Where the local server keeps tokens: in memory, so that they end with it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import attrs

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiocdf.local.state.records import Access, RefreshToken

__all__ = ["Tokens"]

#: Tokens that have expired are dropped each time that so many more are kept.
SWEEP_EVERY = 1_000


@attrs.define
class Tokens:
    """What tokens allow; they come as digests only."""

    _tokens: dict[bytes, Access] = attrs.field(factory=dict, init=False, repr=False)
    _refresh_tokens: dict[bytes, RefreshToken] = attrs.field(factory=dict, init=False, repr=False)

    async def add_token(self, digest: bytes, access: Access) -> None:
        """Keep what a token allows."""
        _drop_expired(self._tokens)
        self._tokens[digest] = access

    async def access(self, digest: bytes) -> Access | None:
        """Return what a token allows, or None if it is unknown."""
        return self._tokens.get(digest)

    async def drop_token(self, digest: bytes) -> None:
        """Forget a token."""
        self._tokens.pop(digest, None)

    async def add_refresh_token(self, digest: bytes, token: RefreshToken) -> None:
        """Keep what is behind a refresh token."""
        _drop_expired(self._refresh_tokens)
        self._refresh_tokens[digest] = token

    async def refresh_token(self, digest: bytes) -> RefreshToken | None:
        """Return what is behind a refresh token, or None if it is unknown."""
        return self._refresh_tokens.get(digest)

    async def use_refresh_token(self, digest: bytes) -> bool:
        """Mark a refresh token as used, and tell whether it was there and not used before."""
        token = self._refresh_tokens.get(digest)
        if token is None or token.used:
            return False
        self._refresh_tokens[digest] = attrs.evolve(token, used=True)
        return True

    async def end_consent(self, consent_id: str) -> None:
        """Forget all tokens of a consent."""
        for digest in [digest for digest, access in self._tokens.items() if access.consent_id == consent_id]:
            del self._tokens[digest]
        for digest in [digest for digest, token in self._refresh_tokens.items() if token.consent.id == consent_id]:
            del self._refresh_tokens[digest]

    async def end_sessions(self, session_ids: Collection[int]) -> None:
        """Forget all tokens of the sessions."""
        for digest in [digest for digest, access in self._tokens.items() if access.session_id in session_ids]:
            del self._tokens[digest]


def _drop_expired(tokens: dict[bytes, Access] | dict[bytes, RefreshToken]) -> None:
    """Forget tokens that have expired, now and then, so that adding one stays cheap."""
    if tokens and len(tokens) % SWEEP_EVERY == 0:
        now = time.time()
        for digest in [digest for digest, token in tokens.items() if token.expires <= now]:
            del tokens[digest]
