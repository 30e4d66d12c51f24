from __future__ import annotations

import asyncio

import pytest
from joserfc.jwk import ECKey

from aiocdf.auth import ClientCredentials, TokenSource
from aiocdf.errors import OAuthError
from tests.providers.conftest import API, ODD, SECRET, Provider, claims


def application(provider: Provider, **changes) -> ClientCredentials:
    """Return credentials that the provider knows."""
    given = {"token_url": provider.token_url, "client_id": ODD, "client_secret": SECRET, "scopes": "read"}
    return ClientCredentials(**given | changes)


@pytest.mark.parametrize(
    ("client_id", "auth_method"),
    [(ODD, "client_secret_post"), (f"basic {ODD}", "client_secret_basic")],
    ids=["post", "basic"],
)
async def test_characters_that_need_encoding(provider, transport, client_id, auth_method) -> None:
    """Id and secret arrive whole, however they are sent, and the token is for the audience and scope asked for."""
    credentials = application(provider, client_id=client_id, auth_method=auth_method)

    token = await credentials.fetch(transport)
    assert claims(token.secret).items() >= {"client_id": client_id, "aud": API, "scope": "read"}.items()


def signer(provider: Provider, key: ECKey) -> ClientCredentials:
    """Return credentials that sign with a key."""
    pem = key.as_pem(private=True).decode()
    return application(
        provider, client_id="signer", client_secret=pem, auth_method="private_key_jwt", key_header={"kid": "k1"}
    )


async def test_signed_assertion(provider, transport) -> None:
    """An application with a key of its own sends a signature in place of a secret, and each is another one."""
    credentials = signer(provider, provider.key)

    tokens = [await credentials.fetch(transport) for _ in range(2)]
    assert [claims(token.secret)["client_id"] for token in tokens] == ["signer"] * 2


async def test_somebody_elses_key(provider, transport) -> None:
    """A signature by another key is refused."""
    with pytest.raises(OAuthError, match="invalid_client"):
        await signer(provider, ECKey.generate_key("P-256")).fetch(transport)


async def test_wrong_secret(provider, transport) -> None:
    """A refusal says of which client, and what to check; it is not asked for twice."""
    with pytest.raises(OAuthError, match=r"invalid_client.* Check client_id and client_secret") as caught:
        await application(provider, client_secret="wr0ng").fetch(transport)

    assert (caught.value.error, caught.value.status) == ("invalid_client", 401)
    assert "wr0ng" not in str(caught.value)
    assert (await provider.stats())["requests"] == 1


async def test_hundred_callers_at_expiry(provider, transport, later, heart) -> None:
    """Statement 13: when the token has expired, a hundred callers cost one request, and the loop never stands still."""
    source = TokenSource(application(provider), transport)
    old = await source.token()
    await provider.set(before=500)
    later(3600)

    with heart:
        tokens = await asyncio.gather(*(source.token() for _ in range(100)))
    await source.aclose()
    assert len(set(map(id, tokens))) == 1
    assert tokens[0] != old
    assert (await provider.stats())["requests"] == 1
    assert heart.longest <= 0.020


async def test_hundred_callers_ahead_of_expiry(provider, transport, later, heart) -> None:
    """Shortly before its end the old token serves everybody at once, while one request brings the next one."""
    source = TokenSource(application(provider), transport)
    old = await source.token()
    await provider.set(before=500)
    later(3560)

    with heart:
        async with asyncio.timeout(0.4):
            tokens = await asyncio.gather(*(source.token() for _ in range(100)))
        while (new := await source.token()) == old:
            await asyncio.sleep(0.01)
    await source.aclose()
    assert set(tokens) == {old}
    assert new != old
    assert (await provider.stats())["requests"] == 1
    assert heart.longest <= 0.020


async def test_cancelled_caller(provider, transport) -> None:
    """Statement 13: of ten who wait for a token one gives up, and the other nine get theirs by the same request."""
    await provider.set(before=200)
    source = TokenSource(application(provider), transport)
    waiting = [asyncio.create_task(source.token()) for _ in range(10)]
    await asyncio.sleep(0.05)

    waiting[0].cancel()
    tokens = await asyncio.gather(*waiting, return_exceptions=True)
    await source.aclose()
    assert isinstance(tokens[0], asyncio.CancelledError)
    assert len(set(tokens[1:])) == 1
    assert (await provider.stats())["requests"] == 1
