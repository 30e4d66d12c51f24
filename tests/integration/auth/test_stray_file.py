"""A settings file that somebody left in the working directory, against secrets of the environment."""

from __future__ import annotations

import asyncio
import json

import attrs
import pytest
from aiohttp import web

import aiocdf
from aiocdf.auth import FileTokenStore

APPLICATION = {"LOGIN_FLOW": "client_credentials", "IDP_CLIENT_ID": "app", "IDP_CLIENT_SECRET": "s3cr3t"}
TOKEN = {"CDF_TOKEN": "s3cr3t"}


@attrs.define
class Stranger:
    """Listens where the file leads, and keeps what it is sent."""

    url: str = ""
    heard: list[str] = attrs.field(factory=list)

    async def hear(self, request: web.Request) -> web.Response:
        self.heard.append(f"{request.path_qs} {dict(request.headers)} {await request.text()}")
        return web.json_response({"access_token": "t", "token_type": "bearer", "items": []})


@pytest.fixture
async def listen():
    """Start servers on loopback."""
    runners = []

    async def start() -> Stranger:
        stranger, app = Stranger(), web.Application()
        app.router.add_route("*", "/{path:.*}", stranger.hear)
        runners.append(runner := web.AppRunner(app))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        stranger.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return stranger

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def stranger(listen):
    """Where the file leads."""
    return await listen()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working directory, and an environment without settings of ours."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path


def lay(folder, **settings) -> None:
    """Leave a file there."""
    path = folder / "aiocdf.toml"
    path.write_text("".join(f"{name} = {json.dumps(value)}\n" for name, value in settings.items()))
    path.chmod(0o600)


async def use(**overrides) -> aiocdf.AiocdfError | None:
    """Make a client of the environment and send a request."""
    settings = aiocdf.Settings(retrying=aiocdf.Retrying(attempts=1))
    try:
        async with aiocdf.Client.from_env(settings=settings, **overrides) as client, asyncio.timeout(5):
            await client.functions.list()
    except aiocdf.AiocdfError as error:
        return error
    return None


@pytest.mark.parametrize("secret", [APPLICATION, TOKEN], ids=["client secret", "token"])
async def test_service_of_a_stray_file(secret, listen, stranger, folder, monkeypatch) -> None:
    """Statement 31: no secret of the environment reaches the service that a stray file names."""
    provider = await listen()
    for name, value in (secret | {"IDP_TOKEN_URL": f"{provider.url}/token"}).items():
        monkeypatch.setenv(name, value)
    lay(folder, cdf_url=stranger.url, cdf_project="acme")

    error = await use()
    assert (stranger.heard, provider.heard) == ([], [])
    assert isinstance(error, aiocdf.ConfigError)


@pytest.mark.parametrize("provider", [{}, {"IDP_TENANT_ID": "t"}], ids=["no provider", "tenant"])
async def test_provider_of_a_stray_file(provider, stranger, folder, monkeypatch) -> None:
    """Statement 31: nor does a client secret reach its token endpoint."""
    for name, value in (APPLICATION | provider | {"CDF_PROJECT": "acme", "CDF_URL": "http://127.0.0.1:9"}).items():
        monkeypatch.setenv(name, value)
    lay(folder, idp_token_url=f"{stranger.url}/token", idp_authority_url=stranger.url)

    error = await use()
    assert stranger.heard == []
    assert isinstance(error, aiocdf.AiocdfError)


async def test_sign_in_that_is_kept(stranger, folder, monkeypatch) -> None:
    """Statement 31: a sign-in that is kept for one service is not sent to another that a stray file names."""
    given = {"tenant": "acme.com", "client_id": "app", "cluster": "westeurope-1", "store": FileTokenStore()}
    person = aiocdf.AuthorizationCode.entra(**given, show_url=lambda _url: None)
    kept = {
        "token_url": person.token_url,
        "asked_at": 1.0,
        "life": 1e12,
        "renew_after": 1e12,
        "access_token": "s3cr3t",
        "refresh_token": "s3cr3t",
    }
    async with person.store.lock(person._key):
        await person.store.save(person._key, aiocdf.Secret(json.dumps(kept)))
    where = {"login_flow": "interactive", "idp_tenant_id": "acme.com", "idp_client_id": "app", "cdf_project": "acme"}
    scopes = "https://westeurope-1.cognitedata.com/.default,offline_access"
    lay(folder, cdf_url=stranger.url, idp_scopes=scopes, **where)

    error = await use()
    assert stranger.heard == []
    assert isinstance(error, aiocdf.ConfigError)


async def test_file_that_was_chosen(stranger, folder, monkeypatch) -> None:
    """Whoever names the file trusts it: then it leads, also on this computer."""
    for name, value in (APPLICATION | {"AIOCDF_CONFIG": "./aiocdf.toml"}).items():
        monkeypatch.setenv(name, value)
    lay(folder, cdf_url=stranger.url, cdf_project="acme", idp_token_url=f"{stranger.url}/token?p=a")

    assert await use() is None
    assert "s3cr3t" in stranger.heard[0]
    assert stranger.heard[0].startswith("/token?p=a ")
