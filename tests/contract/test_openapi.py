"""The server's OpenAPI document: it is served, complete and correct, as schemathesis checks."""

from __future__ import annotations

import json
from pathlib import Path

import aiohttp
import hypothesis
import pytest
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
FACTS = json.loads((Path(__file__).parents[1] / "unit" / "_wire" / "contract_facts.json").read_text())
SERVICE = FACTS["operations"] | FACTS["served"]
EXAMPLES = 4


async def test_served(server):
    """The document and its page need no token, and the page loads files only from the server."""
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
    """The document has exactly the operations that need a token, with their capabilities."""
    routes = []

    def kept(given, **options):
        routes.extend(given)
        return application(routes, **options)

    monkeypatch.setattr("aiocdf.local.assembly.application", kept)
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


#: The members that the service documents and the server does not have, with those below them.
LEFT_OUT = {
    "request": {
        "post /functions": {"createdTime", "error", "id", "lastCalled", "runtimeVersion", "status"},  # of answers
        "post /functions/schedules": {"createdTime", "functionExternalId", "id", "sessionId", "when"},  # of answers
        "post /functions/schedules/list": {"FunctionExternalId", "FunctionId"},  # understood as well
    },
    "response": {
        "functions": {"indexUrl", "extraIndexUrls"},  # of requests
        "schedules": {"data", "functionExternalId", "nonce"},  # of requests
        "sessions": {"previousCursor", "nextCursor"},
    },
}
#: What only files of other kinds than code have.
OF_FILES = {
    "assetIds",
    "geoLocation",
    "instanceId",
    "labels",
    "securityCategories",
    "sourceCreatedTime",
    "sourceModifiedTime",
}
#: What the document spells in another way than clients do.
SPELT = {"functionId", "functionExternalId"}


def follow(node):
    """The target of a reference in the document."""
    while "$ref" in node:
        _, *steps = node["$ref"].split("/")
        node = DOCUMENT
        for step in steps:
            node = node[step]
    return node


def members(node):
    """The names of all members of a schema, with the names of their parents."""
    if not node:
        return set()
    node, found = follow(node), set()
    for part in map(follow, [node, *node.get("oneOf", ()), *node.get("anyOf", ())]):
        for name, member in part.get("properties", {}).items():
            found |= {(name,)} | {(name, *below) for below in members(member)}
        found |= members(part.get("items"))
    return found


def our_schemas(name):
    """The schemas of request and response of an operation of the server."""
    method, _, path = name.partition(" ")
    place = DOCUMENT["paths"].get(PREFIX + path.replace("{id}", "{fileId}")) or DOCUMENT["paths"]["/api/v1" + path]
    described = place[method]
    good = next(answer for status, answer in described["responses"].items() if status.startswith("2"))
    return [
        holder and holder["content"]["application/json"]["schema"] for holder in (described.get("requestBody"), good)
    ]


@pytest.mark.parametrize("name", sorted(SERVICE))
def test_members_are_those_of_the_service(name):
    """The document has the members of the service's document, except for those listed here."""
    left_out = OF_FILES if "/files" in name else set()
    topic = next((topic for topic in ("schedules", "files", "sessions", "functions") if topic in name), "")
    for kind, ours in zip(("request", "response"), our_schemas(name), strict=True):
        theirs = members(SERVICE[name][kind])
        known = left_out | LEFT_OUT[kind].get(name if kind == "request" else topic, set())
        assert {path for path in theirs - members(ours) if not known & set(path)} == set()
        assert {path for path in members(ours) - theirs if path[-1] not in SPELT} == set()


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
    """For any request, valid or not, the status, headers and format of the response are as documented."""
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
