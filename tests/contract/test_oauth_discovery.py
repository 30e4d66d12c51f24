"""The discovery document of the identity provider, and its signatures."""

from __future__ import annotations

import asyncio
import time

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet


async def get(app, path):
    async with app.session.get(app.server.url + path) as response:
        assert 200 == response.status
        return await response.json()


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/.well-known/oauth-authorization-server"])
async def test_metadata(app, path):
    """The document has the issuer, and the data that clients need for sign-ins."""
    document = await get(app, path)
    assert document["issuer"] == app.server.url
    assert document["code_challenge_methods_supported"] == ["S256"]
    assert document["authorization_response_iss_parameter_supported"] is True
    assert {"authorization_code", "client_credentials", "refresh_token"} < set(document["grant_types_supported"])
    assert f"{app.server.url}/.default" in document["scopes_supported"]


async def test_every_endpoint_is_there(app):
    """Each URL in the document exists."""
    document = await get(app, "/.well-known/openid-configuration")
    for name, url in document.items():
        if name.endswith("_endpoint"):
            method = "GET" if name == "authorization_endpoint" else "POST"
            assert 404 != (await app.browse(method, url)).status, name


async def test_id_token(app):
    """The scope openid returns an id token with user, client, time and nonce, signed by the published key."""
    tokens = await app.sign_in(scope="openid profile", nonce="n-0S6")
    keys = await get(
        app, (await get(app, "/.well-known/openid-configuration"))["jwks_uri"].removeprefix(app.server.url)
    )
    token = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"])
    claims = token.claims
    expected = {"iss": app.server.url, "sub": "demo", "aud": "aiocdf", "nonce": "n-0S6", "preferred_username": "demo"}
    assert expected.items() <= claims.items()
    assert claims["auth_time"] <= claims["iat"] <= time.time() < claims["exp"]
    assert token.header["kid"] == keys["keys"][0]["kid"]


async def test_keys_are_public(app):
    """The key set has one public key, which does not change."""
    first, *others = await asyncio.gather(*(get(app, "/oauth2/jwks") for _ in range(5)))
    (key,) = first["keys"]
    assert set(key) == {"kty", "n", "e", "kid", "use", "alg"}
    assert others == [first] * 4


@pytest.mark.parametrize("flow", ["interactive", "device_code"])
async def test_environment(server, flow):
    """The environment for users has the URL of the document and a client without a secret."""
    known = server.environment(flow)
    assert known["LOGIN_FLOW"] == flow
    assert known["IDP_DISCOVERY_URL"] == f"{server.url}/.well-known/openid-configuration"
    assert known["IDP_CLIENT_ID"] == "aiocdf"
    assert "IDP_CLIENT_SECRET" not in known
