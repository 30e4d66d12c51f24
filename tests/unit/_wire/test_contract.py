"""Models and requests against `contract_facts.json`: what the service's OpenAPI document says, see `read_contract.py`."""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest

from aiocdf import resources
from aiocdf._engine.service import Service
from aiocdf._reader import Reader
from aiocdf._wire.converter import camel, structure
from aiocdf._wire.file_spec import FileSpec
from aiocdf._wire.function_spec import FunctionSpec
from aiocdf._wire.http import Request, Response
from aiocdf._wire.identifiers import check_function, check_id
from aiocdf._wire.payload import encode
from aiocdf.errors import InvalidArgument
from aiocdf.models import (
    CallStatus,
    File,
    Function,
    FunctionCall,
    FunctionError,
    FunctionLimits,
    FunctionSchedule,
    FunctionsStatus,
    FunctionStatus,
    LogEntry,
    Range,
    Session,
    SessionStatus,
    SessionType,
    TokenInspection,
    TokenProject,
)
from aiocdf.resources.deploying.requests import FunctionRequests
from aiocdf.secret import Secret


def as_met(facts: dict[str, Any]) -> dict[str, Any]:
    """Return facts as Cognite's own clients and their tests have them, where the document differs."""
    met = {}
    if "sessionId" in facts:  # documented as text
        met["sessionId"] = facts["sessionId"] | {"type": "integer"}
    if facts.get("id") == {"type": "number"}:
        met["id"] = {"type": "integer"}
    if "FunctionId" in facts:
        met["functionId"] = facts["FunctionId"]
    return facts | met


OPERATIONS = json.loads((Path(__file__).parent / "contract_facts.json").read_text(), object_hook=as_met)["operations"]
TYPES = {"object": dict, "array": list, "string": str, "integer": int, "number": int | float, "boolean": bool}
SERVICE = "https://cdf.test"
PLACES = {"{project}": "acme", "{functionId}": "12", "{callId}": "34", "{scheduleId}": "56"}
SPAN = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC))

WHOLE_FUNCTION = FunctionSpec(
    name="n" * 140,
    external_id="e" * 255,
    description="d" * 500,
    owner="o" * 128,
    secrets={"k": "v"},
    env_vars={"K": "v"},
    metadata={"k": "v"},
    cpu=0.5,
    memory=1,
    runtime="py312",
    function_path="a/b.py",
    index_url="https://pypi.test",
    extra_index_urls=["https://pypi.test"],
)

