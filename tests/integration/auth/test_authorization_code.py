from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import logging
import socket
import threading
import traceback
import webbrowser
from unittest.mock import Mock
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import attrs
import pytest
from aiohttp import web

import aiocdf
from aiocdf._http.transport import AiohttpTransport
from aiocdf.auth import AuthorizationCode
from aiocdf.errors import AuthError, ConfigError, LoginRequired, OAuthError
from aiocdf.secret import Secret


@attrs.define
class Provider:
    """An identity provider whose users say yes at once; it checks what a client must prove."""

    url: str = ""
    document: dict = attrs.field(factory=dict)
    #: What a redirect says beside or instead of what is usual; None takes a field away.
    redirect: dict = attrs.field(factory=dict)
    status: int = 200
    asked: list[dict] = attrs.field(factory=list)
    forms: list[dict] = attrs.field(factory=list)
    #: The query that each of its endpoints wants.
    policy: str = ""
    posted: list[str] = attrs.field(factory=list)
    documents: int = 0

    async def discovery(self, _request: web.Request) -> web.Response:
        self.documents += 1
        endpoints = {
            "token_endpoint": f"{self.url}/token{self.policy}",
            "authorization_endpoint": f"{self.url}/authorize{self.policy}",
            "revocation_endpoint": f"{self.url}/revoke{self.policy}",
        }
        return web.json_response({"issuer": self.url, **endpoints, **self.document})

    async def authorize(self, request: web.Request) -> web.Response:
        asked = dict(request.query)
        self.asked.append(asked)
        answer = {"code": "c0de", "state": asked["state"], "iss": self.url} | self.redirect
        query = urlencode({name: value for name, value in answer.items() if value is not None})
        raise web.HTTPFound(f"{asked['redirect_uri']}?{query}")

    async def token(self, request: web.Request) -> web.Response:
        form = dict(await request.post())
        self.forms.append(form)
        self.posted.append(request.path_qs)
        if self.status != 200:
            return web.json_response({}, status=self.status)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).decode()
        assert challenge.rstrip("=") == self.asked[-1]["code_challenge"]
        assert form["redirect_uri"] == self.asked[-1]["redirect_uri"]
        return web.json_response(
            {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r3fresh"}
        )

    async def revoke(self, request: web.Request) -> web.Response:
        self.posted.append(request.path_qs)
        return web.Response()


@pytest.fixture
async def provider():
    provider, app = Provider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discovery)
    app.router.add_get("/authorize", provider.authorize)
    app.router.add_post("/token", provider.token)
    app.router.add_post("/revoke", provider.revoke)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield provider
    await runner.cleanup()


@pytest.fixture
async def transport():
    transport = AiohttpTransport()
    await transport.open()
    yield transport
    await transport.aclose()


async def browse(url: str) -> None:
    """Go where a browser would."""
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        await answer.read()


def person(provider: Provider, **changes) -> AuthorizationCode:
    given = {"issuer": provider.url, "client_id": "app", "open_browser": False, "show_url": browse}
    return AuthorizationCode(**given | changes)


def listens(url: str) -> bool:
    """Tell whether anything listens where a redirect leads to."""
    parts = urlsplit(parse_qs(urlsplit(url).query)["redirect_uri"][0])
    with contextlib.suppress(OSError), socket.create_connection((parts.hostname, parts.port)):
        return True
    return False


async def test_sign_in(provider, transport) -> None:
    """A user's yes becomes a token, which brings what renews it."""
    token = await person(provider).fetch(transport)

    assert (token.secret, token.refresh_token) == (Secret("t0ken"), Secret("r3fresh"))
    assert provider.forms[0].keys() == {"grant_type", "client_id", "code", "code_verifier", "redirect_uri"}
    assert (provider.forms[0]["grant_type"], provider.forms[0]["code"]) == ("authorization_code", "c0de")


async def test_each_sign_in_is_another(provider, transport) -> None:
    """Statement 1: S256 and a verifier of 43 characters or more; no verifier, challenge or state is ever used twice."""
    for _ in range(3):
        await person(provider).fetch(transport)

    assert {asked["code_challenge_method"] for asked in provider.asked} == {"S256"}
    assert all(43 <= len(form["code_verifier"]) <= 128 for form in provider.forms)
    assert len({form["code_verifier"] for form in provider.forms}) == 3
    assert len({asked["code_challenge"] for asked in provider.asked}) == 3
    assert len({asked["state"] for asked in provider.asked}) == 3


async def test_what_is_asked_for(provider, transport) -> None:
    """Statements 15, 28 and 29: a code, for these scopes and this audience, and no id token unless asked for."""
    await person(
        provider,
        scopes="read,offline_access",
        audience="https://api.test",
        resource="urn:a urn:b",
        extra={"prompt": "login"},
    ).fetch(transport)

    asked = provider.asked[0]
    assert (asked["response_type"], asked["client_id"], asked["scope"]) == ("code", "app", "read offline_access")
    assert (asked["audience"], asked["resource"], asked["prompt"]) == ("https://api.test", "urn:a", "login")


