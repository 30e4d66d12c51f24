"""The authorization code flow: a user signs in on a page, and the program gets tokens for them."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re

import pytest

from aiocdf.local import Limits, OAuthClient, User, serve

BROWSER = {"Sec-Fetch-Site": "same-origin"}


async def test_sign_in(app):
    """The sign-in page redirects with code, state and issuer, and the code returns tokens for the API."""
    page = await app.browse("GET", app.ask())
    assert (200, "text/html; charset=utf-8") == (page.status, page.headers["Content-Type"])
    back = await app.submit(app.ask(), headers=BROWSER)
    assert back.headers["Location"].startswith(f"{app.redirect_uri}?")
    assert {"code", "state", "iss"} == set(back.returned)
    assert ("s t&te", app.server.url) == (back.returned["state"], back.returned["iss"])
    answer = await app.exchange(back.returned["code"])
    assert (200, "no-store") == (answer.status, answer.headers["Cache-Control"])
    assert {
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": f"{app.server.url}/.default offline_access",
    } == {name: answer.body[name] for name in ("token_type", "expires_in", "scope")}
    assert 200 == await app.opens(answer.body["access_token"])


async def test_tokens_match_the_scopes(app):
    """Refresh tokens need offline_access, and id tokens need openid."""
    body = await app.sign_in(scope=f"{app.server.url}/.default")
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}


async def test_who_one_is(app):
    """A user's token has the user as its subject."""
    body = await app.sign_in()
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    async with app.session.get(f"{app.server.url}/api/v1/token/inspect", headers=headers) as response:
        assert "demo" == (await response.json())["subject"]


async def test_rights_are_shared(root, run_app):
    """A user's token has the capabilities that both the user and the client have."""
    client = OAuthClient(client_id="app", client_secret=None, capabilities={"functionsAcl:READ", "functionsAcl:RUN"})
    user = User(name="reader", password="pw", capabilities={"functionsAcl:READ", "sessionsAcl:CREATE"})
    async with serve(root, clients=[client], users=[user]) as server:
        app = run_app(server, client_id="app")
        token = (await app.sign_in())["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        async with app.session.get(f"{server.url}/api/v1/token/inspect", headers=headers) as response:
            capabilities = (await response.json())["capabilities"]
    assert [["READ"]] == [capability["functionsAcl"]["actions"] for capability in capabilities]


@pytest.mark.parametrize("form", [{"password": "wrong"}, {"user": "nobody"}, {"user": "", "password": ""}])
async def test_wrong_password(app, form):
    """A wrong user name and a wrong password show the same page again."""
    pages = [await app.submit(app.ask(), form=form), await app.submit(app.ask(), form={"password": "other"})]
    assert [403, 403] == [page.status for page in pages]
    assert pages[0].text == pages[1].text
    assert 'role="alert">The user name' in pages[0].text


async def test_refusal(app):
    """A user can cancel without a password, and the program gets the error."""
    back = await app.submit(app.ask(), form={"decision": "refuse", "password": ""})
    assert {"error": "access_denied", "state": "s t&te", "iss": app.server.url}.items() <= back.returned.items()


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": None}, "invalid_request"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"scope": "https://elsewhere.example/.default"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"),
    ],
)
async def test_errors_for_the_program(app, method, changes, error):
    """The program gets the errors of its request, with state and issuer, before a user signs in."""
    back = (await app.browse(method, app.ask(**changes), data={} if method == "POST" else None)).returned
    assert (error, "s t&te", app.server.url) == (back["error"], back["state"], back["iss"])
    assert "code" not in back


async def test_no_state(app):
    """A program that sent no state gets none."""
    assert "state" not in (await app.submit(app.ask(state=None))).returned


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "<script>alert(1)</script>"},
        {"client_id": None},
        {"redirect_uri": None},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:80@evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1.evil.example/callback"},
        {"redirect_uri": "http://127.0.0.1:1/elsewhere"},
        {"redirect_uri": "http://127.0.0.1:1/callback\r\nX: y"},
        {"redirect_uri": "http://127.0.0.1:1/callback#x"},
        {"redirect_uri": "https://127.0.0.1:1/callback"},
        {"redirect_uri": "javascript:alert(1)"},
    ],
)
async def test_errors_for_the_user(app, changes):
    """If client or redirect URI are unknown, there is no redirect, and the page does not quote the request."""
    pages = [await app.browse("GET", app.ask(**changes)), await app.submit(app.ask(**changes))]
    assert [400, 400] == [page.status for page in pages]
    assert not any("Location" in page.headers or "alert" in page.text or "evil" in page.text for page in pages)
    assert all(page.headers["Content-Type"].startswith("text/html") for page in pages)


async def test_parameter_given_twice(app):
    """A request with a repeated parameter is rejected on the page."""
    page = await app.browse("GET", app.ask() + "&state=other")
    assert 400 == page.status


@pytest.mark.parametrize(
    "redirect_uri",
    [
        "http://127.0.0.1:1/callback",
        "http://localhost:53000",
        "http://localhost:53000/",
        "http://127.0.0.1/",
    ],
)
async def test_loopback_addresses(app, redirect_uri):
    """Programs on this machine may listen on any port."""
    app.redirect_uri = redirect_uri
    assert "access_token" in await app.sign_in()


