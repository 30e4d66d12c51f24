"""Injected faults, as clients see them."""

from __future__ import annotations

import asyncio
import logging

import aiohttp
import pytest
import pytest_asyncio

from aiocdf.errors import ConfigError
from aiocdf.local import Fault, Faults, serve

CALL = "POST /functions/*/call"


@pytest_asyncio.fixture(loop_scope="module")
async def with_faults(root, connect):
    """Connects to a server with faults."""
    servers = []

    async def begin(*faults):
        server = serve(root, faults=Faults(faults=faults))
        await server.start()
        servers.append(server)
        return await connect(server)

    yield begin
    for server in servers:
        await server.aclose()


async def calls(api):
    """How many calls of `double` were accepted."""
    return len((await api.get("/functions/1/calls")).body["items"])


async def start(api):
    return await api.post("/functions/1/call", {"nonce": await api.nonce(), "data": {"x": 1}})


async def failure(request):
    """The error of a failing request. Not with `pytest.raises`, because errors of aiohttp show the request."""
    try:
        await request
    except aiohttp.ClientError as error:
        return error
    return pytest.fail("the request did not fail")


@pytest.mark.parametrize("handled", [False, True])
async def test_reset(with_faults, handled):
    """The connection is reset before or after the request is handled."""
    api = await with_faults(Fault(kind="reset", endpoint=CALL, handled=handled))
    assert isinstance(await failure(start(api)), aiohttp.ClientConnectionError)
    assert handled == await calls(api)


@pytest.mark.parametrize("handled", [False, True])
async def test_gateway_error(with_faults, handled):
    """An error replaces the response of a handled or unhandled request. A gateway's error is not JSON."""
    api = await with_faults(Fault(kind="status", status=502, endpoint=CALL, handled=handled))
    error = await failure(start(api))
    assert (aiohttp.ContentTypeError, 502) == (type(error), error.status)
    assert handled == await calls(api)


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (3, "3"), (0, "0")])
async def test_too_many_requests(with_faults, retry_after, header):
    """429 has the service's format, and `Retry-After` if it is set."""
    api = await with_faults(Fault(kind="status", status=429, retry_after=retry_after, endpoint=CALL))
    answer = await start(api)
    assert (429, 429, header) == (answer.status, answer.error["code"], answer.headers.get("Retry-After"))
    assert answer.headers["x-request-id"]
    assert 0 == await calls(api)


async def test_half(with_faults):
    """The request is handled, and half of the response arrives, also for an error."""
    api = await with_faults(Fault(kind="half", endpoint=CALL), Fault(kind="half", endpoint="/functions/*"))
    for request in (start(api), api.get("/functions/99")):
        assert isinstance(await failure(request), aiohttp.ClientPayloadError)
    assert 1 == await calls(api)


@pytest.mark.parametrize("handled", [False, True])
async def test_latency(with_faults, handled):
    """The latency is before or after the request is handled."""
    api = await with_faults(Fault(kind="latency", seconds=0.3, endpoint=CALL, handled=handled))
    task = asyncio.create_task(start(api))
    seen = []
    while not task.done():
        seen.append(await calls(api))
    assert 201 == (await task).status
    assert handled == (seen.count(1) > seen.count(0))
    assert 1 == await calls(api)


async def test_token_expiry(with_faults):
    """The token is not valid for this request and those after it. Another one works."""
    api = await with_faults(Fault(kind="token-expiry", endpoint="/functions/limits", times=1))
    assert 200 == (await api.get("/functions")).status
    assert [401, 401] == [(await api.get(path)).status for path in ("/functions/limits", "/functions")]
    await api.sign_in()
    assert [200, 200] == [(await api.get(path)).status for path in ("/functions/limits", "/functions")]


async def test_sign_in(root, connect):
    """The endpoints of the identity provider can be hit too."""
    faults = Faults(faults=[Fault(kind="status", status=500, endpoint="POST /oauth2/token")])
    async with serve(root, faults=faults) as server:
        with pytest.raises(KeyError, match="access_token"):
            await connect(server)


async def test_log(with_faults, caplog):
    """Each fault is logged in one line, and latency only at DEBUG."""
    with caplog.at_level(logging.DEBUG, "aiocdf.local"):
        api = await with_faults(Fault(kind="status", status=429, endpoint=CALL), Fault(kind="latency", seconds=0.001))
        await start(api)
    told = [(record.levelname, record.getMessage()) for record in caplog.records if "fault" in record.getMessage()]
    assert [
        ("DEBUG", "fault: POST /oauth2/token: 0.001 s late"),
        ("DEBUG", "fault: POST /sessions: 0.001 s late"),
        ("INFO", "fault: POST /functions/1/call: 429"),
    ] == told


async def test_unknown_endpoint(root):
    """A fault that matches no endpoint is an error at the start, which leaves no socket open."""
    server = serve(root, faults=Faults(faults=[Fault(kind="half", endpoint="/nowhere")]))
    with pytest.raises(ConfigError, match="/nowhere"):
        await server.start()


async def test_no_faults(root):
    """A value that is not valid as faults is rejected."""
    with pytest.raises(ConfigError, match="Faults"):
        serve(root, faults=[Fault(kind="half")])


async def test_end_of_the_server(root, connect):
    """A request with latency does not delay the end of the server."""
    server = serve(root, faults=Faults(faults=[Fault(kind="latency", seconds=600, endpoint="/functions")]))
    await server.start()
    api = await connect(server)
    task = asyncio.create_task(api.get("/functions"))
    await asyncio.sleep(0.05)
    async with asyncio.timeout(5):
        await server.aclose()
    await failure(task)