#: By the resource's method: an operation, and the arguments that lead to it.
CASES = [
    ("Service.start", "post /functions/{functionId}/call", (12, b'{"x":[1]}', Secret('q"'))),
    ("Service.call", "get /functions/{functionId}/calls/{callId}", (12, 34)),
    ("Service.poll", "post /functions/{functionId}/calls/byids", (12, [1, 2**53 - 1])),
    ("Service.started", "post /functions/{functionId}/calls/list", (12, 1_700_000_000.5, 1_700_000_001.0)),
    ("Service.function", "post /functions/byids", (12,)),
    ("Service.function", "post /functions/byids", ("f" * 255,)),
    ("Service.limits", "get /functions/limits", ()),
    ("Service.new_session", "post /sessions", ({"clientId": "a", "clientSecret": Secret("b")},)),
    ("Service.sessions", "post /sessions/byids", ([1, 2**53 - 1],)),
    ("Calls.retrieve", "get /functions/{functionId}/calls/{callId}", (12, 34)),
    ("Calls.retrieve_many", "post /functions/{functionId}/calls/byids", (12, [1])),
    ("Calls.list", "post /functions/{functionId}/calls/list", (12,)),
    (
        "Calls.list",
        "post /functions/{functionId}/calls/list",
        (12, {"status": "Failed", "schedule_id": 1, "start_time": SPAN, "end_time": SPAN, "limit": 5}),
    ),
    ("Calls.response", "get /functions/{functionId}/calls/{callId}/response", (12, 34)),
    ("Calls.logs", "get /functions/{functionId}/calls/{callId}/logs", (12, 34)),
    ("Functions.retrieve", "post /functions/byids", (12,)),
    ("Functions.retrieve", "post /functions/byids", ("f" * 255,)),
    ("Functions.retrieve_many", "post /functions/byids", ([1],)),
    ("Functions.list", "post /functions/list", ()),
    (
        "Functions.list",
        "post /functions/list",
        (
            {
                "name": "n",
                "owner": "o",
                "file_id": 1,
                "status": "Ready",
                "external_id_prefix": "f",
                "created_time": SPAN,
                "metadata": {"k": "v"},
                "limit": 5,
            },
        ),
    ),
    ("Functions.delete", "post /functions/delete", (["f", 2],)),
    ("Functions.limits", "get /functions/limits", ()),
    ("Functions.status", "get /functions/status", ()),
    ("Functions.activate", "post /functions/status", ()),
    ("FunctionRequests.create", "post /functions", (WHOLE_FUNCTION.item(7),)),
    ("FunctionRequests.create", "post /functions", (FunctionSpec(name="f").item(7),)),
    ("FunctionRequests.by_ids", "post /functions/byids", ([*range(1, 10), "f"],)),
    ("FunctionRequests.one", "post /functions/byids", (1,)),
    ("FunctionRequests.delete", "post /functions/delete", ([*range(1, 10), "f"],)),
    ("FunctionRequests.page", "post /functions/list", ({}, 5)),
    ("FunctionRequests.limits", "get /functions/limits", ()),
    ("FunctionRequests.status", "get /functions/status", ()),
    ("FunctionRequests.activate", "post /functions/status", ()),
    ("Files.retrieve", "post /files/byids", (1,)),
    ("Files.retrieve_many", "post /files/byids", ([1],)),
    ("Files.list", "get /files", ()),
    ("Files.list", "get /files", ({"name": "n", "external_id_prefix": "f", "uploaded": True, "limit": 5},)),
    ("Files.delete", "post /files/delete", ([1, "f"],)),
    ("Files.download_link", "post /files/downloadlink", ("f",)),
    ("Schedules.create", "post /functions/schedules", ("nightly", "0 3 * * *", {"function": 12})),
    (
        "Schedules.create",
        "post /functions/schedules",
        ("n", "0 3 * * *", {"function": "f", "data": {"x": 1}, "description": "d", "nonce": "n"}),
    ),
    ("Schedules.list", "post /functions/schedules/list", ()),
    (
        "Schedules.list",
        "post /functions/schedules/list",
        ({"function": 12, "name": "n", "cron": "0 3 * * *", "created_time": SPAN, "limit": 5},),
    ),
    ("Schedules.retrieve", "get /functions/schedules/{scheduleId}", (56,)),
    ("Schedules.retrieve_many", "post /functions/schedules/byids", ([1],)),
    ("Schedules.delete", "post /functions/schedules/delete", ([1, 2],)),
    ("Schedules.input_data", "get /functions/schedules/{scheduleId}/input_data", (56,)),
    ("Sessions.create", "post /sessions", ({"grant": "token_exchange"},)),
    ("Sessions.create", "post /sessions", ({"grant": "oneshot_token_exchange"},)),
    ("Sessions.create", "post /sessions", ({"client_id": "a", "client_secret": "b"},)),
    ("Sessions.list", "get /sessions", ({"status": "ACTIVE", "limit": 5},)),
    ("Sessions.retrieve", "post /sessions/byids", (1,)),
    ("Sessions.retrieve_many", "post /sessions/byids", ([1],)),
    ("Sessions.revoke", "post /sessions/revoke", (1,)),
    ("Tokens.inspect", "get /token/inspect", ()),
]
#: Models, where an answer has them, and the fields that the document does not know there.
MODELS = [
    (FunctionCall, "post /functions/{functionId}/call", (), set()),
    (FunctionCall, "get /functions/{functionId}/calls/{callId}", (), set()),
    (FunctionCall, "post /functions/{functionId}/calls/byids", ("items", 0), set()),
    (FunctionCall, "post /functions/{functionId}/calls/list", ("items", 0), set()),
    (FunctionError, "get /functions/{functionId}/calls/{callId}", ("error",), set()),
    (LogEntry, "get /functions/{functionId}/calls/{callId}/logs", ("items", 0), set()),
    (Function, "post /functions/byids", ("items", 0), set()),
    (Function, "post /functions/list", ("items", 0), set()),
    (FunctionError, "post /functions/byids", ("items", 0, "error"), {"code"}),
    (FunctionLimits, "get /functions/limits", (), set()),
    (Range, "get /functions/limits", ("cpuCores",), set()),
    (Range, "get /functions/limits", ("memoryGb",), set()),
    (FunctionSchedule, "post /functions/schedules", ("items", 0), set()),
    (FunctionSchedule, "get /functions/schedules/{scheduleId}", (), set()),
    # Lists of sessions have the times.
    (Session, "post /sessions", ("items", 0), {"creationTime", "expirationTime"}),
    (TokenInspection, "get /token/inspect", (), set()),
    (TokenProject, "get /token/inspect", ("projects", 0), set()),
]
ENUMERATIONS = [
    (CallStatus, "get /functions/{functionId}/calls/{callId}", ("status",)),
    (FunctionStatus, "post /functions/byids", ("items", 0, "status")),
    (FunctionsStatus, "get /functions/status", ("status",)),
    (SessionStatus, "post /sessions", ("items", 0, "status")),
    (SessionType, "post /sessions", ("items", 0, "type")),
]


