"""The capability of each route. A new route needs a line here."""

from __future__ import annotations

import re

import aiohttp
import pytest_asyncio

from aiocdf.local import assembly, serve
from aiocdf.local.state.records import ALL_CAPABILITIES

#: Routes of the API by their capability. They are below the project.
GUARDED = {
    "functionsAcl:READ": [
        "GET /functions",
        "POST /functions/list",
        "POST /functions/byids",
        "GET /functions/limits",
        "GET /functions/status",
        "GET /functions/{functionId}",
        "GET /functions/{functionId}/calls",
        "POST /functions/{functionId}/calls/list",
        "POST /functions/{functionId}/calls/byids",
        "GET /functions/{functionId}/calls/{callId}",
        "GET /functions/{functionId}/calls/{callId}/response",
        "GET /functions/{functionId}/calls/{callId}/logs",
        "GET /functions/schedules",
        "POST /functions/schedules/list",
        "POST /functions/schedules/byids",
        "GET /functions/schedules/{scheduleId}",
        "GET /functions/schedules/{scheduleId}/input_data",
    ],
    "functionsAcl:WRITE": [
        "POST /functions",
        "POST /functions/delete",
        "POST /functions/status",
        "POST /functions/schedules",
        "POST /functions/schedules/delete",
    ],
    "functionsAcl:RUN": ["POST /functions/{functionId}/call"],
    "filesAcl:READ": ["GET /files", "GET /files/{fileId}", "POST /files/byids", "POST /files/downloadlink"],
    "filesAcl:WRITE": ["POST /files", "POST /files/delete"],
    "sessionsAcl:CREATE": ["POST /sessions"],
    "sessionsAcl:LIST": ["GET /sessions", "POST /sessions/byids"],
    "sessionsAcl:DELETE": ["POST /sessions/revoke"],
}
#: Routes that check by themselves who asks, or tell nothing that is not public.
OPEN = {
    "GET /.well-known/oauth-authorization-server",
    "GET /.well-known/openid-configuration",
    "GET /api/v1/token/inspect",
    "GET /oauth2/authorize",
    "GET /oauth2/device",
    "GET /oauth2/jwks",
    "GET /openapi.json",
    "GET /page",
    "GET /page/calls.js",
    "GET /page/calls/{functionId}/{callId}",
    "GET /page/detail.js",
    "GET /page/elements.js",
    "GET /page/events",
    "GET /page/icon.svg",
    "GET /page/main.js",
    "GET /page/server.js",
    "GET /page/style.css",
    "GET /page/timeline.js",
    "GET /reference",
    "GET /reference/script.js",
    "GET /reference/style.css",
    "GET /storage/download/{fileId}/{expires}/{signature}",
    "POST /oauth2/authorize",
    "POST /oauth2/device",
    "POST /oauth2/device_authorization",
    "POST /oauth2/revoke",
    "POST /oauth2/token",
    "POST /page/calls",
    "PUT /storage/upload/{fileId}/{expires}/{signature}",
}


@pytest_asyncio.fixture(loop_scope="module")
async def watched(root, monkeypatch):
    """A server, and its routes."""
    application, seen = assembly.application, []

    def watching(routes, **settings):
        seen.extend(routes)
        return application(seen, **settings)

    monkeypatch.setattr(assembly, "application", watching)
    async with serve(root) as running:
        yield running, seen


async def test_every_route_has_its_capability(watched):
    """No route is open by accident, and each needs its documented capability."""
    _, routes = watched
    expected = {route: capability for capability, group in GUARDED.items() for route in group}
    expected |= dict.fromkeys(OPEN)
    assert expected == {f"{route.method} {route.path}": route.capability for route in routes}


async def test_no_route_without_token_or_capability(watched, connect):
    """A guarded route returns 401 without a token, 403 without its capability, and neither with it."""
    running, routes = watched
    api = await connect(running)
    able = {capability: await api.as_client(capability) for capability in GUARDED}
    unable = {capability: await api.as_client(*ALL_CAPABILITIES - {capability}) for capability in GUARDED}
    for route in (route for route in routes if route.capability):
        path = re.sub(r"\{\w+\}", "1", route.path)
        url = f"{running.url}/api/v1/projects/{running.project}{path}"
        async with api.session.request(route.method, url) as anonymous:
            statuses = [anonymous.status]
        for someone, options in (
            (unable[route.capability], {}),
            (able[route.capability], {"project": "another"}),
            (able[route.capability], {}),
        ):
            answer = await someone.send(route.method, path, json={}, **options)
            statuses.append(answer.status)
        assert statuses[:3] == [401, 403, 401], route
        assert statuses[3] not in {401, 403}, route


async def test_open_routes_take_no_token_in_its_place(watched):
    """An open route that shows or changes data rejects a request without a signature."""
    running, _ = watched
    async with aiohttp.ClientSession() as session:
        for method, path in (
            ("GET", "/api/v1/token/inspect"),
            ("GET", "/page/events"),
            ("GET", "/page/calls/1/1"),
            ("POST", "/page/calls"),
            ("GET", "/storage/download/1/9999999999/x"),
            ("PUT", "/storage/upload/1/9999999999/x"),
            ("POST", "/oauth2/token"),
            ("POST", "/oauth2/revoke"),
            ("POST", "/oauth2/device_authorization"),
        ):
            async with session.request(method, running.url + path) as response:
                assert response.status in {400, 401, 403}, path
