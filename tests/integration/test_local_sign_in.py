"""Users sign in at the local server with the client's own credentials."""

from __future__ import annotations

import asyncio

import aiohttp
import attrs
import pytest

from aiocdf import AuthorizationCode, Client, ConfigError, DeviceCode, LoginRequired, OAuthError, PermissionDenied
from aiocdf.local import Limits, OAuthClient, User, serve


@pytest.fixture
def root(tmp_path):
    """A folder with one function."""
    (tmp_path / "double").mkdir()
    (tmp_path / "double" / "handler.py").write_text('def handle(data):\n    return 2 * data["x"]\n')
    return tmp_path


def answers(server, **changes):
    """A user who fills in each sign-in page that is shown."""
    user = server.users[0]
    form = {"user": user.name, "password": user.password.reveal(), "decision": "allow"} | changes

    async def answer(shown):
        url = getattr(shown, "verification_uri_complete", shown)
        async with aiohttp.ClientSession() as session, session.post(url, data=form) as page:
            assert page.status == 200, await page.text()

    return answer


def in_browser(server, **changes):
    usual = {
        "issuer": server.url,
        "client_id": "aiocdf",
        "scopes": (f"{server.url}/.default", "offline_access"),
        "open_browser": False,
        "show_url": answers(server),
    }
    return AuthorizationCode(**usual | changes)


def on_device(server, **changes):
    usual = {
        "issuer": server.url,
        "client_id": "aiocdf",
        "scopes": "offline_access .default",
        "prompt": answers(server),
    }
    return DeviceCode(**usual | changes)


def connect(server, credentials):
    return Client("local", credentials=credentials, base_url=server.url)


@pytest.mark.parametrize("sign_in", [in_browser, on_device])
async def test_calls_as_a_user(root, sign_in):
    """A user signs in once, in the browser or on another device, and calls functions."""
    async with serve(root, limits=Limits(device_interval=1)) as server, connect(server, sign_in(server)) as client:
        assert 42 == await client.call("double", data={"x": 21}).response()
        assert "demo" == (await client.tokens.inspect()).subject


async def test_one_shot_sessions(root):
    """Where the provider does not exchange tokens, a user's calls run by sessions that need no exchange."""
    limits = Limits(token_exchange=False)
    async with serve(root, limits=limits) as server, connect(server, in_browser(server)) as client:
        assert 42 == await client.call("double", data={"x": 21}).response()


async def test_short_tokens(root):
    """A sign-in outlives its access tokens: they are renewed by refresh tokens that are good for one time each."""
    async with serve(root, limits=Limits(token_seconds=1)) as server:
        credentials = in_browser(server)
        async with connect(server, credentials) as client:
            seen = {(await client.login()).secret}
        async with connect(server, attrs.evolve(credentials, ask_user=False)) as client:
            while len(seen) < 4:
                seen.add((await client.login()).secret)
                await client.tokens.inspect()
                await asyncio.sleep(0.05)


async def test_logout(root):
    """After a logout neither the access token nor the refresh token is good for anything."""
    async with serve(root) as server:
        credentials = in_browser(server)
        async with connect(server, credentials) as client:
            token = await client.login()
            await client.logout()
            headers = {"Authorization": f"Bearer {token.secret.reveal()}"}
            async with (
                aiohttp.ClientSession(headers=headers) as session,
                session.get(f"{server.url}/api/v1/token/inspect") as answer,
            ):
                assert 401 == answer.status


async def test_refusal(root):
    """A user who cancels is no mystery: the error says that access was denied."""
    async with serve(root) as server:

        async def cancel(url):
            async with aiohttp.ClientSession() as session, session.post(url, data={"decision": "refuse"}) as page:
                assert page.status == 200

        async with connect(server, in_browser(server, show_url=cancel)) as client:
            with pytest.raises(OAuthError, match="access_denied"):
                await client.login()


async def test_nobody_is_asked(root):
    """Credentials that may not ask the user say at once that somebody must sign in."""
    async with (
        serve(root) as server,
        connect(server, in_browser(server, ask_user=False, show_url=pytest.fail)) as client,
    ):
        with pytest.raises(LoginRequired):
            await client.login()


async def test_user_with_few_rights(root):
    """A user without the right to run functions gets an error that names it."""
    user = User(name="reader", capabilities={"functionsAcl:READ", "sessionsAcl:CREATE"})
    async with serve(root, users=[user]) as server, connect(server, in_browser(server)) as client:
        with pytest.raises(PermissionDenied, match="functionsAcl:RUN"):
            await client.call("double", data={"x": 1})


async def test_flow_without_a_client(root):
    """A server whose clients all have secrets cannot tell the environment for a sign-in, and says so."""
    async with serve(root, clients=[OAuthClient(client_id="machine")]) as server:
        with pytest.raises(ConfigError, match="without a secret"):
            server.environment("interactive")


@pytest.mark.parametrize("flow", ["client_credentials", "interactive", "device_code"])
async def test_environment_is_understood(root, monkeypatch, tmp_path, flow):
    """A client made from the server's environment signs in that way."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    async with serve(root) as server:
        for name, value in server.environment(flow).items():
            monkeypatch.setenv(name, value)
        kind = type(Client.from_env()._credentials).__name__
    assert {"client_credentials": "ClientCredentials", "interactive": "AuthorizationCode"}.get(
        flow, "DeviceCode"
    ) == kind