def fits(schema: Any, value: Any) -> bool:
    """Whether the service would take a value; nothing undocumented is sent."""
    if "oneOf" in schema:
        return sum(fits(choice, value) for choice in schema["oneOf"]) == 1
    if not isinstance(value, TYPES[schema["type"]]) or isinstance(value, bool) != (schema["type"] == "boolean"):
        return False
    match value:
        case dict() if "properties" in schema:
            known = schema["properties"]
            required = {name for name in schema.get("required", ()) if "readOnly" not in known.get(name, ())}
            return required <= set(value) <= set(known) and all(fits(known[name], item) for name, item in value.items())
        case list():
            allowed = range(schema.get("minItems", 0), schema.get("maxItems", len(value)) + 1)
            return len(value) in allowed and all(fits(schema["items"], item) for item in value)
        case str():
            return len(value) <= schema.get("maxLength", len(value)) and value in schema.get("enum", [value])
        case _:
            within = not isinstance(value, int) or schema.get("minimum", value) <= value <= schema.get("maximum", value)
            return within and value in schema.get("enum", [value])


def sample(schema: Any, *, whole: bool) -> Any:
    """An answer that the document allows: with all members, or with those alone that it promises, null where it may be."""
    if "enum" in schema:
        return schema["enum"][-1]
    kinds = schema.get("type", "integer")
    kinds = kinds if isinstance(kinds, list) else [kinds]
    if "null" in kinds and not whole:
        return None
    match kinds[0]:
        case "object":
            return {
                **(
                    {"key": sample(schema["additionalProperties"], whole=whole)}
                    if "additionalProperties" in schema
                    else {}
                ),
                **{name: sample(member, whole=whole) for name, member in members(schema, whole=whole).items()},
            }
        case "array":
            return [sample(schema["items"], whole=whole)]
        case "string":
            return "text"
        case "number":
            return 2.0
        case "boolean":
            return True
        case _:
            return schema.get("minimum", 1)


