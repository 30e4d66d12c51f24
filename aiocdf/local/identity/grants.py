"""Handles the token requests of clients, with one method for each grant type."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf.local.identity.devices import ERRORS
from aiocdf.local.identity.oauth import OAuthProblem, grants_api_access, read_scopes, required
from aiocdf.local.state.records import Access
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiocdf.local.identity.codes import CodeRegistry
    from aiocdf.local.identity.devices import DeviceRegistry
    from aiocdf.local.identity.id_tokens import Signer
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Consent, OAuthClient

__all__ = ["GRANT_TYPES", "GrantHandlers"]

Form = dict[str, str]
Tokens = dict[str, Any]


@attrs.frozen(kw_only=True)
class GrantHandlers:
    """Checks the grant in a token request, and returns the response of the token endpoint.

    Args:
        issuer: Issues the tokens.
        codes: The authorization codes.
        devices: The devices that wait for their users.
        signer: Signs the id tokens.
        limits: The lifetimes of tokens.
        url: The URL of the server.
    """

    issuer: Issuer
    codes: CodeRegistry
    devices: DeviceRegistry
    signer: Signer
    limits: Limits
    url: str

    async def client_credentials(self, client: OAuthClient, form: Form) -> Tokens:
        """Return an access token for the client itself (RFC 6749, section 4.4)."""
        if client.public:
            raise OAuthProblem(
                400, "unauthorized_client", f"{client.client_id!r} has no secret: use a grant in which a user signs in"
            )
        scopes = read_scopes(form.get("scope"), client, self.url)
        capabilities = client.capabilities if grants_api_access(scopes, self.url) else frozenset[str]()
        access = Access(client_id=client.client_id, capabilities=capabilities, expires=self._expiry())
        return await self._access_token(access, scopes)

    async def authorization_code(self, client: OAuthClient, form: Form) -> Tokens:
        """Return the tokens for an authorization code (RFC 6749, section 4.1.3)."""
        secret, redirect_uri, verifier = (required(form, name) for name in ("code", "redirect_uri", "code_verifier"))
        code = self.codes.use(Secret(secret))
        if code is None:
            raise OAuthProblem(400, "invalid_grant", "The code is unknown or has expired: sign in again")
        if reason := code.refusal(client, redirect_uri, verifier, time.time()):
            # If the code was used before, an attacker may have its tokens (RFC 6749, section 4.1.2).
            await self.issuer.end_consent(code.consent)
            raise OAuthProblem(400, "invalid_grant", reason)
        return await self._user_tokens(code.consent, code.consent.scopes)

    async def refresh_token(self, client: OAuthClient, form: Form) -> Tokens:
        """Return new tokens for a refresh token, which is valid only once (RFC 6749, section 6)."""
        token = Secret(required(form, "refresh_token"))
        consent = await self.issuer.consent_of(token, client)
        if consent is None:
            raise OAuthProblem(400, "invalid_grant", "The refresh token is unknown or has expired: sign in again")
        scopes = tuple(form["scope"].split()) if "scope" in form else consent.scopes
        if not set(scopes) <= set(consent.scopes):
            raise OAuthProblem(400, "invalid_scope", f"The user allowed only {' '.join(consent.scopes)}")
        if not await self.issuer.use_refresh_token(token):
            # Two clients use the token, so one of them is an attacker (RFC 9700, section 4.14.2).
            await self.issuer.end_consent(consent)
            raise OAuthProblem(400, "invalid_grant", "The refresh token was used before: sign in again")
        return await self._user_tokens(consent, scopes)

    async def device_code(self, client: OAuthClient, form: Form) -> Tokens:
        """Return the tokens for a device code after the user's consent (RFC 8628, section 3.4)."""
        secret = Secret(required(form, "device_code"))
        device = self.devices.find(secret)
        if device is None or device.client.client_id != client.client_id:
            raise OAuthProblem(
                400, "invalid_grant", "The device code is unknown or was used before: request a new code"
            )
        consent = device.poll(time.time())
        if isinstance(consent, str):
            raise OAuthProblem(400, consent, ERRORS[consent])
        self.devices.remove(secret)
        return await self._user_tokens(consent, consent.scopes)

    async def _user_tokens(self, consent: Consent, scopes: tuple[str, ...]) -> Tokens:
        """Return an access token for a user, and the other tokens that the scopes request."""
        access = Access(
            client_id=consent.client_id,
            user=consent.user,
            capabilities=consent.capabilities if grants_api_access(scopes, self.url) else frozenset[str](),
            expires=self._expiry(),
            consent_id=consent.id,
        )
        answer = await self._access_token(access, scopes)
        if "offline_access" in consent.scopes:
            refresh_token = await self.issuer.issue_refresh_token(consent, self.limits.refresh_seconds)
            answer["refresh_token"] = refresh_token.reveal()
        if "openid" in scopes:
            answer["id_token"] = await self.signer.id_token(consent, self.limits.token_seconds)
        return answer

    async def _access_token(self, access: Access, scopes: tuple[str, ...]) -> Tokens:
        token = await self.issuer.issue(access)
        return {
            "access_token": token.reveal(),
            "token_type": "Bearer",
            "expires_in": int(self.limits.token_seconds),
            "scope": " ".join(scopes),
        }

    def _expiry(self) -> float:
        return time.time() + self.limits.token_seconds


GRANT_TYPES = {
    "client_credentials": GrantHandlers.client_credentials,
    "authorization_code": GrantHandlers.authorization_code,
    "refresh_token": GrantHandlers.refresh_token,
    "urn:ietf:params:oauth:grant-type:device_code": GrantHandlers.device_code,
}