async def test_own_address(server, run_app):
    """A redirect URI must match exactly, and may have a query."""
    uri = "https://app.example/back?x=1"
    server.add_client(OAuthClient(client_id="web", client_secret=None, redirect_uris=[uri]))
    app = run_app(server, client_id="web", redirect_uri=uri)
    assert (await app.submit(app.ask())).headers["Location"].startswith(f"{uri}&code=")
    assert 400 == (await app.browse("GET", app.ask(redirect_uri="http://127.0.0.1/callback"))).status


async def test_pages_are_safe(app):
    """Pages are not cached or framed, run no scripts, load no files, and show the program's name as text."""
    app.server.add_client(OAuthClient(client_id="<i>&", client_secret=None))
    for client_id in ("<i>&", "no-such-client"):
        page = await app.browse("GET", app.ask(client_id=client_id))
        policy = page.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert ("no-store", "DENY", "nosniff", "same-origin") == tuple(
            page.headers[name]
            for name in ("Cache-Control", "X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")
        )
        assert not re.search(r"<script|<img|<link|<i>|src=", page.text)


async def test_page_names_program_project_and_address(app):
    """The page shows the program, the project and the redirect URI."""
    text = (await app.browse("GET", app.ask())).text
    assert "<b>aiocdf</b>" in text
    assert "<b>local</b>" in text
    assert "return to 127.0.0.1:54321" in text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 303),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, 403),
        ({"Sec-Fetch-Site": "none"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "{url}"}, 303),
        ({}, 303),
    ],
)
async def test_forms_of_other_sites(app, headers, status):
    """A sign-in form from a page of another site is rejected, even with the right password."""
    headers = {name: value.format(url=app.server.url) for name, value in headers.items()}
    assert status == (await app.submit(app.ask(), headers=headers)).status


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"code_verifier": "short"}, "invalid_grant"),
        ({"code_verifier": None}, "invalid_request"),
        ({"redirect_uri": "http://127.0.0.1:54321/"}, "invalid_grant"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"code": "no-such-code"}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_grant"),
    ],
)
async def test_code_of_somebody_else(app, changes, error):
    """A code is valid only for its program, with its verifier and its redirect URI."""
    app.server.add_client(OAuthClient(client_id="other", client_secret=None))
    answer = await app.exchange(await app.code(), **changes)
    assert (400, error) == (answer.status, answer.body["error"])


async def test_code_used_twice(app):
    """A repeated code is rejected, and its earlier tokens are revoked."""
    code = await app.code()
    tokens = (await app.exchange(code)).body
    again = await app.exchange(code)
    assert (400, "invalid_grant") == (again.status, again.body["error"])
    assert 401 == await app.opens(tokens["access_token"])
    assert 400 == (await app.refresh(tokens["refresh_token"])).status


async def test_code_used_by_many(app):
    """Of many concurrent uses of a code, at most one gets tokens."""
    code = await app.code()
    answers = await asyncio.gather(*(app.exchange(code) for _ in range(10)))
    assert [200] + 9 * [400] == sorted(answer.status for answer in answers)


async def test_code_expires(root, run_app):
    """An expired code is rejected."""
    async with serve(root, limits=Limits(code_seconds=0)) as server:
        app = run_app(server)
        answer = await app.exchange(await app.code())
        assert (400, "invalid_grant") == (answer.status, answer.body["error"])


async def test_client_with_a_secret(server, run_app):
    """A client with a secret needs the secret to use a code."""
    server.add_client(OAuthClient(client_id="web", client_secret="s"))
    app = run_app(server, client_id="web")
    code = await app.code()
    assert 401 == (await app.exchange(code)).status
    assert 200 == (await app.exchange(code, client_secret="s")).status


async def test_calls_in_a_users_name(app, connect):
    """A user's token creates sessions, and the called function acts as the user."""
    api = await connect(app.server)
    api.token = (await app.sign_in())["access_token"]
    assert "Completed" == (await api.run("double", x=1))["status"]


async def test_no_secrets_shown(server):
    """A server shows neither passwords nor secrets."""
    (user,) = server.users
    shown = f"{server!r} {user!r} {server.environment('interactive')}"
    assert user.password.reveal() not in shown
    assert server.environment()["IDP_CLIENT_SECRET"] not in shown


async def test_style_passes_the_policy(app):
    """The pages contain their style, and the policy of each page allows only this style."""
    sign_in, code = await app.browse("GET", app.ask()), await app.browse("GET", f"{app.server.url}/oauth2/device")
    for page in (sign_in, code):
        style = page.text.partition("<style>")[2].partition("</style>")[0]
        hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{hashed}'" in page.headers["Content-Security-Policy"]
        assert "$" not in page.text
        assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")


async def test_names_with_signs_of_templates(root, run_app):
    """Names are text: not HTML or placeholders of a template."""
    odd = "$body ${style} <b>&amp;"
    async with serve(root, clients=[OAuthClient(client_id=odd, client_secret=None)]) as server:
        app = run_app(server, client_id=odd)
        page = await app.browse("GET", app.ask())
    assert "<b>$body ${style} &lt;b&gt;&amp;amp;</b> " in page.text
