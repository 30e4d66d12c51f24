from __future__ import annotations

import copy
import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._wire.converter import camel, structure
from aiocdf.errors import DecodeError
from aiocdf.models import (
    CallStatus,
    Function,
    FunctionCall,
    FunctionLimits,
    FunctionStatus,
    LogEntry,
    Session,
    SessionStatus,
)

CALL = {"id": 11, "functionId": 3, "status": "Running", "startTime": 1_700_000_000_123}
STARTED = datetime(2023, 11, 14, 22, 13, 20, 123000, tzinfo=UTC)
MODELS: dict[type[Any], dict[str, Any]] = {
    FunctionCall: CALL,
    Function: {"id": 3, "name": "double", "status": "Ready"},
    FunctionLimits: {"timeoutMinutes": 9},
    Session: {"id": 5, "status": "READY", "nonce": "n0nce"},
}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=8,
)


def read(value: object, kind: type[Any] = FunctionCall, what: str = "call 11") -> Any:
    return structure(value, kind, what=what)


def test_call() -> None:
    """A call that has just begun."""
    call = read(CALL)

    assert call == FunctionCall(id=11, function_id=3, status=CallStatus.Running, start_time=STARTED)
    assert not call.ended


@pytest.mark.parametrize(
    ("error", "message", "trace"),
    [
        ({"message": "boom", "trace": "line 1"}, "boom", "line 1"),
        ({"message": "boom"}, "boom", None),
        ({"message": "boom", "trace": None}, "boom", None),
        ({"code": 400, "message": "boom"}, "boom", None),
        ("ZeroDivisionError: division by zero", "ZeroDivisionError: division by zero", None),
        ("", "", None),
        ({"message": None, "trace": "t"}, "", "t"),
        ({}, "", None),
        ({"message": ["odd"], "trace": 7}, "['odd']", "7"),
    ],
)
def test_both_shapes_of_error(error, message, trace) -> None:
    """`error` is an object in one page of the contract and a string in another; both are read, whatever they lack."""
    read_error = read(CALL | {"status": "Failed", "error": error}).error

    assert (read_error.message, read_error.trace) == (message, trace)


@pytest.mark.parametrize("status", ["Failed", "Timeout", "Completed"])
def test_ended_without_an_end_time(status) -> None:
    """The service forgets `endTime` on some failed calls: they are over all the same, with no runtime."""
    call = read(CALL | {"status": status})

    assert call.ended
    assert call.runtime is None


def test_end_time_on_a_running_call() -> None:
    """An end time that stands on a running call does not end it."""
    call = read(CALL | {"endTime": CALL["startTime"] + 1500})

    assert not call.ended
    assert call.runtime is None


def test_runtime() -> None:
    """The runtime is what the service's own stamps say."""
    assert read(CALL | {"status": "Completed", "endTime": CALL["startTime"] + 1500}).runtime == 1.5


@pytest.mark.parametrize("kind", MODELS)
@given(extra=st.dictionaries(st.text(min_size=1), json_values, max_size=5))
def test_unknown_fields_are_kept(kind, extra) -> None:
    """What the service adds one day ends in `extra` as it came, under whatever name, and changes nothing else."""
    plain = read(MODELS[kind], kind)
    known = {camel(field.name) for field in attrs.fields(kind)} - {"extra"}
    extra = {name: value for name, value in extra.items() if name not in known}

    assert read(MODELS[kind] | extra, kind) == attrs.evolve(plain, extra=extra)


@pytest.mark.parametrize("kind", MODELS)
def test_nulls_are_absent(kind) -> None:
    """A null says the same as no field at all."""
    nulls = {camel(field.name): None for field in attrs.fields(kind) if field.name != "extra"}

    assert read(nulls | MODELS[kind], kind) == read(MODELS[kind], kind)


