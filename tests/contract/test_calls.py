"""Calling functions, and reading calls."""

from __future__ import annotations

import asyncio
import gzip
import json
import time

import pytest

from aiocdf.local import serve


async def test_call(api):
    """A call is Running at first, then Completed with real times and its response."""
    before = time.time_ns() // 1_000_000
    started = await api.start("double", x=21)
    assert (201, "Running", 1) == (started.status, started.body["status"], started.body["functionId"])
    call = await api.ended(started.body)
    response = await api.get(f"/functions/1/calls/{call['id']}/response")
    assert "Completed" == call["status"]
    assert before <= call["startTime"] <= call["endTime"] <= time.time_ns() // 1_000_000
    assert {"functionId": 1, "callId": call["id"], "response": {"value": 42}} == response.body
    assert "error" not in call


async def test_any_json_comes_back(api):
    """Any JSON reaches the function and returns unchanged."""
    data = {"text": "grüße 🎉 \u2028", "n": [None, True, -1.5e300, 2**70], "deep": {"": {}}}
    call = await api.run("echo", **data)
    answer = await api.get(f"/functions/{call['functionId']}/calls/{call['id']}/response")
    assert data == answer.body["response"]


async def test_nothing_returned(api):
    """A call that returned None has no response, instead of null."""
    call = await api.run("nothing")
    answer = await api.get(f"/functions/{call['functionId']}/calls/{call['id']}/response")
    assert {"functionId": call["functionId"], "callId": call["id"]} == answer.body


async def test_no_data(api):
    """A call without data gives the function an empty object."""
    echo = await api.function_id("echo")
    started = await api.post(f"/functions/{echo}/call", {"nonce": await api.nonce()})
    call = await api.ended(started.body)
    assert {} == (await api.get(f"/functions/{echo}/calls/{call['id']}/response")).body["response"]


async def test_failed(api):
    """A call that raised is Failed with message and trace, without a response."""
    call = await api.run("boom")
    assert ("Failed", "ZeroDivisionError: division by zero") == (call["status"], call["error"]["message"])
    assert "1 / 0" in call["error"]["trace"]
    answer = await api.get(f"/functions/{call['functionId']}/calls/{call['id']}/response")
    assert (200, False) == (answer.status, "response" in answer.body)


async def test_error_as_text(root, connect):
    """A setting shows errors as strings, as newer pages of the service document them."""
    async with serve(root, error_shape="string") as server:
        api = await connect(server)
        api.as_documented = False
        assert "ZeroDivisionError: division by zero" == (await api.run("boom"))["error"]


async def test_timeout(api):
    """A call past its function's time limit ends as Timeout and says so."""
    call = await api.run("stuck")
    assert "Timeout" == call["status"]
    assert call["error"]["message"]


async def test_too_large_response(api):
    """A response above the limit makes the call Failed. A response at the limit does not."""
    good, bad = await api.run("big", size=998), await api.run("big", size=999)
    assert ["Completed", "Failed"] == [good["status"], bad["status"]]
    assert "1001 bytes" in bad["error"]["message"]


async def test_log(api):
    """The log of a call has its lines, with times within those of the call."""
    call = await api.run("noisy")
    items = (await api.get(f"/functions/{call['functionId']}/calls/{call['id']}/logs")).body["items"]
    assert ["line 0", "line 1", "line 2"] == [item["message"] for item in items]
    times = [item["timestamp"] for item in items]
    assert sorted(times) == times
    assert call["startTime"] <= times[0] <= times[-1] <= call["endTime"]


async def test_while_it_runs(api, tmp_path):
    """The log is readable while the call runs, the response only after it."""
    gate = tmp_path / "gate"
    call = (await api.start("gate", path=str(gate))).body
    path = f"/functions/{call['functionId']}/calls/{call['id']}"
    items = []
    while not items:
        items = (await api.get(f"{path}/logs")).body["items"]
    early = await api.get(f"{path}/response")
    gate.touch()
    await api.ended(call)
    assert ["waiting"] == [item["message"] for item in items]
    assert (400, True) == (early.status, "still running" in early.error["message"])
    assert "open" == (await api.get(f"{path}/response")).body["response"]
    assert items == (await api.get(f"{path}/logs")).body["items"]


async def test_limit_of_a_function(api, tmp_path):
    """A call above the limit of a function is rejected with 429. Its nonce starts it when there is room."""
    gate = tmp_path / "gate"
    calls = [(await api.start("gate", path=str(gate))).body for _ in range(3)]
    body = {"nonce": await api.nonce(), "data": {"path": str(gate)}}
    path = f"/functions/{calls[0]['functionId']}/call"
    refused = await api.post(path, body)
    assert (429, "true", True) == (
        refused.status,
        refused.headers["cdf-is-auto-retryable"],
        refused.error["isAutoRetryable"],
    )
    assert refused.error["message"].startswith("Function exceeded maximum number='3' of concurrent calls")
    gate.touch()
    await api.ended(calls[0])
    accepted = await api.post(path, body)
    assert 201 == accepted.status
    assert {"Completed"} == {(await api.ended(call))["status"] for call in [*calls, accepted.body]}


