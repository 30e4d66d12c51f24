"""The sessions endpoints."""

from __future__ import annotations

import math

import pytest

from aiocdf.local import Limits, serve
from aiocdf.local.state.records import ALL_CAPABILITIES, Access


async def create(api, item=None):
    return await api.post("/sessions", {"items": [item or {"tokenExchange": True}]})


@pytest.mark.parametrize(
    ("item", "kind"),
    [({"tokenExchange": True}, "TOKEN_EXCHANGE"), ({"oneshotTokenExchange": True}, "ONESHOT_TOKEN_EXCHANGE")],
)
async def test_exchange(api, item, kind):
    """A session of the request's token is READY and has a nonce, and the status is 200."""
    answer = await create(api, item)
    (session,) = answer.body["items"]
    assert (200, kind, "READY") == (answer.status, session["type"], session["status"])
    assert {"id", "type", "status", "nonce"} == set(session)


async def test_exchange_refused(root, connect):
    """If the identity provider does not exchange tokens, tokenExchange is rejected with 400 and one-shot is not."""
    async with serve(root, limits=Limits(token_exchange=False)) as server:
        api = await connect(server)
        refused, made = await create(api), await create(api, {"oneshotTokenExchange": True})
    assert (400, 200) == (refused.status, made.status)
    assert "does not exchange tokens" in refused.error["message"]


async def test_client_credentials(api):
    """A session of client credentials has its client id, and the nonce is shown only once."""
    known = api.server.environment()
    answer = await create(api, {"clientId": known["IDP_CLIENT_ID"], "clientSecret": known["IDP_CLIENT_SECRET"]})
    (session,) = answer.body["items"]
    (again,) = (await api.post("/sessions/byids", {"items": [{"id": session["id"]}]})).body["items"]
    assert ("CLIENT_CREDENTIALS", known["IDP_CLIENT_ID"]) == (session["type"], session["clientId"])
    assert {"id", "type", "status", "clientId", "creationTime", "expirationTime"} == set(again)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "items"),
        ({"items": []}, "items"),
        ({"items": [{"tokenExchange": True}] * 2}, "items"),
        ({"items": [{}]}, "tokenExchange"),
        ({"items": [{"tokenExchange": False}]}, "tokenExchange"),
        ({"items": [{"tokenExchange": "yes"}]}, "items[0].tokenExchange"),
        ({"items": [{"clientId": "x"}]}, "items[0].clientSecret"),
        ({"items": [{"clientId": "x", "clientSecret": "y"}]}, "'x'"),
    ],
)
async def test_bad_session(api, body, words):
    """A request that breaks the document is rejected with the field's name."""
    answer = await api.post("/sessions", body)
    assert 400 == answer.status
    assert words in answer.error["message"]


async def test_by_ids_unknown(api):
    """A request for sessions fails if one is unknown, and names the unknown ones."""
    known = (await create(api)).body["items"][0]["id"]
    answer = await api.post("/sessions/byids", {"items": [{"id": known}, {"id": 5}]})
    assert (400, [{"id": 5}]) == (answer.status, answer.error["missing"])


@pytest.mark.own_server
async def test_list_pages(api):
    """Sessions are listed newest first, page by page, until there is no cursor."""
    made = [(await create(api)).body["items"][0]["id"] for _ in range(5)]
    listed, cursor = [], ""
    while cursor is not None:
        page = (await api.get(f"/sessions?limit=2&status=Ready{cursor}")).body
        listed.append([session["id"] for session in page["items"]])
        cursor = f"&cursor={page['nextCursor']}" if "nextCursor" in page else None
    made.reverse()
    assert [made[:2], made[2:4], made[4:]] == listed


@pytest.mark.parametrize(
    "query", ["status=gone", "limit=0", "limit=1001", "limit=x", "cursor=%21", f"limit={'9' * 5000}"]
)
async def test_bad_list(api, query):
    """A query that is not valid is rejected."""
    assert 400 == (await api.get(f"/sessions?{query}")).status


@pytest.mark.own_server
async def test_status_in_capitals(api):
    """The status may be in upper case, as official clients send it."""
    await create(api)
    assert 1 == len((await api.get("/sessions?status=READY")).body["items"])
    assert [] == (await api.get("/sessions?status=EXPIRED")).body["items"]


async def test_revoke(api):
    """Revoking is idempotent, and a revoked session is not bound."""
    session = (await create(api)).body["items"][0]
    body = {"items": [{"id": session["id"]}]}
    answers = [await api.post("/sessions/revoke", body) for _ in range(2)]
    assert [(200, "REVOKED")] * 2 == [(answer.status, answer.body["items"][0]["status"]) for answer in answers]
    refused = await api.post("/functions/1/call", {"nonce": session["nonce"]})
    assert (400, "Failed to bind session using nonce for: 1") == (refused.status, refused.error["message"])


async def test_revoke_without_list(api):
    """A client that may not list sessions gets only the ids of the revoked ones."""
    session = (await create(api)).body["items"][0]
    someone = await api.as_client("sessionsAcl:DELETE")
    answer = await someone.post("/sessions/revoke", {"items": [{"id": session["id"]}]})
    assert {"items": [{"id": session["id"]}]} == answer.body


async def test_binding(api):
    """A call makes its session ACTIVE, and the nonce is valid once."""
    session = (await create(api)).body["items"][0]
    first = await api.post("/functions/1/call", {"nonce": session["nonce"], "data": {"x": 1}})
    second = await api.post("/functions/1/call", {"nonce": session["nonce"], "data": {"x": 1}})
    shown = await api.post("/sessions/byids", {"items": [{"id": session["id"]}]})
    assert [201, 400, "ACTIVE"] == [first.status, second.status, shown.body["items"][0]["status"]]
    assert "Failed to bind session using nonce for: 1" == second.error["message"]


async def test_dead_nonce(root, connect):
    """An expired nonce is rejected, and its session stays READY."""
    async with serve(root, limits=Limits(nonce_seconds=0)) as server:
        api = await connect(server)
        answer = await api.post("/functions/1/call", {"nonce": await api.nonce(), "data": {"x": 1}})
        assert (400, "Failed to bind session using nonce for: 1") == (answer.status, answer.error["message"])
        assert ["READY"] == [session["status"] for session in (await api.get("/sessions")).body["items"]]


async def test_chain(api):
    """A running call may create a session for another call. That call may not create one."""
    statuses = []
    for depth in (1, 2):
        access = Access(client_id="x", capabilities=ALL_CAPABILITIES, expires=math.inf, session_id=1, depth=depth)
        api.token = (await api.server._issuer.issue(access)).reveal()
        statuses.append((await create(api)).status)
    assert statuses == [200, 400]
