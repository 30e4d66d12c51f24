"""The token endpoint, and the access of tokens."""

from __future__ import annotations

import base64
from urllib.parse import quote_plus

import aiohttp
import pytest

from aiocdf.local import Limits, OAuthClient, serve
from aiocdf.local.state.records import ALL_CAPABILITIES


def basic(client_id: str, client_secret: str) -> dict[str, str]:
    pair = f"{quote_plus(client_id)}:{quote_plus(client_secret)}"
    return {"Authorization": "Basic " + base64.b64encode(pair.encode()).decode()}


@pytest.fixture
def odd(server):
    """A client whose id and secret have special characters of headers and forms."""
    client = OAuthClient(client_id="a:b c", client_secret="p+w=%&é", capabilities={"functionsAcl:READ"})
    server.add_client(client)
    return client


async def ask(server, form=None, **options):
    url = server.environment()["IDP_TOKEN_URL"]
    async with aiohttp.ClientSession() as session, session.post(url, data=form, **options) as response:
        return response.status, await response.json(), response.headers


async def test_secret_in_the_form(server, odd):
    """A client that sends its secret in the form gets a bearer token without caching."""
    form = {"grant_type": "client_credentials", "client_id": odd.client_id, "client_secret": "p+w=%&é"}
    status, body, headers = await ask(server, form)
    assert (200, "Bearer", 3600, "no-store") == (
        status,
        body["token_type"],
        body["expires_in"],
        headers["Cache-Control"],
    )
    assert len(body["access_token"]) >= 32


async def test_secret_in_the_header(server, odd):
    """A client that sends form-encoded id and secret in a Basic header gets a token."""
    headers = basic(odd.client_id, "p+w=%&é")
    status, body, _ = await ask(server, {"grant_type": "client_credentials"}, headers=headers)
    assert (200, "Bearer") == (status, body["token_type"])


@pytest.mark.parametrize(
    ("form", "headers", "expected"),
    [
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, {}, (401, "invalid_client")),
        ({"grant_type": "client_credentials", "client_id": "a:b c", "client_secret": "y"}, {}, (401, "invalid_client")),
        ({"grant_type": "client_credentials"}, {}, (401, "invalid_client")),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic ?"}, (401, "invalid_client")),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic /w=="}, (401, "invalid_client")),
        ({"grant_type": "client_credentials", "client_secret": "p"}, basic("a:b c", "p"), (400, "invalid_request")),
        ({"grant_type": "password"}, basic("a:b c", "p+w=%&é"), (400, "unsupported_grant_type")),
        ({"grant_type": "client_credentials", "scope": "any"}, basic("a:b c", "p+w=%&é"), (400, "invalid_scope")),
        ({"grant_type": "authorization_code"}, basic("a:b c", "p+w=%&é"), (400, "invalid_request")),
        ({"grant_type": "refresh_token", "refresh_token": "x"}, basic("a:b c", "p+w=%&é"), (400, "invalid_grant")),
        ({"grant_type": "client_credentials", "client_id": "aiocdf"}, {}, (400, "unauthorized_client")),
        (
            {"grant_type": "client_credentials", "client_id": "aiocdf", "client_secret": "x"},
            {},
            (401, "invalid_client"),
        ),
        ({"client_id": "a:b c"}, {}, (400, "invalid_request")),
        ([("grant_type", "client_credentials"), ("grant_type", "password")], {}, (400, "invalid_request")),
        ("{}", {"Content-Type": "application/json"}, (400, "invalid_request")),
    ],
)
async def test_refusals(server, odd, form, headers, expected):
    """A token request that is not valid gets an error of RFC 6749; a wrong client gets 401."""
    status, body, answered = await ask(server, form, headers=headers)
    assert expected == (status, body["error"])
    assert isinstance(body["error_description"], str)
    assert (status == 401) == ("WWW-Authenticate" in answered)