async def test_limit_of_the_project(api, tmp_path):
    """Calls above the limit of the project are rejected with a 429 that says so, for any number of requests."""
    gate = tmp_path / "gate"
    first = [(await api.start("gate", path=str(gate))).body for _ in range(3)]
    nonces = [await api.nonce() for _ in range(6)]
    rest = await asyncio.gather(*(api.post("/functions/1/call", {"nonce": n, "data": {"x": 1}}) for n in nonces))
    refused = [answer.error["message"] for answer in rest if answer.status == 429]
    gate.touch()
    for call in [*first, *(answer.body for answer in rest if answer.status == 201)]:
        await api.ended(call)
    assert refused
    assert {True} == {message.startswith("Project exceeded maximum number='4'") for message in refused}


async def test_a_refused_call_takes_no_room(api):
    """Calls that were rejected because of their nonce do not count against the limit."""
    for _ in range(10):
        assert 400 == (await api.post("/functions/1/call", {"nonce": "none", "data": {"x": 1}})).status
    assert "Completed" == (await api.run("double", x=1))["status"]


async def test_not_ready(api):
    """A call of a function that failed to deploy is rejected, and the nonce stays valid."""
    broken, nonce = await api.function_id("broken"), await api.nonce()
    refused = await api.post(f"/functions/{broken}/call", {"nonce": nonce, "data": {}})
    assert (400, True) == (refused.status, "not ready" in refused.error["message"])
    assert 201 == (await api.post("/functions/1/call", {"nonce": nonce, "data": {"x": 1}})).status


async def test_unknown_function(api):
    """A call of an unknown function is rejected with its id."""
    answer = await api.post("/functions/99/call", {"nonce": await api.nonce()})
    assert (400, [{"id": 99}]) == (answer.status, answer.error["missing"])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "nonce"),
        ({"nonce": ""}, "nonce"),
        ({"nonce": 5}, "nonce"),
        ({"nonce": "x", "data": []}, "data"),
        ({"nonce": "x", "data": "text"}, "data"),
    ],
)
async def test_bad_call(api, body, field):
    """A call that breaks the document is rejected with the field's name."""
    answer = await api.post("/functions/1/call", body)
    assert (400, True) == (answer.status, answer.error["message"].startswith(field + " "))


async def test_size_of_data(api):
    """Data is limited by its size as compact JSON, for any encoding in the request."""
    filling = len(json.dumps({"text": ""}, separators=(",", ":")))
    for size, status in ((2_000, 201), (2_001, 400)):
        body = {
            "nonce": await api.nonce(),
            "data": {"text": "é" * ((size - filling) // 2) + "x" * ((size - filling) % 2)},
        }
        echo = await api.function_id("echo")
        answer = await api.post(f"/functions/{echo}/call", data=json.dumps(body, indent=4))
        assert status == answer.status, answer.body
        if status == 201:
            await api.ended(answer.body)
    assert "data is 2001 bytes" in answer.error["message"]


@pytest.mark.parametrize("level", [1, 9])
async def test_gzip(api, level):
    """A compressed body is accepted."""
    body = gzip.compress(json.dumps({"nonce": await api.nonce(), "data": {"x": 4}}).encode(), level)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/json", "x-unknown": "é?", "cdf-version": "V9"}
    answer = await api.post("/functions/1/call", data=body, headers=headers)
    assert 201 == answer.status


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (b"{", None),
        (b"\xff\xfe", None),
        (b'{"nonce": "x", "data": {"x": NaN}}', None),
        (b'{"nonce": "x", "data": {"x": ' + b"9" * 5000 + b"}}", None),
        (b"[" * 100_000, None),
        (b"this is no gzip", "gzip"),
        (gzip.compress(b"x" * 500, mtime=0)[:20], "gzip"),
        (gzip.compress(b" " * 20_000_000, mtime=0), "gzip"),
    ],
)
async def test_bad_body(api, data, encoding):
    """A body that is not valid JSON, not in its declared encoding, or far too large is rejected with 400."""
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": encoding} if encoding else {})
    answer = await api.post("/functions/1/call", data=data, headers=headers)
    assert 400 == answer.status
    assert answer.error["message"].startswith("The request body ")