@given(st.text().filter(lambda text: text not in CallStatus.__members__))
def test_unknown_status(text) -> None:
    """A new status of the service is read, is distinguishable, and survives pickle and copy."""
    call = read(CALL | {"status": text})

    assert call.status == text
    assert not call.status.known
    assert not call.ended
    assert read(CALL | {"status": text, "endTime": CALL["startTime"]}).ended
    assert pickle.loads(pickle.dumps(call)) == copy.deepcopy(call) == call


@pytest.mark.parametrize(
    ("kind", "value", "status"),
    [
        (Function, "Retired", FunctionStatus("Retired")),
        (Function, "Ready", FunctionStatus.Ready),
        (Session, "EXPIRED", SessionStatus.EXPIRED),
        (Session, "access_lost", SessionStatus("access_lost")),
    ],
)
def test_statuses_of_others(kind, value, status) -> None:
    """Functions and sessions have open statuses, too."""
    assert read(MODELS[kind] | {"status": value}, kind).status == status


@given(st.floats(0, 4e12) | st.integers(0, 4_000_000_000_000))
def test_times(milliseconds) -> None:
    """Times are epoch milliseconds, whole or not."""
    read_time = read(CALL | {"startTime": milliseconds}).start_time

    assert (read_time - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(milliseconds=1) == pytest.approx(
        milliseconds, abs=1e-3
    )
    assert read_time.tzinfo is UTC


@pytest.mark.parametrize("silly", [1e30, -1e18, 10**400, float("nan"), float("inf"), "now", "0", True, [], {}])
def test_silly_times(silly) -> None:
    """A time that is none is an error that names the JSON path in the service's spelling, never a crash."""
    with pytest.raises(DecodeError, match=r"^call 11 does not fit FunctionCall: \$\.startTime: found ") as caught:
        read(CALL | {"startTime": silly})

    assert caught.value.path == "$.startTime"


@pytest.mark.parametrize(
    ("value", "kind", "path"),
    [
        (CALL | {"id": "s3cr3t"}, FunctionCall, "$.id"),
        (CALL | {"functionId": {"x": "s3cr3t"}}, FunctionCall, "$.functionId"),
        (CALL | {"status": 7}, FunctionCall, "$.status"),
        ({"id": 11, "functionId": 3, "status": "Running"}, FunctionCall, "$.startTime"),
        ("s3cr3t", FunctionCall, "$"),
        (None, FunctionCall, "$"),
        (["s3cr3t"], FunctionCall, "$"),
        (MODELS[Function] | {"metadata": "s3cr3t"}, Function, "$.metadata"),
        (MODELS[Function] | {"envVars": ["s3cr3t"]}, Function, "$.envVars"),
        (MODELS[Function] | {"cpu": "s3cr3t"}, Function, "$.cpu"),
        (MODELS[Session] | {"nonce": {"s3cr3t": 1}}, Session, "$.nonce"),
        ({"cpuCores": {"min": 1, "max": "s3cr3t", "default": 1}}, FunctionLimits, "$.cpuCores.max"),
        ({"runtimes": 5}, FunctionLimits, "$.runtimes"),
        ({"timestamp": "s3cr3t"}, LogEntry, "$.timestamp"),
    ],
)
def test_what_does_not_fit(value, kind, path) -> None:
    """The error for an unreadable value has its path, and does not quote it."""
    with pytest.raises(DecodeError) as caught:
        read(value, kind)

    assert caught.value.path == path
    assert f" {path}: " in str(caught.value)
    assert "s3cr3t" not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("kind", "field", "value", "built"),
    [
        (FunctionCall, "id", "11", 11),
        (FunctionCall, "functionId", 3.0, 3),
        (FunctionCall, "scheduleId", "7", 7),
        (Session, "id", "5", 5),
        (Session, "id", "1" * 5000, None),
        (FunctionCall, "id", "-1", None),
        (FunctionCall, "id", 1.5, None),
        (FunctionCall, "id", True, None),
        (Function, "cpu", "1", None),
        (Function, "cpu", True, None),
        (Function, "name", 7, None),
        (Function, "metadata", {"a": 1}, None),
    ],
)
def test_ids_alone_are_read_leniently(kind, field, value, built) -> None:
    """An id may be text or a whole float; no other field of the service's becomes another type."""
    wire = MODELS[kind] | {field: value}
    if built is None:
        with pytest.raises(DecodeError) as caught:
            read(wire, kind)
        assert caught.value.path.startswith(f"$.{field}")
    else:
        found = {camel(name): item for name, item in attrs.asdict(read(wire, kind)).items()}
        assert found[field] == built
        assert type(found[field]) is int


