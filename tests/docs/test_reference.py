"""The reference is complete: what the code has, docs/reference.md names, in the section where one would look."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import get_args

import attrs
import pytest
import typer.main

import aiocdf
from aiocdf import _environment, _from_env, batch, errors, local, resources, telemetry, testing
from aiocdf._calling import Calling
from aiocdf.cli.app import app
from aiocdf.local.runtime import function_settings
from aiocdf.telemetry import opentelemetry

REFERENCE = (Path(__file__).parents[2] / "docs" / "reference.md").read_text()
CODE = re.compile(r"`([^`\n]+)`")
ROW = re.compile(r"^\| `(?P<name>\w+)` \| `(?P<default>[^`]+)` \|", re.MULTILINE)
MODELS = [
    "CodePackage",
    "File",
    "Function",
    "FunctionCall",
    "FunctionError",
    "FunctionLimits",
    "FunctionSchedule",
    "KeptSchedule",
    "LogEntry",
    "Pause",
    "Session",
    "Stats",
    "TokenInspection",
]
PUBLIC = [aiocdf, batch, local, telemetry, testing]
ENUMERATIONS = [
    aiocdf.CallStatus,
    aiocdf.FunctionsStatus,
    aiocdf.FunctionStatus,
    aiocdf.SessionStatus,
    aiocdf.SessionType,
]
RESOURCES = [getattr(resources, name) for name in resources.__all__]


def _section(heading: str) -> str:
    """Return what stands below a heading, up to the next of its rank."""
    start = re.search(rf"^(#+) {re.escape(heading)}$", REFERENCE, re.MULTILINE)
    assert start, f"there is no heading {heading!r}"
    end = re.search(rf"^#{{1,{len(start[1])}}} ", REFERENCE[start.end() :], re.MULTILINE)
    return REFERENCE[start.end() :][: end.start() if end else None]


def _words(section: str) -> set[str]:
    """Return the words that are set as code."""
    return {word for code in CODE.findall(section) for word in re.findall(r"-*\w[\w-]*", code)}


def _heads(section: str) -> set[str]:
    """Return the words that are set as code in the first cells of tables."""
    return _words("\n".join(line.split(" | ")[0] for line in section.splitlines() if line.startswith("| `")))


def _members(kind: type) -> set[str]:
    """Return the public attributes that a class defines itself, fields included."""
    fields = {field.name for field in attrs.fields(kind)} if attrs.has(kind) else set()
    return {name for name in vars(kind).keys() | fields if not name.startswith("_")}


def _defaults(kind: type) -> dict[str, str]:
    """Return the fields of settings with what they are if nobody sets them."""
    return {field.name: repr(getattr(kind(), field.name)) for field in attrs.fields(kind)}


def test_it_names_all_that_is_public() -> None:
    """Each public name of the package and of its rooms for users is in the reference."""
    assert {name for place in PUBLIC for name in place.__all__} - _words(REFERENCE) == set()


@pytest.mark.parametrize(
    ("kind", "heading"),
    [
        (aiocdf.Client, "Client"),
        (Calling, "Client"),
        (aiocdf.CallHandle, "CallHandle"),
        (aiocdf.CallRef, "CallRef"),
        (aiocdf.BoundFunction, "BoundFunction"),
    ],
)
def test_it_names_all_members(kind: type, heading: str) -> None:
    """Each public attribute of a client, a handle, its reference and a bound function is in the class's section."""
    assert _members(kind) - _heads(_section(heading)) == set()


def test_it_names_all_members_of_the_parts_of_a_client() -> None:
    """Each public attribute that a client has of its base classes is in its section, too."""
    parts = [part for part in aiocdf.Client.__mro__ if part.__module__.startswith("aiocdf")]

    assert {name for part in parts for name in _members(part)} - _heads(_section("Client")) == set()


@pytest.mark.parametrize(
    "kind",
    [
        aiocdf.Client,
        local.serve,
        aiocdf.AuthorizationCode,
        aiocdf.ClientCredentials,
        aiocdf.DeviceCode,
        aiocdf.Client.call,
        aiocdf.Client.map,
        batch.map,
    ],
    ids=lambda kind: kind.__qualname__,
)
def test_it_names_all_arguments(kind) -> None:
    """Each argument that users give to what takes many is in the reference."""
    headings = {"serve": "serve", "map_inputs": "batch.map"} | dict.fromkeys(
        ["AuthorizationCode", "ClientCredentials", "DeviceCode"], "Credentials"
    )
    section = _section(headings.get(kind.__name__, "Client"))

    assert set(inspect.signature(kind).parameters) - {"self"} - _heads(section) == set()


def test_it_names_all_requests() -> None:
    """Each method of the resources that a client has is in the reference as one calls it."""
    section = _section("Requests to the service")

    methods = {f"client.{kind.__name__.lower()}.{name}(" for kind in RESOURCES for name in _members(kind)}
    assert {method for method in methods if method not in section} == set()


@pytest.mark.parametrize("name", MODELS)
def test_it_names_all_fields_of_models(name: str) -> None:
    """Each field and property of a model is in the model's section."""
    assert _members(getattr(aiocdf, name)) - _words(_section(name)) == set()


