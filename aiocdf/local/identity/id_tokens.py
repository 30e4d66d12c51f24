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

# All OpenID Connect clients support this algorithm, and most expect it by default.
ALGORITHM = "RS256"
BITS = 2048


@attrs.define
class Signer:
    """Signs id tokens with a key that exists as long as the server runs.

    Args:
        url: The URL of the server, which is the issuer in the tokens.
    """

    url: str
    _key: RSAKey | None = attrs.field(default=None, init=False, repr=False)
    _making: asyncio.Lock = attrs.field(factory=asyncio.Lock, init=False, repr=False)

    async def public_keys(self) -> dict[str, Any]:
        """Return the key set with which clients check signatures (RFC 7517)."""
        key = await self._ensure_key()
        return {"keys": [key.as_dict(private=False)]}

    async def id_token(self, consent: Consent, seconds: float) -> str:
        """Return a signed id token.

        Args:
            consent: The consent of the user who signed in.
            seconds: The lifetime of the id token in seconds.
        """
        key = await self._ensure_key()
        from joserfc import jwt  # the import is fast here, because the key has loaded it

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
        """Return the key. It is created at its first use, because most servers sign nothing."""
        async with self._making:
            if self._key is None:
                self._key = await asyncio.to_thread(_make_key)
        return self._key


def _make_key() -> RSAKey:
    # This import loads cryptography and takes about 0.1 s. Creating the key takes as long.
    from joserfc.jwk import RSAKey

    key = RSAKey.generate_key(BITS, {"use": "sig", "alg": ALGORITHM})
    key.ensure_kid()
    return key
