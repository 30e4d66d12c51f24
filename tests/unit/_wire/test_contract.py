"""Models and requests against the service's OpenAPI document, where it is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import attrs
import pytest

from aiocdf._wire.converter import camel
from aiocdf._wire.http import Request, Response
from aiocdf.models import CallStatus, Function, FunctionCall, FunctionStatus, LogEntry, Session
from aiocdf.resources.calls import Calls
from aiocdf.resources.functions import Functions
from aiocdf.resources.sessions import Sessions
from aiocdf.secret import Secret

OPENAPI = Path(__file__).parents[4] / "shared" / "openapi" / "cdf-functions.json"
PROJECT = "https://cdf.test/api/v1/projects/acme"
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float, "boolean": bool}
#: What can be written and not read: package indexes and nonces.
WRITE_ONLY = {"indexUrl", "extraIndexUrls"}

pytestmark = pytest.mark.skipif(not OPENAPI.exists(), reason="the service's OpenAPI document is not here")


@pytest.fixture(scope="module")
def document() -> Any:
    return json.loads(OPENAPI.read_text())


def follow(document: Any, schema: Any) -> Any:
    """A schema with its references and parts put together."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    merged = {"properties": {}, "required": [], **{key: value for key, value in schema.items() if key != "allOf"}}
    for part in schema.get("allOf", ()):
        other = follow(document, part)
        merged = {**other, **merged, "properties": {**other["properties"], **merged["properties"]}}
        merged["required"] = [*merged["required"], *other["required"]]
    return merged


def fits(document: Any, schema: Any, value: Any) -> bool:
    """Whether the service would take a value, by the keywords that the document uses; nothing undocumented is sent."""
    schema = follow(document, schema)
    if "oneOf" in schema:
        return sum(fits(document, choice, value) for choice in schema["oneOf"]) == 1
    if not isinstance(value, TYPES[schema["type"]]) or value not in schema.get("enum", [value]):
        return False
    if isinstance(value, list):
        allowed = range(schema.get("minItems", 0), schema.get("maxItems", len(value)) + 1)
        return len(value) in allowed and all(fits(document, schema["items"], item) for item in value)
    if isinstance(value, dict) and schema["properties"]:
        known = schema["properties"]
        return set(schema["required"]) <= set(value) <= set(known) and all(
            fits(document, known[name], item) for name, item in value.items()
        )
    return True


@pytest.mark.parametrize(
    ("kind", "name"),
    [(FunctionCall, "FunctionCall"), (Function, "Function"), (Session, "Session"), (LogEntry, "FunctionCallLogEntry")],
)
def test_models_have_every_documented_field(document, kind, name) -> None:
    """Whatever the service documents is a field of the model, and every field without a default is promised."""
    schema = follow(document, {"$ref": f"#/{name}"})
    ours = {camel(field.name): field for field in attrs.fields(kind)}
    needed = {name for name, field in ours.items() if field.default is attrs.NOTHING}

    assert set(schema["properties"]) - WRITE_ONLY <= set(ours)
    assert needed <= set(schema["required"]) or name == "Session"


@pytest.mark.parametrize(("kind", "name"), [(CallStatus, "FunctionCallStatus"), (FunctionStatus, "FunctionStatus")])
def test_statuses(document, kind, name) -> None:
    """The documented statuses are members."""
    assert set(document["components"]["schemas"][name]["enum"]) == set(kind.__members__)


class Recorder:
    """Stands for the sender: keeps the request, and answers what that kind of request gets."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer
        self.request: Request | None = None

    async def send(self, request: Request, *, attempts: int | None = None) -> Response:
        self.request = request
        return Response(status=200, headers={}, body=json.dumps(self.answer).encode(), sent_at=0.0, received_at=0.0)


CALL = {"id": 1, "functionId": 12, "status": "Running", "startTime": 0}
FUNCTION = {"id": 12, "name": "f", "status": "Ready"}
SESSION = {"items": [{"id": 1, "status": "READY", "nonce": "n"}]}


@pytest.mark.parametrize(
    ("act", "answer", "path", "method"),
    [
        (
            lambda s: Calls(s, PROJECT).start(12, b'{"x":[1]}', Secret('q"')),
            CALL,
            "/functions/{functionId}/call",
            "post",
        ),
        (lambda s: Calls(s, PROJECT).poll(12, [1, 2]), {"items": []}, "/functions/{functionId}/calls/byids", "post"),
        (lambda s: Calls(s, PROJECT).retrieve(12, 1), CALL, "/functions/{functionId}/calls/{callId}", "get"),
        (lambda s: Calls(s, PROJECT).response(12, 1), {}, "/functions/{functionId}/calls/{callId}/response", "get"),
        (lambda s: Calls(s, PROJECT).logs(12, 1), {"items": []}, "/functions/{functionId}/calls/{callId}/logs", "get"),
        (lambda s: Functions(s, PROJECT).retrieve(12), {"items": [FUNCTION]}, "/functions/byids", "post"),
        (lambda s: Functions(s, PROJECT).retrieve("f"), {"items": [FUNCTION]}, "/functions/byids", "post"),
        (lambda s: Functions(s, PROJECT).limits(), {}, "/functions/limits", "get"),
        (lambda s: Sessions(s, PROJECT).create({"tokenExchange": True}), SESSION, "/sessions", "post"),
        (lambda s: Sessions(s, PROJECT).create({"oneshotTokenExchange": True}), SESSION, "/sessions", "post"),
        (
            lambda s: Sessions(s, PROJECT).create({"clientId": "a", "clientSecret": Secret("b")}),
            SESSION,
            "/sessions",
            "post",
        ),
    ],
)
async def test_requests_are_as_documented(document, act, answer, path, method) -> None:
    """Path, method and body of each request are what the document describes."""
    sender = Recorder(answer)
    await act(sender)
    request = sender.request

    assert request is not None
    assert request.method.lower() == method
    assert request.url == PROJECT + path.replace("{functionId}", "12").replace("{callId}", "1")
    operation = document["paths"][path][method]
    assert (request.body is None) == ("requestBody" not in operation)
    if request.body is not None:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        assert fits(document, schema, json.loads(request.body)), request.body
