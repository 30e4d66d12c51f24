from __future__ import annotations

import attrs
import pytest

from aiocdf.local.identity.codes import AuthorizationCode, CodeRegistry, is_challenge
from aiocdf.local.state.records import Consent, OAuthClient

CLIENT = OAuthClient(client_id="app", client_secret=None)
URI = "http://127.0.0.1:1/callback"
# The example of RFC 7636, appendix B.
VERIFIER, CHALLENGE = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
CODE = AuthorizationCode(
    consent=Consent(client_id="app", user="demo", capabilities=frozenset(), scopes=(), signed_in=0),
    redirect_uri=URI,
    challenge=CHALLENGE,
    expires=60.0,
)


def test_own_code():
    """The code is valid for its own client until it expires."""
    assert CODE.refusal(CLIENT, URI, VERIFIER, 59.9) is None


@pytest.mark.parametrize(
    ("code", "changes", "words"),
    [
        (attrs.evolve(CODE, used=True), {}, "used before"),
        (CODE, {"now": 60.0}, "expired"),
        (CODE, {"client": OAuthClient(client_id="other", client_secret=None)}, "another client"),
        (CODE, {"redirect_uri": URI + "/"}, "redirect_uri"),
        (CODE, {"verifier": VERIFIER[::-1]}, "code_verifier"),
        (CODE, {"verifier": CHALLENGE}, "code_verifier"),
        (CODE, {"verifier": ""}, "code_verifier"),
        (CODE, {"verifier": "é" * 43}, "code_verifier"),
    ],
)
def test_refusal(code, changes, words):
    """Each difference from the authorization request has its own reason."""
    asked = {"client": CLIENT, "redirect_uri": URI, "verifier": VERIFIER, "now": 0.0} | changes
    assert words in code.refusal(*asked.values())


def test_codes_are_forgotten():
    """A code is marked as used after its first use, and removed some time after it expired."""
    codes = CodeRegistry()
    secret = codes.add(CODE, 0.0)
    assert [False, True] == [codes.use(secret).used for _ in range(2)]
    codes.add(attrs.evolve(CODE, expires=120.0), 60.0)
    assert codes.use(secret) is None


@pytest.mark.parametrize(
    ("text", "can_be"), [(CHALLENGE, True), (CHALLENGE + "=", False), (CHALLENGE[:-1], False), ("+" * 43, False)]
)
def test_challenges(text, can_be):
    """A challenge is 32 bytes in base64url without padding."""
    assert is_challenge(text) is can_be
