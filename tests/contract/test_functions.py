"""The functions endpoints."""

from __future__ import annotations

import sys

import pytest

MAX_ID = 2**53 - 1


@pytest.mark.own_server
async def test_function_as_documented(api):
    """A function has its settings, masked secrets, and no time of a call before the first call."""
    answer = await api.get("/functions/1")
    assert 200 == answer.status
    expected = {
        "id": 1,
        "externalId": "double",
        "name": "Double it",
        "description": "Twice x",
        "owner": "someone@example.com",
        "metadata": {"team": "blue"},
        "secrets": {"api-key": "***"},
        "envVars": {"MODE": "test"},
        "functionPath": "handler.py",
        "status": "Ready",
        "runtime": f"py3{sys.version_info.minor}",
    }
    assert expected == {name: answer.body.get(name) for name in expected}
    assert "lastCalled" not in answer.body


async def test_plain_function(api):
    """Fields without a value are absent, not null."""
    (body,) = (await api.post("/functions/byids", {"items": [{"externalId": "echo"}]})).body["items"]
    assert {"owner", "description", "error", "lastCalled"}.isdisjoint(body)
    assert None not in body.values()


async def test_last_called(api):
    """A called function has the time of its last call."""
    call = await api.run("double", x=1)
    assert call["startTime"] == (await api.get("/functions/1")).body["lastCalled"]


async def test_undeployable(api):
    """A function that is not valid is Failed, with the reason."""
    (body,) = (await api.post("/functions/byids", {"items": [{"externalId": "broken"}]})).body["items"]
    assert ("Failed", "Function deployment failed.") == (body["status"], body["error"]["message"])
    assert body["error"]["trace"]


async def test_list(api):
    """GET and POST list all functions."""
    first, second = await api.get("/functions"), await api.post("/functions/list", {})
    assert first.body == second.body
    assert {"double", "echo", "broken"} < {function["externalId"] for function in first.body["items"]}
    assert 2 == len((await api.get("/functions?limit=2")).body["items"])


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({"name": "Double it"}, ["double"]),
        ({"name": "Double"}, []),
        ({"owner": "someone@example.com"}, ["double"]),
        ({"status": "Failed"}, ["broken"]),
        ({"externalIdPrefix": "doub"}, ["double"]),
        ({"metadata": {"team": "blue"}}, ["double"]),
        ({"metadata": {"team": "red"}}, []),
        ({"createdTime": {"max": 5}}, []),
        ({"createdTime": {"min": 5}, "externalIdPrefix": "e"}, ["echo"]),
        ({"fileId": 77}, []),
    ],
)
async def test_filter(api, wanted, expected):
    """A filter selects the functions that match all of its conditions."""
    items = (await api.post("/functions/list", {"filter": wanted, "limit": 10_000})).body["items"]
    assert expected == [function["externalId"] for function in items]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"limit": 0}, "limit"),
        ({"limit": True}, "limit"),
        ({"limit": "5"}, "limit"),
        ({"filter": []}, "filter"),
        ({"filter": {"status": "ready"}}, "filter.status"),
        ({"filter": {"status": []}}, "filter.status"),
        ({"filter": {"name": 5}}, "filter.name"),
        ({"filter": {"createdTime": {"min": -1}}}, "filter.createdTime.min"),
        ({"filter": {"metadata": []}}, "filter.metadata"),
    ],
)
async def test_bad_filter(api, body, field):
    """A filter that breaks the document is rejected with the field's name."""
    answer = await api.post("/functions/list", body)
    assert 400 == answer.status
    assert answer.error["message"].startswith(field + " ")


async def test_by_ids(api):
    """Functions are found by id and by external id, in the order of the request."""
    echo = await api.function_id("echo")
    answer = await api.post("/functions/byids", {"items": [{"id": echo}, {"externalId": "double"}]})
    assert [echo, 1] == [function["id"] for function in answer.body["items"]]


async def test_by_ids_unknown(api):
    """Unknown functions are named as in the request, or can be ignored."""
    items = [{"externalId": "nobody"}, {"id": 1}, {"id": MAX_ID}]
    refused = await api.post("/functions/byids", {"items": items})
    ignored = await api.post("/functions/byids", {"items": items, "ignoreUnknownIds": True})
    assert (400, [items[0], items[2]]) == (refused.status, refused.error["missing"])
    assert "nobody" in refused.error["message"]
    assert [1] == [function["id"] for function in ignored.body["items"]]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"items": []},
        {"items": [{"id": 1}] * 11},
        {"items": [{}]},
        {"items": [{"id": 1, "externalId": "double"}]},
        {"items": [{"id": 0}]},
        {"items": [{"id": 2**53}]},
        {"items": [{"id": "1"}]},
        {"items": [{"id": 1.0}]},
        {"items": [{"externalId": ""}]},
        {"items": [1]},
        {"items": [{"id": 1}], "ignoreUnknownIds": 1},
        [],
        "text",
    ],
)
async def test_bad_by_ids(api, body):
    """A list of identifiers that breaks the document is rejected."""
    assert 400 == (await api.post("/functions/byids", body)).status


@pytest.mark.parametrize("path", ["/functions/99", "/functions/x", "/functions/0", f"/functions/{'9' * 5000}"])
async def test_get_unknown(api, path):
    """An id that is unknown or not valid is rejected with 400."""
    assert 400 == (await api.get(path)).status


async def test_ids_last(api):
    """Derived ids are the same at each start."""
    assert await api.function_id("echo") == 5419366474249326


async def test_limits_and_status(api):
    """Limits and activation are as documented."""
    limits = await api.get("/functions/limits")
    assert 9 == limits.body["timeoutMinutes"]
    assert [(200, "activated"), (202, "activated")] == [
        (answer.status, answer.body["status"])
        for answer in (await api.get("/functions/status"), await api.post("/functions/status"))
    ]


async def test_new_and_removed_functions(api, root):
    """A folder that is added or removed below the root has an effect at the next request."""
    (root / "new").mkdir()
    (root / "new" / "handler.py").write_text("def handle():\n    return 1\n")
    (root / "echo" / "handler.py").unlink()
    items = [{"externalId": "new"}, {"externalId": "echo"}]
    answer = await api.post("/functions/byids", {"items": items})
    assert [{"externalId": "echo"}] == answer.error["missing"]
    assert "Completed" == (await api.run("new"))["status"]
