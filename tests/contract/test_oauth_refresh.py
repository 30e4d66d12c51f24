"""Refresh tokens: each is valid once, and a repeated one ends the sign-in."""

from __future__ import annotations

import asyncio

import pytest

from aiocdf.local import Limits, OAuthClient, serve


async def test_rotation(app):
    """A refresh token returns a new access token and a new refresh token, repeatedly."""
    tokens = await app.sign_in()
    for _ in range(3):
        answer = await app.refresh(tokens["refresh_token"])
        assert 200 == answer.status
        assert answer.body["refresh_token"] != tokens["refresh_token"]
        tokens = answer.body
        assert 200 == await app.opens(tokens["access_token"])


async def test_reuse(app):
    """A repeated refresh token revokes all tokens of its sign-in, and none of another."""
    first, other = await app.sign_in(), await app.sign_in()
    second = (await app.refresh(first["refresh_token"])).body
    again = await app.refresh(first["refresh_token"])
    assert (400, "invalid_grant") == (again.status, again.body["error"])
    assert 400 == (await app.refresh(second["refresh_token"])).status
    assert [401, 401] == [await app.opens(tokens["access_token"]) for tokens in (first, second)]
    assert 200 == await app.opens(other["access_token"])
    assert 200 == (await app.refresh(other["refresh_token"])).status


async def test_concurrent_reuse(app):
    """Of many concurrent refreshes with one token, at most one succeeds."""
    tokens = await app.sign_in()
    answers = await asyncio.gather(*(app.refresh(tokens["refresh_token"]) for _ in range(10)))
    assert [200] + 9 * [400] == sorted(answer.status for answer in answers)


async def test_narrower(app):
    """A refresh may request fewer scopes, and the next one all scopes again."""
    tokens = await app.sign_in(scope=f"{app.server.url}/.default profile offline_access")
    fewer = await app.refresh(tokens["refresh_token"], scope="profile")
    assert ("profile", 403) == (fewer.body["scope"], await app.opens(fewer.body["access_token"]))
    assert tokens["scope"] == (await app.refresh(fewer.body["refresh_token"])).body["scope"]


async def test_wider(app):
    """A refresh for more scopes than the user allowed is rejected, and the token stays valid."""
    tokens = await app.sign_in()
    answer = await app.refresh(tokens["refresh_token"], scope="openid")
    assert (400, "invalid_scope") == (answer.status, answer.body["error"])
    assert 200 == (await app.refresh(tokens["refresh_token"])).status


async def test_of_another_client(app):
    """The refresh token of another client is rejected, and its sign-in does not end."""
    app.server.add_client(OAuthClient(client_id="other", client_secret=None))
    tokens = await app.sign_in()
    assert 400 == (await app.refresh(tokens["refresh_token"], client_id="other")).status
    assert 200 == (await app.refresh(tokens["refresh_token"])).status


async def test_expired(root, run_app):
    """An expired refresh token is rejected."""
    async with serve(root, limits=Limits(refresh_seconds=0)) as server:
        app = run_app(server)
        answer = await app.refresh((await app.sign_in())["refresh_token"])
        assert (400, "invalid_grant") == (answer.status, answer.body["error"])


@pytest.mark.parametrize("hint", [None, "refresh_token", "access_token", "unheard_of"])
async def test_revoked_refresh_token(app, hint):
    """Revoking a refresh token ends the sign-in, for any hint."""
    tokens = await app.sign_in()
    answer = await app.post("/oauth2/revoke", token=tokens["refresh_token"], token_type_hint=hint)
    assert (200, None) == (answer.status, answer.body)
    assert 400 == (await app.refresh(tokens["refresh_token"])).status
    assert 401 == await app.opens(tokens["access_token"])


async def test_revoked_access_token(app):
    """Revoking an access token ends only that token."""
    tokens = await app.sign_in()
    assert 200 == (await app.post("/oauth2/revoke", token=tokens["access_token"])).status
    assert 401 == await app.opens(tokens["access_token"])
    assert 200 == (await app.refresh(tokens["refresh_token"])).status


async def test_revoke_the_unknown(app):
    """Revoking an unknown or revoked token is not an error."""
    tokens = await app.sign_in()
    answers = [
        await app.post("/oauth2/revoke", token=token)
        for token in ("no-such-code", tokens["refresh_token"], tokens["refresh_token"])
    ]
    assert [200, 200, 200] == [answer.status for answer in answers]


@pytest.mark.parametrize("name", ["access_token", "refresh_token"])
async def test_revoke_of_another_client(app, name):
    """A client is not able to revoke the tokens of another."""
    app.server.add_client(OAuthClient(client_id="other", client_secret=None))
    tokens = await app.sign_in()
    await app.post("/oauth2/revoke", token=tokens[name], client_id="other")
    assert 200 == await app.opens(tokens["access_token"])
    assert 200 == (await app.refresh(tokens["refresh_token"])).status


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"token": None}, (400, "invalid_request")),
        ({"token": "x", "client_id": "no-such-client"}, (401, "invalid_client")),
        ({"token": "x", "client_id": "local"}, (401, "invalid_client")),
    ],
)
async def test_revoke_refusals(app, form, expected):
    """Only an authenticated client can revoke tokens."""
    answer = await app.post("/oauth2/revoke", **form)
    assert expected == (answer.status, answer.body["error"])
