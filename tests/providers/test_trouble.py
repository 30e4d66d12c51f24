"""A token endpoint on its bad days."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf import _clock
from aiocdf.auth import ClientCredentials, TokenSource
from aiocdf.errors import AuthError, OAuthError
from tests.providers.conftest import ODD, SECRET


@pytest.fixture
def source(provider, transport, monkeypatch) -> TokenSource:
    """A token source that takes no pauses between two tries."""
    monkeypatch.setattr(_clock, "jitter", lambda low, _high: low)
    return TokenSource(
        ClientCredentials(token_url=provider.token_url, client_id=ODD, client_secret=SECRET, scopes="read"), transport
    )


async def ask(source: TokenSource, callers: int) -> list[object]:
    """Return what so many callers at once get."""
    return await asyncio.gather(*(source.token() for _ in range(callers)), return_exceptions=True)


async def test_hung(provider, source, heart) -> None:
    """An endpoint that never answers holds nobody longer than they care to wait, and not the end of the client either."""
    await provider.set(before=3_600_000)

    with heart:
        waited = [asyncio.create_task(asyncio.wait_for(source.token(), 0.2)) for _ in range(20)]
        outcomes = await asyncio.gather(*waited, return_exceptions=True)
        async with asyncio.timeout(0.2):
            await source.aclose()
    assert {type(outcome) for outcome in outcomes} == {TimeoutError}
    assert (await provider.stats())["requests"] == 1
    assert heart.longest <= 0.020


async def test_slow_past_patience(provider, source) -> None:
    """Who gives up on a slow endpoint loses nothing: the next caller gets the token of the same request."""
    await provider.set(before=300)

    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.token(), 0.1)
    await source.token()
    await source.aclose()
    assert (await provider.stats())["requests"] == 1


async def test_passing_503s(provider, source) -> None:
    """An endpoint that fails twice is asked three times, for everybody together."""
    await provider.set(instead={"status": 503, "body": "busy"}, times=2)

    outcomes = await ask(source, 20)
    await source.aclose()
    assert len(set(outcomes)) == 1
    assert (await provider.stats())["requests"] == 3


async def test_lasting_503s(provider, source) -> None:
    """An endpoint that goes on failing is asked three times; then all know, each by an error of their own."""
    await provider.set(instead={"status": 503, "type": "text/html", "body": "<h1>busy</h1>"})

    outcomes = await ask(source, 20)
    await source.aclose()
    assert {type(outcome) for outcome in outcomes} == {OAuthError}
    assert len({id(outcome) for outcome in outcomes}) == 20
    assert "refused with HTTP 503" in str(outcomes[0])
    assert "try again later" in str(outcomes[0])
    assert (await provider.stats())["requests"] == 3


@pytest.mark.parametrize("body", ["<html>Sign in to the Wi-Fi</html>", "{}", "[]", '"token"', ""])
async def test_answers_that_are_none(provider, source, body) -> None:
    """A page, or JSON without a token, is an error that says which endpoint it came from; it is not asked for twice."""
    await provider.set(instead={"status": 200, "type": "text/html", "body": body})

    with pytest.raises(AuthError) as caught:
        await source.token()
    await source.aclose()
    assert provider.token_url in str(caught.value)
    assert (await provider.stats())["requests"] == 1


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [("3600", 3600), ("3600.0", 3600), (None, 300), ("soon", 300), (20, 20), (1, 1)],
    ids=["text", "text of a float", "absent", "no number", "short", "shorter than any margin"],
)
async def test_expiry_in_all_ways(provider, source, later, expires_in, life) -> None:
    """However long a token lives, it serves twenty callers, and twenty more once it has expired cost one request."""
    await provider.set(changes={"expires_in": expires_in})

    first = await ask(source, 20)
    assert (await provider.stats())["requests"] == 1
    later(life)
    second = await ask(source, 20)
    await source.aclose()
    assert len(set(first)) == len(set(second)) == 1
    assert first[0] != second[0]
    assert (await provider.stats())["requests"] == 2


@pytest.mark.parametrize("expires_in", [0, -1])
async def test_expired_when_it_came(provider, source, expires_in) -> None:
    """A token that is of no use is an error, and not asked for by each of twenty callers."""
    await provider.set(changes={"expires_in": expires_in})

    outcomes = await ask(source, 20)
    await source.aclose()
    assert {type(outcome) for outcome in outcomes} == {OAuthError}
    assert "expires_in" in str(outcomes[0])
    assert (await provider.stats())["requests"] == 1
