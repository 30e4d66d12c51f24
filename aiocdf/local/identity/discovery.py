"""The discovery documents of the local identity provider (RFC 8414, and OpenID Connect Discovery)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiocdf.local.http.application import Route
from aiocdf.local.identity.grants import GRANT_TYPES
from aiocdf.local.identity.id_tokens import ALGORITHM
from aiocdf.local.identity.oauth import (
    AUTHORIZE_PATH,
    DEVICE_AUTHORIZATION_PATH,
    JWKS_PATH,
    REVOKE_PATH,
    TOKEN_PATH,
)
from aiocdf.local.state.records import ALL_SCOPES, API_SCOPES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.identity.id_tokens import Signer

__all__ = ["DISCOVERY_PATH", "DiscoveryEndpoints"]

DISCOVERY_PATH = "/.well-known/openid-configuration"
CLIENT_PROOFS = ("client_secret_basic", "client_secret_post", "none")


@attrs.frozen
class DiscoveryEndpoints:
    """The documents from which clients configure themselves."""

    url: str
    signer: Signer

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("GET", DISCOVERY_PATH, self.metadata, None)
        yield Route("GET", "/.well-known/oauth-authorization-server", self.metadata, None)
        yield Route("GET", JWKS_PATH, self.keys, None)

    async def metadata(self, _: web.Request) -> web.Response:
        """Return the URLs of the endpoints and the features that they support."""
        return web.json_response(_metadata(self.url))

    async def keys(self, _: web.Request) -> web.Response:
        """Return the keys that id tokens are signed with."""
        return web.json_response(await self.signer.public_keys())


def _metadata(url: str) -> dict[str, Any]:
    return {
        "issuer": url,
        "authorization_endpoint": url + AUTHORIZE_PATH,
        "token_endpoint": url + TOKEN_PATH,
        "device_authorization_endpoint": url + DEVICE_AUTHORIZATION_PATH,
        "revocation_endpoint": url + REVOKE_PATH,
        "jwks_uri": url + JWKS_PATH,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": list(GRANT_TYPES),
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": CLIENT_PROOFS,
        "revocation_endpoint_auth_methods_supported": CLIENT_PROOFS,
        "scopes_supported": sorted({f"{url}/{scope}" for scope in API_SCOPES} | ALL_SCOPES),
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": ["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "name", "preferred_username"],
        "authorization_response_iss_parameter_supported": True,
        # The default of OpenID Connect is true.
        "request_uri_parameter_supported": False,
    }
