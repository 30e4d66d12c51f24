from __future__ import annotations

from urllib.parse import urlencode

import pytest

from aiocdf.auth.oauth.provider import Provider
from aiocdf.auth.oauth.redirect import read_redirect
from aiocdf.errors import OAuthError
from aiocdf.secret import Secret

ISSUER = "https://idp.test"
PROVIDER = Provider(token_url=f"{ISSUER}/token", issuer=ISSUER)
NAMED = Provider(token_url=f"{ISSUER}/token", issuer=ISSUER, names_itself=True)


def read(provider=PROVIDER, **answer):
    return read_redirect(urlencode(answer), state="s7ate", provider=provider)


def test_code() -> None:
    """The code of an answer to our own request is wrapped at once."""
    assert read(code="c0de", state="s7ate") == Secret("c0de")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "code=c0de",
        "code=c0de&state=",
        "code=c0de&state=other",
        "code=c0de&state=s7at%C3%A9",
        "error=access_denied&state=other",
        "error=access_denied",
        "code=c0de&state=s7ate&state=s7ate",
        "code=c0de&code=other&state=s7ate",
        "code=c0de&state=s7ate" + "&a=b" * 100,
    ],
)
def test_strangers(query) -> None:
    """Statements 3 and 4: without our state, or with anything said twice, an answer is none: no code, and no error either."""
    assert read_redirect(query, state="s7ate", provider=PROVIDER) is None


@pytest.mark.parametrize("provider", [PROVIDER, NAMED])
def test_answer_of_the_provider(provider) -> None:
    """Statement 5: an answer that bears the provider's own name is good."""
    assert read(provider, code="c0de", state="s7ate", iss=ISSUER) == Secret("c0de")


@pytest.mark.parametrize(
    ("provider", "name"),
    [(PROVIDER, {"iss": "https://evil.test"}), (NAMED, {"iss": f"{ISSUER}/"}), (NAMED, {}), (NAMED, {"iss": ""})],
)
def test_answer_of_another_provider(provider, name) -> None:
    """Statement 5: a name that is present is compared, and one that the provider always gives must be there."""
    outcome = read(provider, code="c0de", state="s7ate", **name)

    assert isinstance(outcome, OAuthError)
    assert f"not from {ISSUER}" in str(outcome)
    assert "c0de" not in f"{outcome}{vars(outcome)}"


def test_nothing_to_compare_with() -> None:
    """Where only addresses were given, a provider may call itself what it likes."""
    assert read(Provider(token_url="https://idp.test/token"), code="c0de", state="s7ate", iss="x") == Secret("c0de")


def test_refusal() -> None:
    """Statement 21: the provider's words are cut to one clean line."""
    outcome = read(error="access_denied", error_description="no\r\n\x1b[31mway" + "x" * 5000, state="s7ate")

    assert isinstance(outcome, OAuthError)
    assert (outcome.error, outcome.description[:10]) == ("access_denied", "no [31mway")
    assert len(str(outcome)) < 1200


@pytest.mark.parametrize("answer", [{}, {"code": ""}])
def test_neither_code_nor_error(answer) -> None:
    """An answer that says nothing ends the sign-in with an error."""
    assert "neither a code nor an error" in str(read(state="s7ate", **answer))