async def test_addresses_without_discovery(provider, transport) -> None:
    """Where the addresses are given, nobody is asked for them."""
    urls = {"authorize_url": f"{provider.url}/authorize", "token_url": f"{provider.url}/token"}

    token = await person(provider, issuer=None, **urls).fetch(transport)
    assert token.secret == Secret("t0ken")
    assert provider.documents == 0


async def test_provider_without_s256(provider, transport) -> None:
    """Statement 2: a provider that lists only other methods is refused before anything is shown."""
    provider.document["code_challenge_methods_supported"] = ["plain"]

    with pytest.raises(OAuthError, match="S256"):
        await person(provider).fetch(transport)
    assert provider.asked == []


async def test_provider_without_a_page(provider, transport) -> None:
    """A provider where nobody can sign in in a browser says so through us."""
    provider.document["authorization_endpoint"] = None

    with pytest.raises(OAuthError, match="offers no sign-in in a browser"):
        await person(provider).fetch(transport)


@pytest.mark.parametrize(
    ("redirect", "problem"),
    [
        ({"code": None, "error": "access_denied", "error_description": "not today"}, "access_denied - not today"),
        ({"code": None}, "neither a code nor an error"),
        ({"iss": "https://evil.test"}, "not from http://127"),
    ],
)
async def test_refusals(redirect, problem, provider, transport) -> None:
    """Statements 5 and 7: a refusal, and an answer from elsewhere, end the sign-in; no code is traded, nothing listens on."""
    shown = []

    async def show(url):
        shown.append(url)
        await browse(url)

    provider.redirect = redirect
    with pytest.raises(OAuthError, match=problem):
        await person(provider, show_url=show).fetch(transport)
    assert provider.forms == []
    assert not listens(shown[0])


async def test_answer_without_a_name(provider, transport) -> None:
    """Statement 5: a provider that says it names itself must do so."""
    provider.document["authorization_response_iss_parameter_supported"] = True
    provider.redirect = {"iss": None}

    with pytest.raises(OAuthError, match="an unnamed provider"):
        await person(provider).fetch(transport)


async def test_forged_answers(provider, transport) -> None:
    """Statements 3 and 4: answers with another state, be they codes or refusals, get 400, and the true one still counts."""
    statuses = []

    async def show(url):
        redirect_uri = parse_qs(urlsplit(url).query)["redirect_uri"][0]
        async with aiohttp.ClientSession() as session:
            for query in ("code=x&state=x", "error=access_denied&state=x", "error=access_denied"):
                async with session.get(f"{redirect_uri}?{query}") as answer:
                    statuses.append(answer.status)
        await browse(url)

    token = await person(provider, show_url=show).fetch(transport)
    assert token.secret == Secret("t0ken")
    assert statuses == [400, 400, 400]


@pytest.mark.parametrize("status", [400, 503])
async def test_code_is_sent_once(status, provider, transport) -> None:
    """Statement 11: a trade that fails, in whatever way, is not tried again with the same code."""
    provider.status = status

    with pytest.raises(OAuthError):
        await person(provider).fetch(transport)
    assert len(provider.forms) == 1


async def test_time_limit(provider, transport) -> None:
    """Statement 7: when nobody comes back in time, the sign-in ends and nothing listens on."""
    shown = []

    with pytest.raises(LoginRequired, match=r"within 0\.05 s"):
        await person(provider, show_url=shown.append, time_limit=0.05).fetch(transport)
    assert not listens(shown[0])


async def test_cancel(provider, transport) -> None:
    """Statement 7: who gives up leaves nothing that listens."""
    shown = asyncio.get_running_loop().create_future()
    fetching = asyncio.create_task(person(provider, show_url=shown.set_result).fetch(transport))
    url = await shown
    assert listens(url)
    fetching.cancel()

    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert not listens(url)


async def test_show_that_fails(provider, transport) -> None:
    """What the caller's function raises ends the sign-in at once."""
    with pytest.raises(ZeroDivisionError):
        await person(provider, show_url=lambda _url: 1 / 0).fetch(transport)


async def test_browser_in_a_thread(provider, transport, monkeypatch) -> None:
    """The browser is opened off the event loop, which does not wait for one that returns only when it is closed."""
    loop, closed, threads = asyncio.get_running_loop(), threading.Event(), []

    def open_browser(url):
        threads.append(threading.current_thread())
        asyncio.run_coroutine_threadsafe(browse(url), loop)
        return closed.wait(10)

    monkeypatch.setattr(webbrowser, "open", open_browser)
    token = await person(provider, open_browser=True).fetch(transport)
    assert token.secret == Secret("t0ken")
    assert threads[0].daemon
    closed.set()
    await asyncio.to_thread(threads[0].join)


