from __future__ import annotations

import base64
import json
import subprocess
import sys
from urllib.parse import parse_qs

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from aiocdf import _clock
from aiocdf.auth import ClientCredentials
from aiocdf.errors import ConfigError, OAuthError

GOOD = {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600}
KEYS = {
    "RS256": RSAKey.generate_key(2048),
    "ES256": ECKey.generate_key("P-256"),
    "ES384": ECKey.generate_key("P-384"),
    "EdDSA": OKPKey.generate_key("Ed25519"),
}


def signer(pem: str, **changes) -> ClientCredentials:
    given = {"token_url": "https://idp.test/token", "client_id": "app", "auth_method": "private_key_jwt"}
    return ClientCredentials(client_secret=pem, **given | changes)


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
@pytest.mark.parametrize("algorithm", KEYS)
async def test_assertion(algorithm, script) -> None:
    """The request proves itself by a signature that lives for minutes and is for this endpoint; the key stays here."""
    key, transport = KEYS[algorithm], script(GOOD)
    pem = key.as_pem(private=True).decode()

    token = await signer(pem, key_header={"kid": "k1", "x5t": "thumb"}, scopes="s").fetch(transport)
    form = parse_qs(transport.requests[0].body.decode())
    assert token.secret.reveal() == "t0ken"
    assert form["client_assertion_type"] == ["urn:ietf:params:oauth:client-assertion-type:jwt-bearer"]
    assert form["scope"] == ["s"]
    assert "client_secret" not in form
    assertion = jwt.decode(form["client_assertion"][0], key, algorithms=[algorithm])
    assert {"alg": algorithm, "kid": "k1", "x5t": "thumb"}.items() <= assertion.header.items()
    assert {name: assertion.claims[name] for name in ("iss", "sub", "aud")} == {
        "iss": "app",
        "sub": "app",
        "aud": "https://idp.test/token",
    }
    assert assertion.claims["exp"] - _clock.wall() == pytest.approx(300, abs=5)


async def test_each_assertion_is_another(script) -> None:
    """Two requests have two signatures, so that an attacker cannot send one again."""
    transport = script(GOOD)
    credentials = signer(KEYS["ES256"].as_pem(private=True).decode())
    for _ in range(2):
        await credentials.fetch(transport)

    payloads = [
        json.loads(
            base64.urlsafe_b64decode(parse_qs(request.body.decode())["client_assertion"][0].split(".")[1] + "==")
        )
        for request in transport.requests
    ]
    assert payloads[0]["jti"] != payloads[1]["jti"]


@pytest.mark.parametrize(
    "pem",
    [
        "s3cr3t",
        KEYS["ES256"].as_pem(private=False).decode(),
        "-----BEGIN PRIVATE KEY-----\ns3cr3t\n-----END PRIVATE KEY-----",
    ],
    ids=["text", "public", "damaged"],
)
async def test_no_private_key(pem, script, shown) -> None:
    """A value that is not a private key is an error that does not show it."""
    with pytest.raises(ConfigError, match=r"^client_secret") as caught:
        await signer(pem).fetch(script(GOOD))
    assert "s3cr3t" not in shown(caught.value)


async def test_assertion_is_not_repeated(script) -> None:
    """What a provider says of an assertion is shown without it."""

    class Echo(type(script())):
        async def send(self, request):
            form = parse_qs(request.body.decode())
            self.answers = ((401, {"error": "invalid_client", "error_description": form["client_assertion"][0][9:]}),)
            return await super().send(request)

    with pytest.raises(OAuthError) as caught:
        await signer(KEYS["ES256"].as_pem(private=True).decode()).fetch(Echo())
    assert caught.value.description == "***"


def test_nothing_to_hand_over() -> None:
    """A key is not sent to the service, so sessions are made by exchanging the token."""
    assert signer("x").session_item() is None


def test_cryptography_is_imported_by_who_needs_it() -> None:
    """A client secret needs no cryptography, neither to make credentials nor to build a request."""
    script = (
        "import sys; from aiocdf.auth import ClientCredentials as C;"
        "C(token_url='https://idp.test', client_id='a', client_secret='b')._request();"
        "print('cryptography' in sys.modules, 'joserfc' in sys.modules)"
    )

    done = subprocess.run([sys.executable, "-P", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