def members(schema: Any, *, whole: bool) -> dict[str, Any]:
    """The members of an object that an answer can have, or those that it has to have."""
    known = {name: member for name, member in schema.get("properties", {}).items() if "writeOnly" not in member}
    hidden = {name for name, member in schema.get("properties", {}).items() if "writeOnly" in member}
    promised = [name for name in schema.get("required", ()) if name not in hidden]
    return {name: known.get(name, {}) for name in [*(known if whole else ()), *promised]}


def inside(schema: Any, path: tuple[str | int, ...]) -> Any:
    """The schema of what is at a place within a value."""
    for step in path:
        schema = schema["items"] if isinstance(step, int) else schema["properties"][step]
    return schema


@attrs.define
class Recorder:
    """Stands for the sender: keeps the request, and gives the answer."""

    answer: Any
    request: Request | None = None

    async def send(self, request: Request, *, attempts: int | None = None) -> Response:
        self.request = request
        body = json.dumps(self.answer).encode()
        return Response(status=200, headers={}, body=body, sent_at=0.0, received_at=0.0)


async def resolve(function: int | str, *, refresh: bool = False) -> int:
    """Stand for the engine's look-up."""
    return 12


async def new_session() -> Session:
    """Stand for the session of a schedule."""
    return Session(id=1, status=SessionStatus.READY, nonce=Secret("n"))


KINDS = {name: getattr(resources, name) for name in resources.__all__} | {
    "Service": Service,
    "FunctionRequests": FunctionRequests,
}
#: They send nothing, or more than one request, each of which has a case of its own.
OTHER_METHODS = {
    "Schedules.next_runs",
    "Functions.create",
    "Functions.create_or_replace",
    "Functions.package",
    "Functions.wait_until_ready",
    "Files.upload",
    "Files.download",
}


def make(name: str, sender: Any) -> Any:
    """Make a resource, or what the engine has in its place."""
    url = SERVICE if name == "Tokens" else f"{SERVICE}/api/v1/projects/acme"
    grants = {"token_exchange": {"tokenExchange": True}, "oneshot_token_exchange": {"oneshotTokenExchange": True}}
    more: dict[str, dict[str, Any]] = {
        "Calls": {"resolve": resolve, "reader": Reader(sender, url, most=1)},
        "Schedules": {"resolve": resolve, "encode": partial(encode, limit=None), "new_session": new_session},
        "Sessions": {"grants": lambda grant: [grants[grant]]},
    }
    if name == "Functions":
        more[name] = {"files": make("Files", sender), "schedules": make("Schedules", sender)}
    return KINDS[name](sender, url, **more.get(name, {}))


async def act(method: str, operation: str, arguments: Any, *, whole: bool = True) -> tuple[Request, Any]:
    """Call a resource's method; return the request, and what was made of the answer."""
    resource, _, name = method.partition(".")
    facts = OPERATIONS[operation]
    sender = Recorder(sample(facts["response"], whole=whole))
    if method in {"Sessions.create", "Service.new_session"} and not whole:  # it does not even promise items
        sender.answer = {"items": [sample(inside(facts["response"], ("items", 0)), whole=False)]}
    elif operation.partition(" ")[2].startswith("/sessions") and not whole:  # nor that a session has an id
        sender.answer = {"items": [{"id": 1, "status": "READY"}]}
    elif operation.partition(" ")[2].startswith("/files") and not whole:  # nor that it has files
        sender.answer = {"items": [{"id": 1, "name": "f", "downloadUrl": "https://storage.test/f"}]}
    if isinstance(sender.answer, dict):
        sender.answer.pop("nextCursor", None)  # or each page would be followed by itself
    *given, last = arguments or (None,)
    named = last if isinstance(last, dict) and resource not in {"Service", "FunctionRequests"} else {}
    found = getattr(make(resource, sender), name)(*(given if named or not arguments else arguments), **named)
    result = [entry async for entry in found] if inspect.isasyncgen(found) else await found
    assert sender.request is not None
    return sender.request, result