@pytest.mark.parametrize(
    ("asked", "answered", "opens"),
    [
        (None, "{url}/.default", True),
        ("{url}/.default {url}/.default", "{url}/.default", True),
        ("IDENTITY {url}/user_impersonation", "IDENTITY {url}/user_impersonation", True),
        ("openid profile", "openid profile", False),
    ],
)
async def test_scopes(server, odd, asked, answered, opens):
    """The response has the scopes, by default those of the API. A token without them has no access to the API."""
    form = {"grant_type": "client_credentials"} | ({"scope": asked.format(url=server.url)} if asked else {})
    _, body, _ = await ask(server, form, headers=basic(odd.client_id, "p+w=%&é"))
    assert body["scope"] == answered.format(url=server.url)
    headers = {"Authorization": f"Bearer {body['access_token']}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{server.url}/api/v1/projects/local/functions") as response,
    ):
        assert response.status == (200 if opens else 403)


async def test_scopes_of_a_client(server):
    """A client gets only its allowed scopes."""
    server.add_client(OAuthClient(client_id="narrow", client_secret="s", scopes={".default"}))
    form = {"grant_type": "client_credentials", "scope": f"{server.url}/IDENTITY"}
    status, body, _ = await ask(server, form, headers=basic("narrow", "s"))
    assert (400, "invalid_scope") == (status, body["error"])


async def test_descriptions_are_plain(server):
    """Errors quote the request only with the characters that RFC 6749 allows in a description."""
    form = {"grant_type": "client_credentials", "client_id": 'é"\\\n', "client_secret": "x"}
    _, body, _ = await ask(server, form)
    assert set(body["error_description"]) <= {chr(code) for code in range(0x20, 0x7F)} - {'"', "\\"}


async def test_no_token(api):
    """Without a valid token for the project the response is 401, without the reason."""
    good, answers = api.token, []
    for token, project in (("", None), ("wrong", None), (good, "other")):
        api.token = token
        answers.append(await api.get("/functions", project=project))
    assert [{"error": {"code": 401, "message": "Unauthorized"}}] * 3 == [answer.body for answer in answers]
    assert {401} == {answer.status for answer in answers}


async def test_not_a_bearer(api):
    """A valid token with another scheme than Bearer is rejected."""
    answer = await api.get("/functions", headers={"Authorization": f"Basic {api.token}"})
    assert 401 == answer.status


async def test_expired(root):
    """An expired token is rejected."""
    async with serve(root, limits=Limits(token_seconds=0)) as server, aiohttp.ClientSession() as session:
        known = server.environment()
        auth = basic(known["IDP_CLIENT_ID"], known["IDP_CLIENT_SECRET"])
        _, body, _ = await ask(server, {"grant_type": "client_credentials"}, headers=auth)
        headers = {"Authorization": f"Bearer {body['access_token']}"}
        async with session.get(f"{server.url}/api/v1/token/inspect", headers=headers) as response:
            assert 401 == response.status


@pytest.mark.parametrize(
    ("method", "path", "missing"),
    [
        ("GET", "/functions", "functionsAcl:READ"),
        ("POST", "/functions/1/call", "functionsAcl:RUN"),
        ("POST", "/functions/status", "functionsAcl:WRITE"),
        ("POST", "/functions/1/calls/byids", "functionsAcl:READ"),
        ("POST", "/sessions", "sessionsAcl:CREATE"),
        ("GET", "/sessions", "sessionsAcl:LIST"),
        ("POST", "/sessions/revoke", "sessionsAcl:DELETE"),
    ],
)
async def test_missing_capability(api, method, path, missing):
    """A token without the capability of an endpoint gets 403 with the name of the capability."""
    someone = await api.as_client(*ALL_CAPABILITIES - {missing})
    answer = await someone.send(method, path, json={})
    assert (403, f"Missing capability {missing}") == (answer.status, answer.error["message"])


async def test_inspect(api):
    """The inspect endpoint returns the capabilities and projects of a token."""
    someone = await api.as_client("functionsAcl:RUN", "functionsAcl:READ")
    headers = {"Authorization": f"bearer {someone.token}"}
    async with api.session.get(f"{api.server.url}/api/v1/token/inspect", headers=headers) as response:
        body = await response.json()
    assert [{"projectUrlName": "local", "groups": [1]}] == body["projects"]
    assert [
        {
            "functionsAcl": {"version": 1, "actions": ["READ", "RUN"], "scope": {"all": {}}},
            "projectScope": {"projects": ["local"]},
        }
    ] == body["capabilities"]
