"""The limits of wrong attempts and of requests in a loop."""

from __future__ import annotations

import time

import pytest

from aiocdf.local import Limits, serve
from aiocdf.local.identity import codes, devices
from aiocdf.local.state import tokens

pytestmark = pytest.mark.own_server

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"
LONGEST_WAIT = 10


@pytest.fixture
def later(monkeypatch):
    """Sets the server's clocks forward."""
    real = time.monotonic, time.time

    def later(seconds):
        monkeypatch.setattr("time.monotonic", lambda: real[0]() + seconds)
        monkeypatch.setattr("time.time", lambda: real[1]() + seconds)

    return later


async def guess(app, url=None, user="demo", times=20):
    """Enter wrong passwords, and return the last page."""
    for _ in range(times):
        page = await app.submit(url or app.ask(), form={"user": user, "password": "wrong"})
    return page


async def device(app):
    """The response to a device's request for a code."""
    return (await app.post("/oauth2/device_authorization")).body


async def test_passwords(app, later):
    """After some wrong passwords, the right one is rejected for some seconds. Then the owner can sign in."""
    page = await guess(app)
    assert (429, True) == (page.status, 0 < int(page.headers["Retry-After"]) <= LONGEST_WAIT)
    assert f"{page.headers['Retry-After']} s" in page.text
    assert page.headers["Content-Type"].startswith("text/html")
    assert 429 == (await app.submit(app.ask())).status
    later(LONGEST_WAIT)
    assert "code" in (await app.submit(app.ask())).returned


async def test_passwords_of_others(app):
    """Guesses for another name do not block a user, and an unknown name has the same limits."""
    page = await guess(app, user="nobody")
    assert 429 == page.status
    assert "code" in (await app.submit(app.ask())).returned
    assert page.text == (await guess(app)).text


async def test_passwords_by_way_of_a_device(app):
    """The page for devices counts together with the other sign-in page."""
    page = (await device(app))["verification_uri_complete"]
    assert 429 == (await guess(app, page)).status
    assert 429 == (await app.submit(app.ask())).status


async def test_many_names(app, later):
    """Guesses for many names are limited, and delay a user only by a second."""
    statuses = [(await app.submit(app.ask(), form={"user": f"u{n}", "password": "wrong"})).status for n in range(80)]
    assert [403, 429] == [statuses[0], statuses[-1]]
    later(1)
    assert "code" in (await app.submit(app.ask())).returned


async def test_cancelling_is_not_a_guess(app):
    """A user may cancel while attempts are limited."""
    await guess(app)
    assert "access_denied" == (await app.submit(app.ask(), form={"decision": "refuse"})).returned["error"]


async def test_guesses_of_other_sites(app):
    """Forms of a page of another site do not count as attempts of the user."""
    for _ in range(20):
        await app.submit(app.ask(), form={"password": "wrong"}, headers={"Sec-Fetch-Site": "cross-site"})
    assert "code" in (await app.submit(app.ask())).returned


async def test_user_codes(app, later):
    """After some wrong user codes, the right one is rejected for some seconds, also in a form (RFC 8628, 5.1)."""
    started = await device(app)
    statuses = [
        (await app.browse("GET", started["verification_uri"], params={"user_code": f"BBBB-BB{n:02}"})).status
        for n in range(30)
    ]
    assert [404, 429] == [statuses[0], statuses[-1]]
    page = started["verification_uri_complete"]
    assert [429, 429] == [(await app.browse("GET", page)).status, (await app.submit(page)).status]
    later(LONGEST_WAIT)
    assert "Signed in" in (await app.submit(page)).text


async def test_codes_looked_up_by_other_sites(app):
    """Requests for images or frames of another site do not count as attempts of the user."""
    started = await device(app)
    for _ in range(30):
        page = await app.browse(
            "GET",
            started["verification_uri"],
            params={"user_code": "BBBB-BBBB"},
            headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "image"},
        )
        assert 403 == page.status
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "document"}
    assert 200 == (await app.browse("GET", started["verification_uri_complete"], headers=link)).status


async def token(app, secret, **options):
    form = {"grant_type": "client_credentials", "client_id": "local", "client_secret": secret}
    async with app.session.post(f"{app.server.url}/oauth2/token", data=form, **options) as answer:
        return answer.status, answer.headers, await answer.json()


async def test_client_secrets(app, later):
    """After some wrong secrets of a client, the right one is rejected for some seconds, but other clients are not."""
    statuses = [(await token(app, "wrong"))[0] for _ in range(30)]
    assert [401, 429] == [statuses[0], statuses[-1]]
    right = app.server.environment()["IDP_CLIENT_SECRET"]
    status, headers, body = await token(app, right)
    assert (429, "temporarily_unavailable") == (status, body["error"])
    assert 0 < int(headers["Retry-After"]) <= LONGEST_WAIT
    assert "access_token" in await app.sign_in()
    later(LONGEST_WAIT)
    assert 200 == (await token(app, right))[0]


async def test_forms_of_other_sites(app):
    """A page of another site is not able to guess secrets or request device codes."""
    headers = {"Sec-Fetch-Site": "cross-site"}
    for _ in range(30):
        assert 403 == (await token(app, "wrong", headers=headers))[0]
    assert 200 == (await token(app, app.server.environment()["IDP_CLIENT_SECRET"]))[0]
    page = await app.browse(
        "POST", f"{app.server.url}/oauth2/device_authorization", data={"client_id": "aiocdf"}, headers=headers
    )
    assert 403 == page.status


async def test_loop_of_device_requests(app, monkeypatch):
    """Device requests in a loop keep a bounded number of them: the newest, so that a user's own one works."""
    monkeypatch.setattr(devices, "MOST_DEVICES", 20)
    first, *_, last = [await device(app) for _ in range(25)]
    assert 404 == (await app.browse("GET", first["verification_uri_complete"])).status
    answer = await app.post("/oauth2/token", grant_type=DEVICE_CODE, device_code=first["device_code"])
    assert "invalid_grant" == answer.body["error"]
    assert "Signed in" in (await app.submit(last["verification_uri_complete"])).text


async def test_loop_of_sign_ins(app, monkeypatch):
    """Sign-ins in a loop keep a bounded number of codes: the newest."""
    monkeypatch.setattr(codes, "MOST_CODES", 3)
    first, *_, last = [await app.code() for _ in range(5)]
    assert [400, 200] == [(await app.exchange(code)).status for code in (first, last)]


async def test_loop_of_tokens(root, run_app, monkeypatch):
    """Expired tokens do not stay in memory."""
    monkeypatch.setattr(tokens, "SWEEP_EVERY", 10)
    async with serve(root, limits=Limits(token_seconds=0, refresh_seconds=0)) as server:
        app = run_app(server)
        for _ in range(25):
            await app.sign_in()
        kept = server._issuer._tokens
        assert len(kept._tokens) <= 10
        assert len(kept._refresh_tokens) <= 10
