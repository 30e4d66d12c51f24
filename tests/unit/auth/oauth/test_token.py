from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.http import Response
from aiocdf.auth.oauth.token import AccessToken, clean, read_seconds, read_token_response, refusal
from aiocdf.errors import OAuthError
from aiocdf.secret import Secret

GOOD = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600}


def read(body, status=200, **headers):
    encoded = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = Response(status=status, headers=headers, body=encoded, sent_at=100.0, received_at=101.0)
    return read_token_response(response, what="no token for app", asked_at_wall=5000.0)


def test_good_answer() -> None:
    """A token's age counts from before its request was sent, by both clocks."""
    token = read(GOOD)

    assert token == AccessToken(
        secret=Secret("t0ken"),
        asked_at=100.0,
        asked_at_wall=5000.0,
        renew_after=3540.0,
        stale_after=3590.0,
        life=3600.0,
    )


@pytest.mark.parametrize("kind", ["Bearer", "bearer", "BEARER"])
def test_bearer_in_any_case(kind) -> None:
    """The token type counts in any case (RFC 6749 section 5.1)."""
    assert isinstance(read(GOOD | {"token_type": kind}), AccessToken)


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (60, 60),
        ("60", 60),
        ("60.5", 60.5),
        (60.5, 60.5),
        (0, 300),
        (-5, 300),
        ("soon", 300),
        (None, 300),
        (True, 300),
        ([], 300),
        ({}, 300),
        (math.nan, 300),
        (math.inf, 300),
        (10**400, 300),
    ],
    ids=lambda value: f"{value!r:.10}",
)
def test_expiry_as_issuers_send_it(expires_in, life) -> None:
    """Seconds come as number or text; what says nothing usable counts as five minutes, never as for ever."""
    token = read(GOOD | {"expires_in": expires_in})

    assert token.stale_after == pytest.approx(life - min(10, 0.05 * life))


def test_expiry_absent() -> None:
    """An answer that does not tell the token's life counts as five minutes."""
    assert read({"access_token": "t", "token_type": "bearer"}).stale_after == 290.0


@pytest.mark.parametrize(
    ("life", "renew", "stale"), [(3600, 3540, 3590), (240, 180, 230), (20, 15, 19), (1, 0.75, 0.95)]
)
def test_margins_scale(life, renew, stale) -> None:
    """The margins are 60 s and 10 s, and for a short life a quarter and a twentieth of it."""
    token = AccessToken.lasting(Secret("t"), life, asked_at=0, asked_at_wall=0)

    assert (token.renew_after, token.stale_after) == (pytest.approx(renew), pytest.approx(stale))


@given(st.floats(min_value=1e-3, max_value=1e9), st.none() | st.floats(min_value=1e-3, max_value=1e9))
def test_margins_are_ordered(life, renew_in) -> None:
    """Whatever the issuer says, a token is used for some time, and renewed no later than it goes stale."""
    token = AccessToken.lasting(Secret("t"), life, asked_at=0, asked_at_wall=0, renew_in=renew_in)

    assert 0 < token.renew_after <= token.stale_after < life


def test_expiry_on_the_wall() -> None:
    """Users are told when a token expires by the clock on their wall; a token of no known life never does."""
    assert read(GOOD).expires_at == 5000.0 + 3600.0
    assert AccessToken(secret=Secret("t"), asked_at=0.0, asked_at_wall=5000.0).expires_at == math.inf


@pytest.mark.parametrize(("given", "kept"), [("r3fresh", Secret("r3fresh")), ("", None), (None, None), (7, None)])
def test_refresh_token(given, kept) -> None:
    """A refresh token is wrapped where there is one."""
    assert read(GOOD | {"refresh_token": given}).refresh_token == kept


def test_refresh_in_is_honoured() -> None:
    """An issuer's own word on when to renew goes before our margin."""
    assert read(GOOD | {"refresh_in": 1800}).renew_after == 1800.0


@pytest.mark.parametrize(("now", "wall", "age"), [(130, 5030, 30), (130, 9000, 4000), (130, 1000, 30)])
def test_age_is_of_the_clock_that_saw_more(now, wall, age) -> None:
    """A laptop's sleep shows on the wall clock only, and a wall clock set back makes no token younger."""
    assert read(GOOD).age(now, wall) == age


