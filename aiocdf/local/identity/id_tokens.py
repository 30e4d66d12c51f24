"""Id tokens and the key that signs them (OpenID Connect Core)."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import attrs

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

    from aiocdf.local.state.records import Consent

__all__ = ["ALGORITHM", "Signer"]

# What every client of OpenID Connect understands, and what most expect when nothing else is agreed.
ALGORITHM = "RS256"
BITS = 2048


@attrs.define
class Signer:
    """Signs id tokens with a key that lives as long as the server.

    Args:
        url: The server's address, in whose name it signs.
    """

    url: str
    _key: RSAKey | None = attrs.field(default=None, init=False, repr=False)
    _making: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False, repr=False)

    async def public_keys(self) -> dict[str, Any]:
        """Return the key set by which clients check signatures (RFC 7517)."""
        key = await self._ensure_key()
        return {"keys": [key.as_dict(private=False)]}

    async def id_token(self, consent: Consent, seconds: float) -> str:
        """Return a signed statement of who signed in.

        Args:
            consent: What the user allowed.
            seconds: For how long it is true.
        """
        key = await self._ensure_key()
        from joserfc import jwt  # loaded with the key

        now = int(time.time())
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": consent.user,
            "aud": consent.client_id,
            "iat": now,
            "exp": now + int(seconds),
            "auth_time": consent.signed_in,
        }
        if consent.nonce is not None:
            claims["nonce"] = consent.nonce
        if "profile" in consent.scopes:
            claims["name"] = claims["preferred_username"] = consent.user
        return jwt.encode({"alg": ALGORITHM, "kid": key.kid}, claims, key)

    async def _ensure_key(self) -> RSAKey:
        """Return the key, made when it is first needed: most servers never sign anything."""
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(_make_key)
        return self._key


def _make_key() -> RSAKey:
    # Loads cryptography, and takes about a tenth of a second; so does the key.
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM})
    key.ensure_kid()
    return key
