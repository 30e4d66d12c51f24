"""The server's own OpenAPI document: it is served, complete, and true, as schemathesis finds."""

from __future__ import annotations

import asyncio
import json
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import aiohttp
import hypothesis
import pytest
import requests
import schemathesis
from schemathesis import checks

from aiocdf.local import serve
from aiocdf.local.http.application import application

DOCUMENT = json.loads(
    (Path(__file__).parents[2] / "aiocdf" / "local" / "api" / "reference" / "openapi.json").read_text()
)
PREFIX = "/api/v1/projects/{project}"
METHODS = {"get", "post", "put", "delete", "patch"}
OPERATIONS = {
    f"{method} {path.removeprefix(PREFIX)}"
    for path, described in DOCUMENT["paths"].items()
    for method in described.keys() & METHODS
}
EXAMPLES = 6


async def test_served(server):
    """The document and its page are served without a token, and the page loads nothing from elsewhere."""
    async with aiohttp.ClientSession(server.url) as session:
        async with session.get("/openapi.json") as response:
            assert DOCUMENT == await response.json()
        async with session.get("/reference") as response:
            page = await response.text()
            assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert "//" not in page.replace("<!doctype", "")
        for path in ("/reference/style.css", "/reference/script.js"):
            async with session.get(path) as response:
                assert 200 == response.status


async def test_complete(root, monkeypatch):
    """Each operation that the server answers for a token is in the document, and no other is, with its capability."""
    routes = []

    def kept(given, **options):
        routes.extend(given)
        return application(routes, **options)

    monkeypatch.setattr("aiocdf.local.server.application", kept)
    async with serve(root):
        pass
    guarded = {f"{route.method.lower()} {route.path}": route.capability for route in routes if route.capability}
    assert set(guarded) | {"get /api/v1/token/inspect"} == OPERATIONS
    for name, capability in guarded.items():
        method, _, path = name.partition(" ")
        assert f"`{capability}`" in DOCUMENT["paths"][PREFIX + path][method]["description"]


def test_documented_by_the_service(documented):
    """Each operation that the service documents on functions, calls, schedules and sessions is in the document."""
    assert documented <= {name for name in OPERATIONS if not name.endswith("inspect")}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server on a loop in a thread, as address and token: schemathesis blocks while it waits."""
    root = tmp_path_factory.mktemp("functions")
    (root / "echo").mkdir()
    (root / "echo" / "handler.py").write_text("def handle(data):\n    return data\n")
    started = Future()

    async def run():
        stop = asyncio.Event()
        async with serve(root) as server:
            started.set_result((server.url, server.environment(), asyncio.get_running_loop(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, run())
        url, environment, loop, stop = started.result(timeout=20)
        try:
            form = {
                "grant_type": "client_credentials",
                "client_id": environment["IDP_CLIENT_ID"],
                "client_secret": environment["IDP_CLIENT_SECRET"],
            }
            yield url, requests.post(environment["IDP_TOKEN_URL"], data=form, timeout=10).json()["access_token"]
        finally:
            loop.call_soon_threadsafe(stop.set)
            serving.result(timeout=20)


schema = schemathesis.openapi.from_dict(DOCUMENT)


@schema.parametrize()
@hypothesis.settings(
    max_examples=EXAMPLES,
    derandomize=True,
    database=None,
    deadline=None,
    suppress_health_check=list(hypothesis.HealthCheck),
)
def test_true(case, address):
    """Whatever is sent, valid or not, the status, the headers and the shape of the answer are as documented."""
    url, token = address
    case.path_parameters = (case.path_parameters or {}) | ({"project": "local"} if "{project}" in case.path else {})
    case.call_and_validate(
        base_url=url,
        headers={"Authorization": f"Bearer {token}"},
        checks=[
            checks.not_a_server_error,
            checks.status_code_conformance,
            checks.content_type_conformance,
            checks.response_headers_conformance,
            checks.response_schema_conformance,
        ],
    )
