"""The endpoints of the page, and access to them."""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from urllib.parse import urldefrag

import aiohttp
import pytest
import pytest_asyncio

from aiocdf.local import serve
from aiocdf.local.faults.fault import Fault, Faults

pytestmark = pytest.mark.own_server

REQUESTS = [("GET", "/page/events"), ("GET", "/page/calls/1/1"), ("POST", "/page/calls")]


class Visitor:
    """A client with the page's key and one connection."""

    def __init__(self, server, session):
        self.server, self.session = server, session
        self.headers = {"Authorization": f"Bearer {urldefrag(server.page_url).fragment}"}

    @asynccontextmanager
    async def listen(self, path="/page/events"):
        """The events of a stream, as pairs of name and data."""
        async with self.session.get(self.server.url + path, headers=self.headers) as response:
            assert response.status == 200
            yield _events(response)

    async def start(self, function_id, data=None):
        body = {"functionId": function_id, "data": data or {}}
        async with self.session.post(f"{self.server.url}/page/calls", headers=self.headers, json=body) as response:
            return response.status, await response.json()


async def _events(response):
    name = ""
    async for line in response.content:
        key, _, value = line.decode().rstrip("\n").partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


async def _until(events, wanted, fits=lambda _: True):
    """The data of the next event with this name that matches."""
    async for name, data in events:
        if name == wanted and fits(data):
            return data
    raise AssertionError(f"there was no {wanted}")


@pytest_asyncio.fixture(loop_scope="module")
async def session():
    async with aiohttp.ClientSession() as session:
        yield session


@pytest_asyncio.fixture(loop_scope="module")
async def visitor(server, session):
    return Visitor(server, session)


@pytest.mark.parametrize(("method", "path"), REQUESTS)
async def test_key(visitor, api, method, path):
    """Access needs the key: a missing or wrong key, a cookie or a token of the API is rejected."""
    right = visitor.headers["Authorization"]
    wrong = [{}, {"Authorization": f"{right}x"}, {"Authorization": f"Bearer {api.token}"}]
    wrong += [{"Cookie": f"key={right.removeprefix('Bearer ')}"}, {"Authorization": right.replace("Bearer", "Basic")}]
    for headers in wrong:
        async with visitor.session.request(
            method, visitor.server.url + path, headers=headers, json={"functionId": 1}
        ) as answer:
            assert answer.status == 401, headers
    assert (await api.get("/functions/1/calls")).body["items"] == []


async def test_key_is_not_a_token(visitor):
    """The key gives access to the page, but not to the API."""
    url = f"{visitor.server.url}/api/v1/projects/{visitor.server.project}/functions"
    async with visitor.session.get(url, headers=visitor.headers) as answer:
        assert answer.status == 401