@pytest.mark.parametrize("kind", ENUMERATIONS, ids=lambda kind: kind.__name__)
def test_it_names_all_known_values(kind) -> None:
    """Each value of an enumeration that aiocdf knows is among the models."""
    assert {str(value) for value in kind} - _words(_section("Models")) == set()


def test_it_explains_all_errors() -> None:
    """Each exception and warning has its row among the errors."""
    assert set(errors.__all__) - _heads(_section("Errors")) == set()


@pytest.mark.parametrize("heading", ["Settings", "Polling", "Retrying", "Limits", "MapSettings"])
def test_it_has_all_settings_with_their_defaults(heading: str) -> None:
    """The table of a group of settings has exactly its fields, each with its default."""
    table = _section(heading).partition("\n#")[0]

    kind = next(getattr(place, heading) for place in (aiocdf, batch, local) if hasattr(place, heading))
    defaults = _defaults(kind) | ({"polling": "Polling()", "retrying": "Retrying()"} if heading == "Settings" else {})
    assert dict(ROW.findall(table)) == defaults


def test_it_names_all_events_with_their_fields() -> None:
    """Each event has a row, and each of its fields is in it."""
    rows = {line.split("`")[1]: _words(line) for line in _section("Events").splitlines() if line.startswith("| `")}

    assert rows.keys() == {event.__name__ for event in get_args(aiocdf.Event)}
    for event in get_args(aiocdf.Event):
        assert _members(event) - rows[event.__name__] == set()


def test_it_names_all_that_opentelemetry_gets() -> None:
    """Each attribute, span event and metric of the OpenTelemetry observer is in its section."""
    source = inspect.getsource(opentelemetry)
    section = _section("OpenTelemetry")

    names = set(re.findall(r'"((?:aiocdf|faas|error)\.[a-z_.]+)"', source))
    names |= set(re.findall(r'add_event\("([a-z ]+)"', source)) | {"attached", "queued"}
    assert {name for name in names if f"`{name}`" not in section} == set()


def test_it_names_the_events_of_all_log_records() -> None:
    """Each event that a log record names is in the section on the log."""
    sources = (path.read_text() for path in Path(aiocdf.__file__).parent.rglob("*.py"))
    named = {name for source in sources for name in re.findall(r'extra=\{"event": "(\w+)"', source)}

    assert named - _words(_section("Log")) == set()


@pytest.mark.parametrize("kind", [testing.FakeService, testing.ServerThread, testing.Run, testing.RequestSeen])
def test_it_names_all_members_for_tests(kind) -> None:
    """Each public attribute of what tests use is in the section on testing."""
    assert _members(kind) - _words(_section("Testing")) == set()


def test_it_names_all_environment_variables() -> None:
    """Each variable that is read for a client is in the section on the environment, and no other."""
    sources = inspect.getsource(_environment) + inspect.getsource(_from_env)
    read = set(re.findall(r'"([A-Z]+(?:_[A-Z]+)*)"', sources))

    rows = [line.split("|")[1] for line in _section("Environment variables").splitlines() if line.startswith("| `")]
    assert set(CODE.findall("".join(rows))) == read


def test_it_explains_all_options_of_the_server() -> None:
    """The section on `aiocdf serve` has each of its options. docs/cli.md has those of all commands."""
    params = typer.main.get_command(app).commands["serve"].params

    names = {name for option in params for name in option.opts if option.param_type_name == "option"}
    assert names - _words(_section("aiocdf serve")) == {"--debug"}


@pytest.mark.parametrize("kind", [batch.Summary, batch.Progress, batch.Holder], ids=lambda kind: kind.__name__)
def test_it_names_all_members_of_what_a_map_returns(kind) -> None:
    """Each member of a map's summary and progress, and of a journal's holder, is in the section on durable maps."""
    assert _members(kind) - _words(_section("Durable map")) == set()


def test_it_explains_all_statuses_of_inputs() -> None:
    """Each status that an input may have is among the results."""
    assert {str(status) for status in batch.InputStatus} - _words(_section("Results")) == set()


def test_it_names_all_keys_of_function_settings() -> None:
    """Each key that a function.toml may have is in the section on it."""
    assert function_settings._RULES.keys() - _words(_section("function.toml")) == set()


def test_it_names_all_members_of_the_local_server() -> None:
    """Each public attribute of a local server, its clients, users and faults is in the class's section."""
    for kind in (local.LocalServer, local.OAuthClient, local.User, local.Faults):
        assert _members(kind) - _words(_section(kind.__name__)) == set()
    assert _members(local.Fault) - _words(_section("Faults")) == set()


def test_it_names_all_operations_of_the_local_server() -> None:
    """Each operation of the server's OpenAPI document has its row, with its capability and its status."""
    document = json.loads((Path(local.__file__).parent / "api" / "reference" / "openapi.json").read_text())
    expected = set()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            (status,) = (status for status in operation["responses"] if status.startswith("2"))
            capability = re.search(r"capability `(.+?)`", operation.get("description", ""))
            shown = path.removeprefix("/api/v1/projects/{project}")
            expected.add((f"{method.upper()} {shown}", f"`{capability[1]}`" if capability else "a token", status))
    rows = [line.strip("| ").split(" | ") for line in _section("Operations").splitlines() if line.startswith("| `")]
    named = {(row[0].strip("`"), row[2], row[3]) for row in rows if re.match(r"`[A-Z]+ /", row[0])}
    assert named == expected