async def test_by_ids(api):
    """Calls are found by id in the order of the request, and only below their own function."""
    ids = [(await api.run("double", x=x))["id"] for x in range(3)]
    other = await api.run("nothing")
    items = [{"id": call_id} for call_id in [ids[2], ids[0], ids[1]]]
    found = await api.post("/functions/1/calls/byids", {"items": items})
    refused = await api.post("/functions/1/calls/byids", {"items": [*items, {"id": other["id"]}, {"id": 5}]})
    ignored = await api.post("/functions/1/calls/byids", {"items": [*items, {"id": 5}], "ignoreUnknownIds": True})
    assert items == [{"id": call["id"]} for call in found.body["items"]]
    assert (400, [{"id": 5}, {"id": other["id"]}]) == (refused.status, refused.error["missing"])
    assert found.body == ignored.body


async def test_by_ids_limits(api):
    """A request may have at most 10,000 ids, each once."""
    many = [{"id": n} for n in range(1, 10_002)]
    bodies = [{"items": many[:-1], "ignoreUnknownIds": True}, {"items": many}, {"items": [many[0]] * 2}, {"items": []}]
    answers = [await api.post("/functions/1/calls/byids", body) for body in bodies]
    assert [200, 400, 400, 400] == [answer.status for answer in answers]
    assert [many[0]] == answers[2].error["duplicated"]


@pytest.mark.parametrize("suffix", ["", "/response", "/logs"])
@pytest.mark.parametrize("call_id", ["7", "x"])
async def test_unknown_call(api, call_id, suffix):
    """An id that is unknown or not valid is rejected with 400."""
    assert 400 == (await api.get(f"/functions/1/calls/{call_id}{suffix}")).status


@pytest.mark.own_server
async def test_list(api):
    """GET and POST list calls newest first, page by page."""
    ids = [(await api.run("double", x=x))["id"] for x in range(5)][::-1]
    pages, cursor = [], {}
    while cursor is not None:
        by_get = await api.get("/functions/1/calls?" + "&".join(f"{k}={v}" for k, v in {"limit": 2, **cursor}.items()))
        by_post = await api.post("/functions/1/calls/list", {"limit": 2, **cursor})
        assert by_get.body == by_post.body
        pages.append([call["id"] for call in by_get.body["items"]])
        cursor = {"cursor": by_get.body["nextCursor"]} if "nextCursor" in by_get.body else None
    assert [ids[:2], ids[2:4], ids[4:]] == pages
    assert "nextCursor" not in (await api.get("/functions/1/calls?limit=5")).body


@pytest.mark.own_server
async def test_filter(api, tmp_path):
    """Calls are filtered by status, start and end. All conditions must be met."""
    gate = tmp_path / "gate"
    done = gate.parent / "done"
    done.touch()
    old, new = await api.run("gate", path=str(done)), (await api.start("gate", path=str(gate))).body
    listing = f"/functions/{old['functionId']}/calls/list"

    async def ids(**wanted):
        return [call["id"] for call in (await api.post(listing, {"filter": wanted})).body["items"]]

    found = [
        await ids(),
        await ids(status="Running"),
        await ids(status="Completed"),
        await ids(endTime={"min": 0}),
        await ids(startTime={"min": old["startTime"], "max": old["startTime"]}, status="Completed"),
        await ids(startTime={"max": old["startTime"] - 1}),
        await ids(scheduleId=5),
    ]
    gate.touch()
    await api.ended(new)
    assert [[new["id"], old["id"]], [new["id"]], [old["id"]], [old["id"]], [old["id"]], [], []] == found


@pytest.mark.parametrize(
    "body",
    [
        {"limit": 0},
        {"cursor": "?"},
        {"cursor": 5},
        {"filter": {"status": "running"}},
        {"filter": {"scheduleId": 0}},
        {"filter": {"startTime": {"min": "0"}}},
        {"filter": {"endTime": 5}},
    ],
)
async def test_bad_filter(api, body):
    """A filter that breaks the document is rejected."""
    assert 400 == (await api.post("/functions/1/calls/list", body)).status


async def test_list_of_unknown_function(api):
    """Listing the calls of an unknown function is an error."""
    assert 400 == (await api.get("/functions/99/calls")).status


async def test_changed_code(api, root):
    """A call runs the code that is on disk at the time of the request."""
    (root / "echo" / "handler.py").write_text('def handle():\n    return "changed now"\n')
    call = await api.run("echo")
    answer = await api.get(f"/functions/{call['functionId']}/calls/{call['id']}/response")
    assert "changed now" == answer.body["response"]


async def test_removed_function(api, root):
    """A call of a removed function is rejected, and its ended calls are still readable."""
    call = await api.run("double", x=1)
    (root / "double" / "handler.py").unlink()
    assert 400 == (await api.post("/functions/1/call", {"nonce": await api.nonce()})).status
    assert 200 == (await api.get(f"/functions/1/calls/{call['id']}")).status
