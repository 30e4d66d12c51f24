"""Every way to sign in, and what ends or disturbs it, at identity providers that have little in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, aclosing

import aiohttp
import attrs
import pytest

from aiocdf._wire.http import Request, Response
from aiocdf.auth import AuthorizationCode, ClientCredentials, DeviceCode, TokenSource
from aiocdf.errors import AuthError, LoginRequired, OAuthError
from tests.providers import glewlwyd
from tests.providers.conftest import ODD, SECRET, Visit, claims
from tests.providers.headless import Page
from tests.providers.test_sign_in import TellingStore

#: glewlwyd takes what Basic sends as it is, so it knows only secrets that need no encoding (RFC 6749, section 2.3.1).
PLAIN_SECRET = "s3cr3t-of-a-machine"


@attrs.frozen(kw_only=True)
class Site:
    """A provider: where it is, whom it knows, and in what it differs.

    Args:
        issuer: Its name.
        token_url: Its token endpoint.
        post: Id and secret of a program that sends both in the form.
        basic: The same of one that sends them in the header.
        redirect_uri: The redirect URI of the public client `desktop`.
        sign_in: Signs Alice in where a URL leads to.
        revokes: Whether public clients may revoke.
    """

    issuer: str
    token_url: str
    post: tuple[str, str]
    basic: tuple[str, str]
    redirect_uri: str
    sign_in: Callable[[str], Awaitable[Page]]
    revokes: bool

    async def refresh(self, refresh_token: str) -> int:
        """Use a refresh token as somebody else would who got hold of it, and return the status of the answer."""
        form = {"grant_type": "refresh_token", "client_id": "desktop", "refresh_token": refresh_token}
        async with aiohttp.request("POST", self.token_url, data=form) as answer:
            return answer.status


@pytest.fixture(scope="session")
def running_glewlwyd(tmp_path_factory) -> Iterator[glewlwyd.Glewlwyd]:
    """A glewlwyd that ends with the tests."""
    if glewlwyd.PROGRAM is None or not glewlwyd.TABLES.exists():
        pytest.skip("glewlwyd is not installed: on Debian, `apt-get install glewlwyd` does that")
    with glewlwyd.run(tmp_path_factory.mktemp("glewlwyd"), ("machine", PLAIN_SECRET)) as provider:
        yield provider


@pytest.fixture(params=["oidc-provider", "glewlwyd"])
def site(request) -> Site:
    """One provider after the other."""
    if request.param == "glewlwyd":
        other = request.getfixturevalue("running_glewlwyd")
        return Site(
            issuer=other.issuer,
            token_url=f"{other.issuer}/token",
            post=("machine", PLAIN_SECRET),
            basic=("machine", PLAIN_SECRET),
            redirect_uri=other.redirect_uri,
            sign_in=other.sign_in,
            revokes=False,
        )
    provider, person = request.getfixturevalue("provider"), request.getfixturevalue("person")
    return Site(
        issuer=provider.issuer,
        token_url=provider.token_url,
        post=(ODD, SECRET),
        basic=(f"basic {ODD}", SECRET),
        redirect_uri="http://127.0.0.1/callback",
        sign_in=person.sign_in,
        revokes=True,
    )


class Firewall:
    """A transport in front of which something answers in place of the provider, while it is told to.

    Args:
        transport: What sends.
    """

    def __init__(self, transport) -> None:
        self._transport = transport
        self.instead: tuple[int, bytes] | None = None

    async def send(self, request: Request) -> Response:
        if self.instead is None:
            return await self._transport.send(request)
        status, body = self.instead
        now = asyncio.get_running_loop().time()
        return Response(status=status, headers={"content-type": "text/html"}, body=body, sent_at=now, received_at=now)


@pytest.fixture
def firewall(transport) -> Firewall:
    """What is between the client and the provider."""
    return Firewall(transport)


@pytest.fixture
def store() -> TellingStore:
    """Where the sign-ins of a test are kept."""
    return TellingStore()


@pytest.fixture
def alice(site) -> Visit:
    """Alice, who signs in wherever she is sent."""
    return Visit(site.sign_in)


@pytest.fixture
async def start(site, firewall, alice, store) -> AsyncIterator[Callable[[], TokenSource]]:
    """Starts clients in which Alice signs in; they share the store."""
    credentials = AuthorizationCode(
        issuer=site.issuer,
        client_id="desktop",
        scopes="read offline_access",
        redirect_uri=site.redirect_uri,
        open_browser=False,
        show_url=alice,
        store=store,
    )
    async with AsyncExitStack() as running:

        def start() -> TokenSource:
            source = TokenSource(credentials, firewall)
            running.push_async_callback(source.aclose)
            return source

        yield start


@pytest.mark.parametrize("method", ["post", "basic"])
async def test_client_credentials(site, transport, method) -> None:
    """A program gets a token with its secret, in the form or in the header."""
    client_id, secret = getattr(site, method)
    credentials = ClientCredentials(
        token_url=site.token_url,
        client_id=client_id,
        client_secret=secret,
        scopes="read",
        auth_method=f"client_secret_{method}",
    )
    token = await credentials.fetch(transport)
    assert claims(token.secret).items() >= {"client_id": client_id, "scope": "read"}.items()


@pytest.mark.parametrize("method", ["post", "basic"])
async def test_wrong_secret(site, transport, method) -> None:
    """A wrong secret is an error that says of which client, and what to check, also where the answer is empty."""
    client_id, _ = getattr(site, method)
    credentials = ClientCredentials(
        token_url=site.token_url,
        client_id=client_id,
        client_secret="not the right one",
        scopes="read",
        auth_method=f"client_secret_{method}",
    )
    with pytest.raises(OAuthError, match="Check client_id and client_secret") as caught:
        await credentials.fetch(transport)
    assert caught.value.status in {401, 403}
    assert "not the right one" not in str(caught.value)


async def test_rotation(start, store, alice, later) -> None:
    """One sign-in, with PKCE, is renewed again and again; each renewal keeps a new refresh token."""
    source = start()
    tokens = [await source.token()]
    for renewals in (1, 2, 3):
        later(3600 * renewals)
        tokens.append(await source.token())
    assert (await alice.page()).text.count("You can close this page") == 1
    assert len(set(tokens)) == len(set(store.refresh_tokens)) == 4
    assert len(alice.urls) == 1


async def test_stolen_refresh_token(site, start, store, alice, later) -> None:
    """Reuse of a refresh token ends the sign-in for the thief and for us; Alice is asked when a new client starts."""
    source = start()
    await source.token()
    (stolen,) = store.refresh_tokens
    later(3600)
    await source.token()
    assert await site.refresh(stolen) == 400
    later(7200)

    with pytest.raises(LoginRequired, match="Sign in again"):
        await source.token()
    await start().token()
    assert len(alice.urls) == 2


async def test_spent_refresh_token(site, start, store, alice, later) -> None:
    """A sign-in whose refresh token somebody else has used is over, also where the provider says so without a word."""
    source = start()
    await source.token()
    assert await site.refresh(store.refresh_tokens[-1]) == 200
    later(3600)

    with pytest.raises(LoginRequired, match="Sign in again"):
        await source.token()
    await start().token()
    assert len(alice.urls) == 2


@pytest.mark.parametrize("status", [400, 401, 403])
async def test_blocked_refresh(firewall, start, alice, later, status) -> None:
    """A page of a proxy in place of the answer to a renewal is an error, and the sign-in outlives it."""
    source = start()
    await source.token()
    later(3600)
    firewall.instead = status, b"<html>Sign in to the network</html>"
    with pytest.raises(AuthError) as caught:
        await source.token()
    assert not isinstance(caught.value, LoginRequired)

    firewall.instead = None
    await source.login()  # at once, where `token()` would wait a second
    assert len(alice.urls) == 1


async def test_device_code(site, transport, later) -> None:
    """A person signs in on another device; renewals need no one."""
    alice = Visit(site.sign_in)

    def prompt(shown) -> None:
        alice(shown.verification_uri_complete)

    credentials = DeviceCode(
        issuer=site.issuer, client_id="desktop", scopes="read offline_access", prompt=prompt, time_limit=30
    )
    async with aclosing(TokenSource(credentials, transport)) as source:
        token = await source.token()
        later(3600)
        renewed = await source.token()
    await alice.page()
    assert claims(token)["sub"] == claims(renewed)["sub"]
    assert token != renewed
    assert len(alice.urls) == 1


async def test_logout(site, start, store, alice) -> None:
    """Logging out ends the sign-in here in any case, and at a provider that lets public clients revoke."""
    source = start()
    await source.token()
    if site.revokes:
        await source.logout()
        assert await site.refresh(store.refresh_tokens[-1]) == 400
    else:
        with pytest.raises(AuthError, match="revo"):
            await source.logout()
    await source.token()
    assert len(alice.urls) == 2
