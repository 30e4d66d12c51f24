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


@pytest.mark.parametrize("expires_in", [0, "0", -1, -0.5, "-60", -math.inf], ids=repr)
def test_expired_when_it_came(expires_in) -> None:
    """A token whose life is over is of no use, and the error says so."""
    error = read(GOOD | {"expires_in": expires_in})

    assert isinstance(error, OAuthError)
    assert "expires_in of 0 or below" in str(error)
    assert not error.passing


@pytest.mark.parametrize("sign", [b"", b"-"])
def test_number_of_thousands_of_digits(sign) -> None:
    """A whole number that Python does not make an int of is a number, and the answer is JSON."""
    outcome = read(b'{"access_token": "t", "token_type": "bearer", "expires_in": %b%b}' % (sign, b"1" * 5000))

    assert "not JSON" not in str(outcome)
    assert outcome.life == 300.0 if sign == b"" else "expires_in" in str(outcome)


@pytest.mark.parametrize("status", [201, 203, 299])
def test_other_success(status) -> None:
    """A token is taken with any status of success."""
    assert read(GOOD, status).secret == Secret("t0ken")


def test_expiry_absent() -> None:
    """A token without a lifetime in the answer is valid for five minutes."""
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
    """A token's expiry is in wall-clock time; a token without a known lifetime never expires."""
    assert read(GOOD).expires_at == 5000.0 + 3600.0
    assert AccessToken(secret=Secret("t"), asked_at=0.0, asked_at_wall=5000.0).expires_at == math.inf


@pytest.mark.parametrize(("given", "kept"), [("r3fresh", Secret("r3fresh")), ("", None), (None, None), (7, None)])
def test_refresh_token(given, kept) -> None:
    """A refresh token is wrapped where there is one."""
    assert read(GOOD | {"refresh_token": given}).refresh_token == kept


def test_refresh_in_is_honoured() -> None:
    """An issuer's own word on when to renew goes before our margin."""
    assert read(GOOD | {"refresh_in": 1800}).renew_after == 1800.0


@pytest.mark.parametrize(("life", "soonest"), [(3600, 60.0), (240, 60.0), (20, 5.0)])
def test_refresh_in_is_bounded(life, soonest) -> None:
    """An issuer cannot make a client ask with each call."""
    for refresh_in in (0.001, "1e-9"):
        assert read(GOOD | {"expires_in": life, "refresh_in": refresh_in}).renew_after == soonest


@pytest.mark.parametrize(("now", "wall", "age"), [(130, 5030, 30), (130, 9000, 4000), (130, 1000, 30)])
def test_age_is_of_the_clock_that_saw_more(now, wall, age) -> None:
    """A laptop's sleep shows on the wall clock only, and a wall clock set back makes no token younger."""
    assert read(GOOD).age(now, wall) == age


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (GOOD | {"token_type": "mac"}, "a token_type other than Bearer"),
        (GOOD | {"token_type": ["Bearer"]}, "a token_type other than Bearer"),
        (GOOD | {"token_type": None}, "no token_type"),
        ({"access_token": "t0ken"}, "no token_type"),
        ({"token_type": "bearer"}, "no access_token"),
        (GOOD | {"access_token": None}, "no access_token"),
        (GOOD | {"access_token": 5}, "an access_token that is not one word"),
        (GOOD | {"access_token": ["t0ken"]}, "an access_token that is not one word"),
        (GOOD | {"access_token": "t0ken t0ken"}, "an access_token that is not one word"),
        (GOOD | {"access_token": "t0ken\r\nX-Evil: 1"}, "an access_token that is not one word"),
        (GOOD | {"access_token": ""}, "an access_token that is not one word"),
    ],
)
def test_no_bearer_token(body, fault) -> None:
    """Statements 18 and 28: a member that is missing or odd is named, and no value is quoted."""
    error = read(body)

    assert isinstance(error, OAuthError)
    assert str(error).startswith(f"no token for app: the answer has {fault}")
    assert "t0ken" not in f"{error!r}{vars(error)}"


PAGE = {"content-type": "text/html"}
NO_ANSWERS = [
    (b"<html>", PAGE, "an HTML page"),
    (b"Blocked by policy 7", {}, "text that is not JSON"),
    (b"[]", {}, "other JSON"),
    (b"{}", {}, "other JSON"),
    (b"null", {}, "other JSON"),
    (b"\xff\xfe", {}, "text that is not JSON"),
    (b"[" * 100_000, {}, "JSON that is nested too deeply"),
    (b"1" * 5000, {}, "other JSON"),
]


@pytest.mark.parametrize(("body", "headers", "came"), [*NO_ANSWERS, (b"", {}, "empty"), (b" \n", {}, "empty")])
def test_no_token_at_all(body, headers, came) -> None:
    """An answer of success without a token is an error that names the request, and what came instead."""
    error = read(body, 200, **headers)

    assert str(error) == (
        f"no token for app: the answer is {came} instead of a JSON object with a token."
        " Check that token_url is of an OAuth 2.0 token endpoint."
    )
    assert (error.error, error.status) == (None, 200)


@pytest.mark.parametrize(("body", "headers", "came"), [*NO_ANSWERS, (b'{"message": "no"}', {}, "other JSON")])
def test_gateway_in_place_of_a_provider(body, headers, came) -> None:
    """A refusal without an OAuth error code is called what it is."""
    error = read(body, 403, **headers)

    assert f"HTTP 403: no OAuth error code, but {came}: a web page or a gateway answered instead of" in str(error)
    assert (error.error, error.status) == (None, 403)


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403, 404])
def test_page_passes_where_tokens_came_from(status) -> None:
    """A page instead of an answer is temporary if the endpoint has given tokens; before that, the address may be wrong."""
    for body, passes in ((b"<html>", True), (b"", False), (b'{"error": "invalid_client"}', False)):
        response = Response(status=status, headers={}, body=body, sent_at=0.0, received_at=0.0)
        for proven in (False, True):
            error = read_token_response(response, what="x", asked_at_wall=0.0, proven=proven)
            assert error.passing is (proven and passes)


def test_refusal_by_status_200() -> None:
    """Some providers refuse by status 200, with an error code."""
    assert read({"error": "invalid_scope"}).error == "invalid_scope"


def test_status_counts() -> None:
    """A token in an error answer is not used."""
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
        (429, None, "request rate"),
        (503, None, "is failing"),
    ],
)
def test_refusal_says_what_to_do(status, error, advice) -> None:
    """A refusal keeps code, description and status, and says what to do next."""
    refusal = read({"error": error, "error_description": "because"}, status)

    assert (refusal.error, refusal.description, refusal.status) == (error, "because", status)
    assert advice in str(refusal)


def test_description_is_cleaned() -> None:
    """Statement 21: the provider's text is one line of at most 1,000 characters, without control characters."""
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