def test_path_begins_where_the_value_stands() -> None:
    """The path of an item has its index among the items."""
    with pytest.raises(DecodeError) as caught:
        structure(CALL | {"id": []}, FunctionCall, what="calls", path="$.items[3]")

    assert caught.value.path == "$.items[3].id"


def fault(value: object, kind: type[Any]) -> str | None:
    """The path of the value that is not readable; None if all are."""
    try:
        assert isinstance(read(value, kind), kind)
    except DecodeError as error:
        return error.path
    return None


@given(json_values)
def test_any_json(value) -> None:
    """No JSON whatever gets anything but a model or a DecodeError."""
    assert all((fault(value, kind) or "$").startswith("$") for kind in MODELS)


@given(st.sampled_from(list(MODELS)), st.data())
def test_any_json_in_any_field(kind, data) -> None:
    """No value whatever in one of the known fields gets anything but a model or a DecodeError that names the field."""
    name = camel(data.draw(st.sampled_from([field.name for field in attrs.fields(kind)])))
    path = fault(MODELS[kind] | {name: data.draw(json_values)}, kind)

    assert path is None or path.startswith(f"$.{name}")


def test_limits_without_response_size() -> None:
    """`responseSizeMb` comes from one cloud only."""
    limits = read(
        {"timeoutMinutes": 9, "cpuCores": {"min": 1, "max": 1, "default": 1}, "runtimes": ["py312"]}, FunctionLimits
    )

    assert (limits.timeout_minutes, limits.cpu_cores.max, limits.runtimes) == (9.0, 1.0, ("py312",))
    assert limits.response_size_mb is None


def test_masked_secrets_of_a_function() -> None:
    """The names of a function's secrets are there, under stars."""
    assert read(MODELS[Function] | {"secrets": {"api-key": "***"}}, Function).secrets == {"api-key": "***"}


def test_log_entry_without_fields() -> None:
    """Both fields of a log entry are optional in the contract."""
    assert read({}, LogEntry) == LogEntry(message="", timestamp=None)


def test_nonce_does_not_show() -> None:
    """A session's nonce is wrapped as it is read."""
    session = read(MODELS[Session], Session)

    assert session.nonce.reveal() == "n0nce"
    assert "n0nce" not in f"{session} {session!r} {attrs.asdict(session)}"


@attrs.frozen
class Reading:
    at: datetime
    value: float
    labels: tuple[str, ...] = ()


def test_users_own_types() -> None:
    """What a function returned becomes the user's own class; times in it are ISO 8601."""
    value = {"at": "2024-05-01T10:00:00+00:00", "value": 2, "labels": ["a"]}

    assert read(value, Reading) == Reading(at=datetime(2024, 5, 1, 10, tzinfo=UTC), value=2.0, labels=("a",))
    assert read([value], list[Reading]) == [read(value, Reading)]


def test_users_own_types_that_do_not_fit() -> None:
    """The message names the user's type and the path in the user's own spelling."""
    with pytest.raises(DecodeError, match=r"response does not fit Reading: \$\.at: ") as caught:
        read({"at": "s3cr3t", "value": 1}, Reading, what="response")

    assert "s3cr3t" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "spelled"), [("id", "id"), ("start_time", "startTime"), ("response_size_mb", "responseSizeMb")]
)
def test_camel(name, spelled) -> None:
    """Names are spelled the service's way."""
    assert camel(name) == spelled
