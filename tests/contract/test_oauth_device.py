"""The device flow: a user allows a program on a device without a browser to act."""

from __future__ import annotations

import pytest
import pytest_asyncio

from aiocdf.local import Limits, OAuthClient, serve

DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"


@pytest_asyncio.fixture(loop_scope="module")
async def impatient(root, run_app):
    """A device without an interval."""
    async with serve(root, limits=Limits(device_interval=0)) as server:
        yield run_app(server)


async def start(app, **form):
    answer = await app.post("/oauth2/device_authorization", **form)
    assert 200 == answer.status, answer.body
    return answer.body


async def poll(app, device, **changes):
    form = {"grant_type": DEVICE_CODE, "device_code": device["device_code"]} | changes
    return await app.post("/oauth2/token", **form)


async def test_start(app):
    """A device gets a code, the page to enter it, and the interval for polls."""
    answer = await app.post("/oauth2/device_authorization")
    body = answer.body
    assert (200, "no-store") == (answer.status, answer.headers["Cache-Control"])
    assert (600, 5) == (body["expires_in"], body["interval"])
    assert body["verification_uri"] == f"{app.server.url}/oauth2/device"
    assert body["verification_uri_complete"] == f"{body['verification_uri']}?user_code={body['user_code']}"
    assert len(body["user_code"]) == 9
    assert body["device_code"] != (await start(app))["device_code"]


async def test_allowed(impatient):
    """After the user entered the code and signed in, the next poll returns tokens, and the code is no longer valid."""
    device = await start(impatient, scope=f"{impatient.server.url}/.default offline_access openid")
    pending = await poll(impatient, device)
    assert (400, "authorization_pending") == (pending.status, pending.body["error"])
    page = await impatient.browse("GET", device["verification_uri_complete"])
    assert (200, True) == (page.status, device["user_code"] in page.text)
    assert "Signed in" in (await impatient.submit(device["verification_uri_complete"])).text
    tokens = (await poll(impatient, device)).body
    assert 200 == await impatient.opens(tokens["access_token"])
    assert 200 == (await impatient.refresh(tokens["refresh_token"])).status
    assert "id_token" in tokens
    again = await poll(impatient, device)
    assert (400, "invalid_grant") == (again.status, again.body["error"])


async def test_typed_code(app):
    """The page asks for a code. It accepts any case and no hyphen, and rejects unknown codes."""
    device = await start(app)
    page = device["verification_uri"]
    assert 'name="user_code"' in (await app.browse("GET", page)).text
    for typed in (device["user_code"].lower(), device["user_code"].replace("-", ""), f" {device['user_code']} "):
        assert device["user_code"] in (await app.browse("GET", page, params={"user_code": typed})).text
    for typed in ("", "BBBB-BBBB", "<script>"):
        wrong = await app.browse("GET", page, params={"user_code": typed})
        assert (404, True, False) == (wrong.status, 'name="user_code"' in wrong.text, "script" in wrong.text)


async def test_refused(impatient):
    """After the user refused, the device gets this error."""
    device = await start(impatient)
    page = await impatient.submit(
        device["verification_uri_complete"], form={"decision": "refuse", "user": "", "password": ""}
    )
    assert "Refused" in page.text
    answer = await poll(impatient, device)
    assert (400, "access_denied") == (answer.status, answer.body["error"])


async def test_decided_once(impatient):
    """A code with a decision is not valid any more, on the page or in an open form."""
    device = await start(impatient)
    page = device["verification_uri_complete"]
    await impatient.submit(page)
    assert [404, 404] == [(await impatient.browse("GET", page)).status, (await impatient.submit(page)).status]


async def test_wrong_password(impatient):
    """A wrong password gives no consent, and shows the page again."""
    device = await start(impatient)
    page = await impatient.submit(device["verification_uri_complete"], form={"password": "wrong"})
    assert (403, True) == (page.status, device["user_code"] in page.text)
    assert "authorization_pending" == (await poll(impatient, device)).body["error"]


async def test_form_of_another_site(impatient):
    """A page of another site is not able to give consent, even with a user's password."""
    device = await start(impatient)
    page = await impatient.submit(device["verification_uri_complete"], headers={"Sec-Fetch-Site": "cross-site"})
    assert 403 == page.status
    assert "authorization_pending" == (await poll(impatient, device)).body["error"]


async def test_too_fast(app):
    """A device that polls before its interval gets `slow_down`, also after the consent."""
    device = await start(app)
    assert "authorization_pending" == (await poll(app, device)).body["error"]
    assert "slow_down" == (await poll(app, device)).body["error"]
    await app.submit(device["verification_uri_complete"])
    assert "slow_down" == (await poll(app, device)).body["error"]


async def test_expired(root, run_app):
    """A device whose user did not answer in time gets this error, and its code is not valid any more."""
    async with serve(root, limits=Limits(device_seconds=0)) as server:
        app = run_app(server)
        device = await start(app)
        assert 404 == (await app.submit(device["verification_uri_complete"])).status
        answer = await poll(app, device)
        assert (400, "expired_token") == (answer.status, answer.body["error"])


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "other"}, "invalid_grant"),
        ({"device_code": "no-such-code"}, "invalid_grant"),
        ({"device_code": None}, "invalid_request"),
    ],
)
async def test_device_code_of_somebody_else(app, changes, error):
    """A device code is valid only for its own client."""
    app.server.add_client(OAuthClient(client_id="other", client_secret=None))
    answer = await poll(app, await start(app), **changes)
    assert (400, error) == (answer.status, answer.body["error"])


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ({"client_id": "no-such-client"}, (401, "invalid_client")),
        ({"client_id": "local"}, (401, "invalid_client")),
        ({"scope": "any"}, (400, "invalid_scope")),
    ],
)
async def test_refusals(app, form, expected):
    """An unknown client, or a scope that is not allowed, gets no code."""
    answer = await app.post("/oauth2/device_authorization", **form)
    assert expected == (answer.status, answer.body["error"])