@pytest.mark.parametrize(
    "body",
    [
        GOOD | {"token_type": "mac"},
        GOOD | {"token_type": None},
        {"access_token": "t0ken"},
        GOOD | {"access_token": "two words"},
        GOOD | {"access_token": "line\r\nX-Evil: 1"},
        GOOD | {"access_token": ""},
    ],
)
def test_no_bearer_token(body) -> None:
    """Statement 28: what is no bearer token, or cannot stand in a header, is refused without being quoted."""
    error = read(body)

    assert isinstance(error, OAuthError)
    assert "no bearer token" in str(error)
    assert "t0ken" not in f"{error!r}{vars(error)}"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"null", b"{}", b'"t"', b"\xff\xfe", b"[" * 100_000, {"access_token": 5}]
)
@pytest.mark.parametrize("status", [200, 400])
def test_no_token_at_all(body, status) -> None:
    """An answer without a token is an error that names what was asked for, whatever its body is."""
    error = read(body, status)

    assert isinstance(error, OAuthError)
    said = "the answer holds no bearer token" if status == 200 else "refused with HTTP 400: no OAuth error code"
    assert str(error).startswith(f"no token for app: {said}")
    assert (error.error, error.status) == (None, status)


def test_page_instead_of_a_token() -> None:
    """A web page by status 200 is no refusal, but a matter of the address."""
    assert str(read(b"<html>", **{"content-type": "text/html"})) == (
        "no token for app: the answer is an HTML page, no JSON. Check that token_url is of an OAuth 2.0 token endpoint."
    )


def test_refusal_by_status_200() -> None:
    """Some providers refuse by status 200, with an error code."""
    assert read({"error": "invalid_scope"}).error == "invalid_scope"


def test_status_counts() -> None:
    """A token in an answer that is no success is not taken."""
    assert isinstance(read(GOOD, status=400), OAuthError)


@pytest.mark.parametrize(
    ("status", "error", "advice"),
    [
        (401, "invalid_client", "Check client_id and client_secret"),
        (400, "unauthorized_client", "Allow this application"),
        (400, "invalid_scope", "Check scopes"),
        (400, "invalid_target", "Check audience and resource"),
        (400, "unsupported_grant_type", "OAuth 2.0 token endpoint"),
        (400, "something_else", "Check token_url"),
        (403, None, "Check client_id and client_secret"),
        (307, None, "Redirects are not followed"),
        (404, None, "Check token_url"),
        (429, None, "fewer requests"),
        (503, None, "is failing"),
    ],
)
def test_refusal_says_what_to_do(status, error, advice) -> None:
    """A refusal keeps code, description and status, and says what to do next."""
    refusal = read({"error": error, "error_description": "because"}, status)

    assert (refusal.error, refusal.description, refusal.status) == (error, "because", status)
    assert advice in str(refusal)


def test_description_is_cleaned() -> None:
    """Statement 21: the provider's text is one line of 1,000 characters at the most, without control characters."""
    said = "AADSTS7000215:\r\nInvalid\x1b[31m \u202esecret\x00. " + "x" * 5000

    refusal = read({"error": "invalid_client", "error_description": said}, 401)
    assert refusal.description.startswith("AADSTS7000215: Invalid [31m secret . xxx")
    assert len(refusal.description) == 1000
    assert str(refusal).isprintable()


@given(st.text())
def test_clean_text_is_printable(text) -> None:
    """Whatever another party says fits on one line of a terminal."""
    cleaned = clean(text)

    assert cleaned is None or (cleaned.isprintable() and 0 < len(cleaned) <= 1000)


@given(st.one_of(st.integers(), st.floats(), st.text(), st.booleans(), st.none(), st.binary()))
def test_seconds_are_positive_and_finite(value) -> None:
    """Nothing that an issuer sends makes a life that is negative, endless or no number."""
    seconds = read_seconds(value)

    assert seconds is None or 0 < seconds < math.inf


def test_repr_shows_no_token() -> None:
    """Statement 16: a token does not show itself."""
    token = read(GOOD)

    assert "t0ken" not in f"{token!r} {token}"


@pytest.mark.parametrize(
    ("url", "error", "local"),
    [
        ("http://127.0.0.1:8080/token", "invalid_client", True),
        ("http://localhost:8080/token", "invalid_client", True),
        ("http://[::1]:8080/token", None, True),
        ("http://127.0.0.1:8080/token", "invalid_scope", False),
        ("https://localhost.test/token", "invalid_client", False),
        ("https://issuer.test/token", "invalid_client", False),
    ],
)
def test_secret_of_an_earlier_run(url, error, local) -> None:
    """On loopback, a client that is refused may have the secret of an earlier run of the local server."""
    refused = refusal(401, {"error": error} if error else {}, f"no access token (POST {url})")

    assert ("`aiocdf serve` started again" in str(refused)) is local
