"""Authorization codes (RFC 6749, section 4.1) with PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from typing import TYPE_CHECKING

import attrs

from aiocdf.local.identity.issuer import digest, random_secret

if TYPE_CHECKING:
    from aiocdf.local.state.records import Consent, OAuthClient
    from aiocdf.secret import Secret

__all__ = ["AuthorizationCode", "CodeRegistry", "is_challenge"]

#: The maximum number of codes, so that sign-ins in a loop do not fill the memory. The oldest are dropped.
MOST_CODES = 1_000

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


@attrs.frozen(kw_only=True)
class AuthorizationCode:
    """The data that one authorization code stands for.

    Args:
        consent: The consent whose tokens the client gets for the code.
        redirect_uri: The redirect URI that the code was sent to.
        challenge: The PKCE code challenge: the hash of a secret of the client.
        expires: When the code expires, in epoch seconds.
        used: Whether a client has used the code.
    """

    consent: Consent
    redirect_uri: str
    challenge: str
    expires: float
    used: bool = False

    def refusal(self, client: OAuthClient, redirect_uri: str, verifier: str, now: float) -> str | None:
        """Return why the code is not valid for a client; None if it is valid."""
        checks = {
            "The code was used before": not self.used,
            "The code has expired": now < self.expires,
            "The code was issued to another client": client.client_id == self.consent.client_id,
            "redirect_uri differs from that of the authorization request": redirect_uri == self.redirect_uri,
            "code_verifier does not match code_challenge": _verifies(verifier, self.challenge),
        }
        return next((reason for reason, holds in checks.items() if not holds), None)


@attrs.define
class CodeRegistry:
    """The codes that have not expired, at most `MOST_CODES`."""

    _codes: dict[bytes, AuthorizationCode] = attrs.field(factory=dict, init=False, repr=False)

    def add(self, code: AuthorizationCode, now: float) -> Secret:
        """Add a code and return its secret. Remove the codes that have expired."""
        self._codes = {key: other for key, other in self._codes.items() if now < other.expires}
        while len(self._codes) >= MOST_CODES:
            del self._codes[next(iter(self._codes))]
        secret = random_secret()
        self._codes[digest(secret)] = code
        return secret

    def use(self, secret: Secret) -> AuthorizationCode | None:
        """Mark a code as used, and return it as it was before; None if it is unknown."""
        code = self._codes.get(digest(secret))
        if code is not None:
            self._codes[digest(secret)] = attrs.evolve(code, used=True)
        return code


def is_challenge(text: str) -> bool:
    """Return whether a text has the format of a SHA-256 code challenge."""
    return _CHALLENGE.fullmatch(text) is not None


def _verifies(verifier: str, challenge: str) -> bool:
    if not _VERIFIER.fullmatch(verifier):
        return False
    hashed = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    return hmac.compare_digest(hashed, challenge.encode())