@pytest.mark.parametrize("outcome", [{"return_value": False}, {"side_effect": webbrowser.Error}], ids=["none", "error"])
async def test_no_browser(outcome, provider, transport, monkeypatch) -> None:
    """Where there is no browser, the address is shown instead."""
    monkeypatch.setattr(webbrowser, "open", Mock(**outcome))

    assert (await person(provider, open_browser=True).fetch(transport)).secret == Secret("t0ken")


async def test_printed_address(provider, transport, capsys) -> None:
    """Without a function of the caller's, the address is printed to standard error."""
    credentials = AuthorizationCode(issuer=provider.url, client_id="app", open_browser=False, time_limit=0.5)
    fetching = asyncio.create_task(credentials.fetch(transport))
    while not (printed := capsys.readouterr()).err:
        await asyncio.sleep(0.01)
    assert printed.out == ""

    await browse(printed.err.removeprefix("To sign in, open ").strip())
    assert (await fetching).secret == Secret("t0ken")


async def test_log_and_errors_hold_no_secret(provider, transport, caplog) -> None:
    """Statement 20: at the lowest level nobody logs a token, a code or a verifier, be it success or failure."""
    caplog.set_level(logging.DEBUG, "aiocdf")
    await person(provider).fetch(transport)
    provider.status = 400
    with pytest.raises(AuthError) as caught:
        await person(provider).fetch(transport)

    secrets = ["t0ken", "r3fresh", "c0de", *(form["code_verifier"] for form in provider.forms)]
    text = "".join(record.getMessage() for record in caplog.records if record.name.startswith("aiocdf"))
    assert [secret for secret in secrets if secret in f"{text}{caught.value!r}"] == []


async def test_locals_hold_no_secret(provider, transport) -> None:
    """Statement 17: the locals of a sign-in that fails at its last step show neither code nor verifier."""
    provider.status = 400
    with pytest.raises(AuthError) as caught:
        await person(provider).fetch(transport)

    report = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames = "".join(str(frame.locals) for frame in report.stack if frame.filename.startswith(aiocdf.__path__[0]))
    assert "'verifier': \"Secret(" in frames
    assert "c0de" not in frames
    assert provider.forms[0]["code_verifier"] not in frames


@pytest.mark.parametrize("discovered", [True, False])
async def test_endpoints_with_a_query(discovered, provider, transport) -> None:
    """A query of an endpoint arrives with each request, beside what we add (RFC 6749 sections 3.1 and 3.2)."""
    provider.policy = "?p=b2c_1_in"
    names = {"authorize_url": "authorize", "token_url": "token", "revoke_url": "revoke"}
    urls = {name: f"{provider.url}/{path}{provider.policy}" for name, path in names.items()}
    credentials = person(provider, **({} if discovered else {"issuer": None} | urls))

    assert (await credentials.fetch(transport)).secret == Secret("t0ken")
    await credentials.logout(transport)
    assert provider.asked[0]["p"] == "b2c_1_in"
    assert provider.asked[0]["client_id"] == "app"
    assert provider.posted == ["/token?p=b2c_1_in", "/revoke?p=b2c_1_in"]


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "https://127.0.0.1/",
        "http://example.com/",
        "http://0.0.0.0/",
        "http://127.0.0.1@evil.test/",
        "http://127.0.0.1/?a=b",
        "http://me:s3cr3t@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://[::1",
        "http://127.0.0.1/\udcff",
        "x",
        5,
    ],
)
def test_redirect_uri(redirect_uri) -> None:
    """Statement 7: an answer is only ever expected on a loopback address."""
    with pytest.raises(ConfigError, match=r"^redirect_uri ") as caught:
        AuthorizationCode(issuer="https://idp.test", client_id="app", redirect_uri=redirect_uri)
    assert "s3cr3t" not in str(caught.value)


def test_entra() -> None:
    """The usual addresses, scopes and redirect of Entra ID, each of which may be another."""
    credentials = AuthorizationCode.entra(tenant="acme.com", client_id="app", cluster="api")

    assert credentials.authorize_url == "https://login.microsoftonline.com/acme.com/oauth2/v2.0/authorize"
    assert credentials.token_url == "https://login.microsoftonline.com/acme.com/oauth2/v2.0/token"
    assert credentials.scopes == ("https://api.cognitedata.com/.default", "offline_access")
    assert credentials.redirect_uri == "http://localhost:53000"
    changed = AuthorizationCode.entra(tenant="a", client_id="app", cluster="api", redirect_uri="http://localhost:1")
    assert changed.redirect_uri == "http://localhost:1"


def test_cognite() -> None:
    """Cognite's own provider tells its addresses itself."""
    assert AuthorizationCode.cognite(client_id="app").issuer == "https://auth.cognite.com"
