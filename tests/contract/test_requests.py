"""The common rules of all requests: what is optional, and what is rejected."""

from __future__ import annotations

import asyncio
import json
import logging
from urllib.parse import urlsplit

import pytest

from aiocdf.local import serve

UNKNOWN = 2**53 - 1


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/functions/1/calls/list", {"limit": 25, "cursor": None}),
        ("/functions/1/calls/list", {"limit": None, "filter": None}),
        ("/functions/1/calls/list", {"filter": {"status": None, "scheduleId": None, "startTime": {"min": None}}}),
        ("/functions/1/calls/byids", {"items": [], "ignoreUnknownIds": None}),
        ("/functions/list", {"filter": {"name": None, "status": None, "metadata": None, "createdTime": None}}),
        ("/functions/byids", {"items": [{"id": 1, "externalId": None}], "ignoreUnknownIds": None}),
    ],
)
async def test_null_is_absent(api, path, body):
    """An optional member may be null: Cognite's clients send `"cursor": null`."""
    if body.get("items") == []:
        call = await api.run("double", x=1)
        body = body | {"items": [{"id": call["id"]}]}
    answer = await api.post(path, body)
    assert 200 == answer.status, answer.body


async def test_null_data(api):
    """A call whose data is null gives the function an empty object."""
    echo = await api.function_id("echo")
    started = await api.post(f"/functions/{echo}/call", {"nonce": await api.nonce(), "data": None})
    call = await api.ended(started.body)
    assert {} == (await api.get(f"/functions/{echo}/calls/{call['id']}/response")).body["response"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/functions/list", "POST"),
        ("GET", "/functions/byids", "POST"),
        ("GET", "/functions/1/calls/list", "POST"),
        ("GET", "/functions/1/calls/byids", "POST"),
        ("GET", "/functions/1/call", "POST"),
        ("GET", "/sessions/byids", "POST"),
        ("DELETE", "/functions/limits", "GET"),
        ("PUT", "/functions/1", "GET"),
    ],
)
async def test_other_methods(api, method, path, allowed):
    """A wrong method is 405, and `Allow` has the right ones (RFC 9110, section 15.5.6)."""
    answer = await api.send(method, path)
    assert (405, 405) == (answer.status, answer.error["code"])
    assert set(allowed.split(",")) == set(answer.headers["Allow"].split(","))


@pytest.mark.parametrize(
    "item",
    [
        {"tokenExchange": True, "oneshotTokenExchange": True},
        {"tokenExchange": True, "clientId": "local", "clientSecret": "x"},
    ],
)
async def test_two_kinds_of_session(api, item):
    """A session has exactly one type."""
    answer = await api.post("/sessions", {"items": [item]})
    assert 400 == answer.status
    assert answer.error["message"].startswith("items[0] must have ")


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/functions/byids", {"items": [{"externalId": "x" * 256}]}, "items[0].externalId"),
        ("/functions/list", {"filter": {"externalIdPrefix": "x" * 256}}, "filter.externalIdPrefix"),
        ("/functions/list", {"filter": {"name": "x" * 141}}, "filter.name"),
        ("/functions/list", {"filter": {"owner": "x" * 129}}, "filter.owner"),
        ("/functions/list", {"filter": {"metadata": {"a": 1}}}, "filter.metadata.a"),
        ("/functions/list", {"filter": {"metadata": {"a": None}}}, "filter.metadata.a"),
        ("/functions/list", {"filter": {"name": "\ud800"}}, "filter.name"),
        ("/functions/1/calls/list", {"cursor": "x"}, "cursor"),
        ("/functions/1/calls/list", {"cursor": "OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"}, "cursor"),  # a number above all ids
        ("/functions/1/calls/list", {"cursor": "K18xXzA"}, "cursor"),  # "+_1_0"
    ],
)
async def test_refused_fields(api, path, body, field):
    """A field that breaks a documented rule is rejected by name."""
    answer = await api.post(path, body)
    assert 400 == answer.status
    assert answer.error["message"].startswith(field + " ")


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/functions?limit=5&limit=6", "limit"),
        ("/functions?limit=٣", "limit"),
        ("/sessions?status=ready&status=active", "status"),
        ("/functions/٣", "functionId"),
        ("/functions/1/calls?limit=\uff15", "limit"),
    ],
)
async def test_refused_addresses(api, path, field):
    """A repeated parameter, or one with digits that are not ASCII, is rejected by name."""
    answer = await api.get(path)
    assert 400 == answer.status
    assert answer.error["message"].startswith(field + " ")