@pytest.mark.parametrize(("method", "operation", "arguments"), CASES)
async def test_requests_are_as_documented(method, operation, arguments) -> None:
    """Method, path and body of each request are what the document describes."""
    request, _ = await act(method, operation, arguments)

    verb, _, path = operation.partition(" ")
    address = SERVICE + OPERATIONS[operation]["base"] + path
    for place, value in PLACES.items():
        address = address.replace(place, value)
    assert (request.method.lower(), request.url.partition("?")[0]) == (verb, address)
    schema = OPERATIONS[operation]["request"]
    assert (request.body is None) == (schema is None)
    assert schema is None or fits(schema, json.loads(request.body)), request.body


@pytest.mark.parametrize("whole", [True, False], ids=["all members", "promised members"])
@pytest.mark.parametrize(("method", "operation", "arguments"), CASES)
async def test_documented_answers_are_read(method, operation, arguments, whole) -> None:
    """Each answer that the document allows is read, and nothing of it is unknown."""
    _, result = await act(method, operation, arguments, whole=whole)

    found = result[0] if isinstance(result, tuple) else result
    for value in found if isinstance(found, list) else [found]:
        assert isinstance(value, File) or not value or not getattr(value, "extra", {})


def test_files_are_as_documented() -> None:
    """A new file is described as the document says, and what it says of a file is read."""
    facts = OPERATIONS["post /files"]
    whole = FileSpec(name="f", external_id="e", mime_type="application/zip", data_set_id=1, metadata={"k": "v"})
    described = sample(facts["response"], whole=True)

    assert fits(facts["request"], whole.body())
    file = structure(described, File, what="a sample")
    assert {camel(field.name) for field in attrs.fields(File)} - {"extra"} == described.keys() - file.extra.keys()


def test_every_request_is_checked() -> None:
    """There is a case for each method that sends a request, and for each operation that the facts are of."""
    methods = {
        f"{name}.{method}" for name, kind in KINDS.items() for method in vars(kind) if not method.startswith("_")
    } - OTHER_METHODS
    assert {method for method, _, _ in CASES} == methods
    assert {operation for _, operation, _ in CASES} == OPERATIONS.keys() - {"post /files"}


@pytest.mark.parametrize(("kind", "operation", "path", "undocumented"), MODELS)
def test_models_are_as_documented(kind, operation, path, undocumented) -> None:
    """Each documented member is a field and is read; a field without a default is promised and never null."""
    schema = inside(OPERATIONS[operation]["response"], path)
    ours = {camel(field.name): field for field in attrs.fields(kind) if field.name != "extra"}
    documented = members(schema, whole=True)
    promised = {name for name, member in members(schema, whole=False).items() if "null" not in member.get("type", ())}

    assert set(ours) - set(documented) == undocumented
    assert set(documented) <= set(ours)
    assert {name for name, field in ours.items() if field.default is attrs.NOTHING} <= promised
    value = structure(sample(schema, whole=True), kind, what="a sample")
    assert [name for name in documented if getattr(value, ours[name].name) in (None, "", ())] == []


@pytest.mark.parametrize(("kind", "operation", "path"), ENUMERATIONS)
def test_values_are_as_documented(kind, operation, path) -> None:
    """The documented values are the known ones."""
    assert inside(OPERATIONS[operation]["response"], path)["enum"] == [str(member) for member in kind]


def test_identifiers_are_as_documented() -> None:
    """The largest id and the longest external id are the service's."""
    by_id, by_name = inside(OPERATIONS["post /functions/byids"]["request"], ("items", 0))["oneOf"]
    ids, names = by_id["properties"]["id"], by_name["properties"]["externalId"]

    for good in (ids["minimum"], ids["maximum"]):
        assert check_id(good, "call") == good
    assert check_function("f" * names["maxLength"])
    for bad in (ids["minimum"] - 1, ids["maximum"] + 1, "f" * (names["maxLength"] + 1)):
        with pytest.raises(InvalidArgument):
            check_function(bad)
