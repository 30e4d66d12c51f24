"""A user who signs in at the provider, in a browser and on another device, and what becomes of the sign-in."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from aiocdf.auth import AuthorizationCode, DeviceCode, MemoryTokenStore, TokenSource
from aiocdf.auth.credentials import device_code
from aiocdf.errors import ClientClosed, LoginRequired, OAuthError
from tests.providers.chromium import PROGRAM, Chromium
from tests.providers.conftest import API, Provider, claims


class TellingStore(MemoryTokenStore):
    """A store that tells which refresh tokens it kept."""

    def __init__(self) -> None:
        super().__init__()
        self.refresh_tokens: list[str] = []

    async def save(self, key, text) -> None:
        self.refresh_tokens.append(json.loads(text.reveal())["refresh_token"])
        await super().save(key, text)


@pytest.fixture
def store() -> TellingStore:
    """Where the sign-ins of a test are kept."""
    return TellingStore()


@pytest.fixture
async def start(provider, transport, visit, store) -> AsyncIterator[Callable[[], TokenSource]]:
    """Starts clients of a user who is sent to the provider without a browser; they share the store."""
    credentials = AuthorizationCode(
        issuer=provider.issuer,
        client_id="desktop",
        scopes="read offline_access",
        open_browser=False,
        show_url=visit,
        store=store,
    )
    async with AsyncExitStack() as running:

        def start() -> TokenSource:
            source = TokenSource(credentials, transport)
            running.push_async_callback(source.aclose)
            return source

        yield start


async def refresh(provider: Provider, refresh_token: str) -> str:
    """Use a refresh token as somebody else would who got hold of it, and return what comes of it."""
    form = {"grant_type": "refresh_token", "client_id": "desktop", "refresh_token": refresh_token}
    async with aiohttp.request("POST", provider.token_url, data=form) as answer:
        return (await answer.json()).get("error", "granted")


async def test_sign_in(provider, start, visit) -> None:
    """One visit to the provider signs in, with a code challenge by S256, and ends on a page that says so."""
    token = await start().token()

    page = await visit.page()
    asked = parse_qs(urlsplit(visit.urls[0]).query)
    assert claims(token).items() >= {"sub": "alice", "aud": API, "scope": "read"}.items()
    assert (asked["code_challenge_method"], len(asked["code_challenge"][0])) == (["S256"], 43)
    assert page.url.host == "127.0.0.1"
    assert "You can close this page" in page.text
    assert (page.headers["Cache-Control"], page.headers["Referrer-Policy"]) == ("no-store", "no-referrer")
    assert (await provider.stats())["granted"] == {"authorization_code": 1}


async def test_every_sign_in_is_new(start, visit) -> None:
    """Statement 1: no two sign-ins share a verifier or a state."""
    for source in (start(), start()):
        await source.token()
        await source.logout()
    first, second = (parse_qs(urlsplit(url).query) for url in visit.urls)

    assert first["code_challenge"] != second["code_challenge"]
    assert first["state"] != second["state"]


async def test_refusal(start, person, visit) -> None:
    """Who says no at the provider is told so in the browser, the program gets an error, and nothing listens on."""
    visit.go = person.refuse

    with pytest.raises(OAuthError, match="access_denied"):
        await start().token()
    page = await visit.page()
    assert "Not signed in" in page.text
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", page.url.port))


async def test_addresses_without_discovery(provider, transport, visit) -> None:
    """Where the addresses are given, and the redirect has a fixed port on localhost, nothing has to be discovered."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    credentials = AuthorizationCode(
        authorize_url=f"{provider.issuer}/auth",
        token_url=provider.token_url,
        client_id="desktop",
        scopes="read",
        redirect_uri=f"http://localhost:{port}",
        open_browser=False,
        show_url=visit,
    )

    token = await credentials.fetch(transport)
    page = await visit.page()
    assert claims(token.secret)["sub"] == "alice"
    assert (page.url.host, page.url.port) == ("localhost", port)


async def test_log_of_a_sign_in(start, store, visit, later, caplog) -> None:
    """Statement 20: at the lowest level, the log of a sign-in and a renewal holds no code, token, state or verifier."""
    caplog.set_level(logging.DEBUG)
    source = start()
    tokens = [await source.token()]
    page = await visit.page()
    later(3600)
    tokens.append(await source.token())

    secrets = [token.reveal() for token in tokens] + store.refresh_tokens
    for secret in [*secrets, page.url.query["code"], page.url.query["state"]]:
        assert secret not in caplog.text


async def test_rotation(provider, start, store, visit, later) -> None:
    """Statement 12: each renewal keeps the new refresh token and uses it for the next; the user is asked once."""
    source = start()
    tokens = [await source.token()]
    for renewals in (1, 2, 3):
        later(3600 * renewals)
        tokens.append(await source.token())

    assert len(set(tokens)) == len(set(store.refresh_tokens)) == 4
    assert len(visit.urls) == 1
    assert (await provider.stats())["granted"] == {"authorization_code": 1, "refresh_token": 3}


async def test_refresh_token_that_is_not_replaced(provider, start, store, later) -> None:
    """Statement 12: where an answer has no refresh token, the one before it stays."""
    source = start()
    await source.token()
    await provider.set(changes={"refresh_token": None})
    later(3600)

    await source.token()
    first, second = store.refresh_tokens
    assert first == second