async def test_lists_in_addresses(api):
    """An unknown parameter may be repeated, because some parameters of the service are lists."""
    assert 200 == (await api.get("/files?assetIds=1&assetIds=2")).status


async def test_no_body(api):
    """If all members of a body are optional, the body is optional."""
    assert (await api.get("/functions")).body == (await api.post("/functions/list", json=None)).body
    assert 400 == (await api.post("/functions/byids", json=None)).status


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1", "utf-8-sig"])
async def test_encodings(api, encoding):
    """A body must be UTF-8 (RFC 8259, section 8.1)."""
    answer = await api.post("/functions/list", json=None, data='{"filter": {"name": "é"}}'.encode(encoding))
    assert 400 == answer.status


@pytest.mark.parametrize("path", ["/calls/5", "/calls/5/response", "/calls/5/logs"])
async def test_unknown_function_of_a_call(api, path):
    """If the function is unknown, `missing` has the function and not the call."""
    answer = await api.get(f"/functions/{UNKNOWN}{path}")
    assert (400, [{"id": UNKNOWN}]) == (answer.status, answer.error["missing"])
    assert "function" in answer.error["message"]
    assert "call" not in answer.error["message"]


async def test_unknown_function_of_calls(api):
    """The same is true for calls by ids, also if unknown ids are ignored."""
    for ignored in (False, True):
        body = {"items": [{"id": 5}], "ignoreUnknownIds": ignored}
        answer = await api.post(f"/functions/{UNKNOWN}/calls/byids", body)
        assert (400, [{"id": UNKNOWN}]) == (answer.status, answer.error["missing"])


@pytest.mark.parametrize("missing_key", ["externalId", "external_id"])
async def test_missing_key(root, connect, missing_key):
    """Unknown functions are named by `externalId` as documented, or by `external_id` as the service's tests expect."""
    async with serve(root, missing_key=missing_key) as server:
        api = await connect(server)
        answer = await api.post("/functions/byids", {"items": [{"externalId": "nowhere"}, {"id": UNKNOWN}]})
    assert [{missing_key: "nowhere"}, {"id": UNKNOWN}] == answer.error["missing"]


@pytest.mark.parametrize(
    "sent",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nbad header\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nx: " + b"y" * 10_000 + b"\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
    ],
)
async def test_not_http(server, sent, caplog):
    """Invalid HTTP gets an error in the common format, without a traceback in the log."""
    head, body = await _exchange(server, sent)
    assert head.split()[1] == b"400"
    assert b"x-request-id: " in head.lower()
    assert 400 == json.loads(body)["error"]["code"]
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]


@pytest.mark.parametrize("body", [b"not gzip at all", b"\x1f\x8b\x08\x00garbage"])
async def test_invalid_gzip(api, body, caplog):
    """A body that is not valid gzip, as declared, is rejected without a traceback in the log."""
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
    answer = await api.post("/functions/list", json=None, data=body, headers=headers)
    assert 400 == answer.status
    await asyncio.sleep(0.05)
    assert not [record for record in caplog.records if record.exc_info and record.levelno > logging.DEBUG]


async def _exchange(server, sent):
    """Send bytes, and return head and body of the response."""
    address = urlsplit(server.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    try:
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        return head, await reader.read()
    finally:
        writer.close()
        await writer.wait_closed()
