from __future__ import annotations

import base64
import html
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.redaction import redact, redact_error
from aiocdf.errors import BadRequest, OAuthError
from aiocdf.secret import Secret

SECRET = 'a+b/C%d:e&f="g" ~h  i\\j'
WRITTEN = [
    SECRET,
    quote(SECRET),
    quote_plus(SECRET),
    quote(SECRET, safe="").lower(),
    html.escape(SECRET),
    json.dumps(SECRET),
    repr(SECRET),
    " ".join(SECRET.split()),
    base64.b64encode(SECRET.encode()).decode(),
]


@pytest.mark.parametrize("written", WRITTEN)
def test_every_form(written) -> None:
    """A secret is found in each encoding in which an answer may repeat it."""
    text = redact(f"the value {written} is wrong", [Secret(SECRET)])

    assert text.replace('"', "").replace("'", "").replace("\\", "") == "the value *** is wrong"


@pytest.mark.parametrize("part", [slice(None, 20), slice(20, None), slice(10, 30)])
def test_part_of_a_secret(part) -> None:
    """An answer that was cut within a secret does not show the rest of it."""
    secret = "0123456789abcdefghijklmnopqrstuvwxyz-ABC"

    assert redact(f"value '{secret[part]}'", [Secret(secret)]) == "value '***'"


def test_other_text_stays() -> None:
    """Other text is shown, and a value of a few letters does not redact words."""
    text = "AADSTS7000215: Invalid client secret provided"

    assert redact(text, [Secret("s3cr3t"), Secret(""), Secret("id"), Secret("client-app")]) == text


def test_short_secret() -> None:
    """A short secret is found as a whole, each time."""
    assert redact("s3cr3t, S3CR3T and s3cr3", [Secret("s3cr3t")]) == "***, *** and s3cr3"


def test_token_of_somebody_else() -> None:
    """Text that looks like a JWT is not shown, from any sender."""
    assert redact("bad token eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln!", []) == "bad token ***!"


@given(st.text(min_size=4), st.text(), st.text())
def test_any_secret(secret, before, after) -> None:
    """Whatever a secret is made of, it is not in what comes out."""
    assert (
        secret == "***"[: len(secret)]
        or secret not in redact(f"{before}{secret}{after}", [Secret(secret)])
        or set(secret) <= {"*"}
    )


def test_error() -> None:
    """An error loses the secret from its message and from every attribute."""
    secret = "s3cr3t-value-of-a-client"
    error = BadRequest(
        f"bad {secret}",
        status=400,
        detail=f"detail {secret}",
        missing=[{"id": 1, secret: [secret, {"deep": secret}]}],
        request_id=secret,
    )
    shown = redact_error(error, [Secret(secret)])

    assert shown is error
    assert secret not in f"{error!r}{vars(error)}"
    assert (str(error), error.status, error.missing[0]["id"]) == ("bad ***", 400, 1)


def test_provider_error() -> None:
    """A code and a description lose it too."""
    error = redact_error(OAuthError("x", error="s3cr3t", description="d s3cr3t"), [Secret("s3cr3t")])

    assert (error.error, error.description) == ("***", "d ***")