async def test_other_sites(visitor):
    """Requests of another origin are rejected, so that another site cannot send the key or read a response."""
    origin = {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    origin["Access-Control-Request-Headers"] = "authorization"
    async with visitor.session.options(f"{visitor.server.url}/page/calls", headers=origin) as answer:
        assert answer.status == 405
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    async with visitor.session.get(f"{visitor.server.url}/page/events", headers=visitor.headers | origin) as answer:
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


async def test_foreign_name(visitor):
    """With a foreign host name the page is not reachable, even with the key."""
    for path in ("/page", "/page/events"):
        headers = visitor.headers | {"Host": "evil.example"}
        async with visitor.session.get(visitor.server.url + path, headers=headers) as answer:
            assert answer.status == 421


async def test_page_loads_its_own_files_only(visitor):
    """The page has no inline scripts, loads files only from the server, is not framed, and sets no cookies."""
    async with visitor.session.get(f"{visitor.server.url}/page") as answer:
        policy, text = answer.headers["Content-Security-Policy"], await answer.text()
        assert "Set-Cookie" not in answer.headers
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert "//" not in text.replace("<!doctype", "")
    assert " style=" not in text
    assert text.count("<script") == text.count("<script src=") == 1


async def test_key_does_not_show(visitor):
    """The repr of a server does not contain the key."""
    assert visitor.headers["Authorization"].removeprefix("Bearer ") not in repr(visitor.server)


async def test_events(visitor, api, tmp_path):
    """A reader gets everything, then each change of a call."""
    ended = await api.run("double", x=1)
    async with visitor.listen() as events:
        first = await _until(events, "snapshot")
        assert [(ended["id"], "Completed")] == [(call["id"], call["state"]) for call in first["calls"]]
        assert first["limits"]["callsPerFunction"] == 3
        names = {each["name"]: each for each in first["functions"]}
        assert names["double"]["status"] == "Ready"
        assert names["broken"]["status"] == "Failed"

        call = (await api.start("gate", path=str(tmp_path / "open"))).body
        changed = await _until(events, "calls", lambda calls: calls[0]["state"] == "Running")
        assert [call["id"]] == [each["id"] for each in changed]
        (tmp_path / "open").touch()
        (changed,) = await _until(events, "calls")
        assert (call["id"], "Completed") == (changed["id"], changed["state"])


async def test_call_and_log(visitor, tmp_path, api):
    """The page gets the log of a call while it runs, then its end."""
    function_id = await api.function_id("gate")
    status, call = await visitor.start(function_id, {"path": str(tmp_path / "open")})
    assert status == 201
    async with visitor.listen(f"/page/calls/{function_id}/{call['id']}") as events:
        assert ["waiting"] == [line["message"] for line in await _until(events, "log")]
        (tmp_path / "open").touch()
        end = await _until(events, "end")
    assert ("Completed", '"open"') == (end["state"], end["response"])
    async with visitor.listen(f"/page/calls/{function_id}/{call['id']}") as events:
        assert ["log", "end"] == [name async for name, _ in events]


async def test_failure(visitor, api):
    """The end of a failed call has its error and its traceback."""
    call = await api.run("boom")
    async with visitor.listen(f"/page/calls/{call['functionId']}/{call['id']}") as events:
        end = await _until(events, "end")
    assert "division by zero" in end["error"]
    assert "handler.py" in end["trace"]


async def test_refused_calls(visitor, api):
    """A call that the service would reject is rejected."""
    double, broken = await api.function_id("double"), await api.function_id("broken")
    for function_id, data, message in (
        (2**52, {}, "Unknown function id"),
        (broken, {}, "not ready"),
        (double, {"x": "y" * 3000}, "bytes"),
        (double, [1], "data must be an object"),
    ):
        status, answer = await visitor.start(function_id, data)
        assert status == 400
        assert message in answer["error"]["message"]
    url = f"{visitor.server.url}/page/calls/{double}/1"
    async with visitor.session.get(url, headers=visitor.headers) as answer:
        assert answer.status == 404


async def test_schedules(visitor, api):
    """A schedule created while the page is open appears with its next run, and disappears when it is deleted."""
    async with visitor.listen() as events:
        assert [] == (await _until(events, "snapshot"))["schedules"]
        function_id = await api.function_id("double")
        item = {"name": "often", "cronExpression": "* * * * *", "functionId": function_id, "nonce": await api.nonce()}
        made = (await api.post("/functions/schedules", {"items": [item]})).body["items"][0]
        (shown,) = (await _until(events, "overview", lambda data: data["schedules"]))["schedules"]
        assert "often" == shown["name"]
        assert 0 < shown["nextRun"] - time.time() * 1000 <= 61_000
        await api.post("/functions/schedules/delete", {"items": [{"id": made["id"]}]})
        await _until(events, "overview", lambda data: not data["schedules"])


async def test_end_of_the_server(root, session):
    """A server that stops does not wait for readers of its page. It ends their streams."""
    async with serve(root) as server:
        visitor = Visitor(server, session)
        async with visitor.listen() as events:
            await _until(events, "snapshot")
            began = time.monotonic()
            await server.aclose()
            assert [] == [name async for name, _ in events if name != "overview"]
            assert time.monotonic() - began < 0.9


async def test_reader_that_disconnects(visitor, api, caplog):
    """A reader that disconnects is removed without a log message, and calls continue."""
    for _ in range(3):
        async with visitor.listen() as events:
            await _until(events, "snapshot")
    for _ in range(3):
        await api.run("double", x=1)
        await asyncio.sleep(0.12)
    assert "Error" not in caplog.text


async def test_faults_do_not_concern_the_page(root, session):
    """Faults hit only the API."""
    faults = Faults(faults=[Fault(kind="status", status=503)])
    async with serve(root, faults=faults) as server:
        visitor = Visitor(server, session)
        async with visitor.listen() as events:
            assert 503 == (await session.get(f"{server.url}/oauth2/jwks")).status
            await _until(events, "snapshot")