async def test_hundred_callers_at_expiry(provider, start, later, heart) -> None:
    """Statement 13: a hundred callers at expiry are one renewal, and the loop never stands still."""
    source = start()
    await source.token()
    await provider.set(before=500)
    later(3600)

    with heart:
        tokens = await asyncio.gather(*(source.token() for _ in range(100)))
    assert len(set(tokens)) == 1
    assert await provider.stats() == {"requests": 1, "granted": {"refresh_token": 1}, "refused": {}}
    assert heart.longest <= 0.020


async def test_cancelled_caller(provider, start, visit, later) -> None:
    """Statement 13: a caller cancelled after the provider rotated, before its answer came, loses nothing."""
    source = start()
    await source.token()
    await provider.set(after=300)
    later(3600)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.token(), 0.1)
    await source.token()
    later(7200)

    await source.token()
    assert len(visit.urls) == 1
    assert (await provider.stats())["granted"] == {"refresh_token": 2}


async def test_client_closed_while_renewing(provider, start, visit, later) -> None:
    """Statement 13: a client that is closed after the provider rotated still keeps what it is told."""
    source = start()
    await source.token()
    await provider.set(after=300)
    later(3600)
    waiting = asyncio.create_task(source.token())
    await asyncio.sleep(0.1)

    await source.aclose()
    with pytest.raises(ClientClosed):
        await waiting
    later(7200)
    await start().token()
    assert len(visit.urls) == 1
    assert (await provider.stats())["granted"] == {"refresh_token": 2}


@pytest.mark.parametrize("status", [200, 302, 400, 401, 403])
async def test_page_in_place_of_the_provider(provider, start, visit, later, status) -> None:
    """A network's login page in answer to a renewal ends nothing: when it is gone, the sign-in goes on."""
    source = start()
    await source.token()
    await provider.set(instead={"status": status, "type": "text/html", "body": "<html>Sign in"}, times=1)
    later(3600)

    with pytest.raises(OAuthError, match="The sign-in is kept") as caught:
        await source.token()
    assert caught.value.passing
    await start().token()
    assert len(visit.urls) == 1
    assert (await provider.stats())["granted"] == {"refresh_token": 1}


async def test_lost_answer(provider, start, visit, later) -> None:
    """Where the provider rotated and its answer was lost, one more try shows that only the user can help."""
    source = start()
    await source.token()
    await provider.set(lose=True, times=1)
    later(3600)

    with pytest.raises(LoginRequired, match="Sign in again"):
        await source.token()
    assert await provider.stats() == {"requests": 2, "granted": {"refresh_token": 1}, "refused": {"refresh_token": 1}}
    assert len(visit.urls) == 1


async def test_stolen_refresh_token(provider, start, store, visit, later) -> None:
    """Reuse of a refresh token ends the sign-in for the thief and for us; the user is asked when a new client starts."""
    source = start()
    await source.token()
    (stolen,) = store.refresh_tokens
    later(3600)
    await source.token()
    assert await refresh(provider, stolen) == "invalid_grant"
    later(7200)

    with pytest.raises(LoginRequired, match="Sign in again"):
        await source.token()
    assert len(visit.urls) == 1
    await start().token()
    assert len(visit.urls) == 2


async def test_logout(provider, start, store, visit) -> None:
    """Logging out ends the sign-in at the provider and here: who asks for a token next is asked to sign in."""
    source = start()
    await source.token()

    await source.logout()
    assert await refresh(provider, store.refresh_tokens[-1]) == "invalid_grant"
    await source.token()
    assert len(visit.urls) == 2


@pytest.fixture
def device(provider, person, visit, monkeypatch) -> DeviceCode:
    """Credentials of a user who has a phone, where the provider does not say how often to ask."""
    monkeypatch.setattr(device_code, "_INTERVAL", 0.05)

    def prompt(shown) -> None:
        person.answers["user_code"] = shown.user_code
        visit(shown)

    return DeviceCode(issuer=provider.issuer, client_id="desktop", scopes="read offline_access", prompt=prompt)


async def test_device_code(provider, device, transport, visit, later) -> None:
    """The code that the user was shown, entered at the page that they were shown, signs in; renewals need no user."""
    async with aclosing(TokenSource(device, transport)) as source:
        token = await source.token()
        later(3600)
        renewed = await source.token()

    page = await visit.page()
    stats = await provider.stats()
    assert claims(token)["sub"] == claims(renewed)["sub"] == "alice"
    assert "Sign-in Success" in page.text
    assert list(stats["granted"].values()) == [1, 1]
    assert stats["refused"].keys() <= {device_code._GRANT_TYPE}  # while the user was busy


async def test_device_code_refused(provider, device, transport, person, visit) -> None:
    """A user who says no on their phone ends the sign-in."""
    visit.go = person.refuse_device

    with pytest.raises(OAuthError, match="access_denied"):
        await device.fetch(transport)


@pytest.mark.skipif(PROGRAM is None, reason="there is no chromium on the PATH")
async def test_real_browser(provider, transport, tmp_path, monkeypatch) -> None:
    """A person signs in with a real browser, which the client opens: types a name, clicks twice, and reads that it is done."""
    credentials = AuthorizationCode(issuer=provider.issuer, client_id="desktop", scopes="read offline_access")
    async with Chromium(tmp_path / "profile") as window:
        monkeypatch.setattr("webbrowser.open", window.open)
        signing_in = asyncio.create_task(credentials.fetch(transport))
        await window.look()
        await window.type("[name=login]", "alice")
        await window.type("[name=password]", "anything")
        await window.click("[type=submit]")
        await window.sees("Continue")
        await window.click("[type=submit]")
        await window.sees("You can close this page")
        token = await signing_in

    assert claims(token.secret)["sub"] == "alice"
