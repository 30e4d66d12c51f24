from __future__ import annotations

import copy
import inspect
import pickle
import re
from datetime import UTC, datetime
from typing import Any

import pytest

import aiocdf
from aiocdf import CallRef, errors
from aiocdf.models import CallStatus, Function, FunctionCall, FunctionError, FunctionStatus, KeptSchedule

REF = CallRef(cluster="westeurope-1", project="acme", function_id=12, call_id=34)
CALL = FunctionCall(
    id=34,
    function_id=12,
    status=CallStatus("Odd"),
    start_time=datetime(2024, 5, 1, tzinfo=UTC),
    error=FunctionError(message="boom", trace="Traceback"),
    extra={"new": [1]},
)
#: Something for each keyword that a constructor takes.
ARGUMENTS: dict[str, Any] = {
    "call": CALL,
    "code": 7,
    "description": "no such app",
    "detail": "words",
    "created": None,
    "deleted": Function(id=12, name="f", status=FunctionStatus("Ready")),
    "duplicated": [{"externalId": "x"}],
    "error": "invalid_client",
    "missing": ({"id": 3},),
    "path": "$.items[0]",
    "ref": REF,
    "request_id": "r-1",
    "retry_after": 2.5,
    "retryable": True,
    "schedules": [KeptSchedule(name="nightly", cron="0 3 * * *", data={"x": 1})],
    "status": 418,
}
TREE = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.AiocdfError)]
ALSO = {
    errors.InvalidArgument: ValueError,
    errors.InvalidType: TypeError,
    errors.WrongState: RuntimeError,
    errors.TransportTimeout: TimeoutError,
    errors.WaitExpired: TimeoutError,
}


def keywords(kind: type[errors.AiocdfError]) -> set[str]:
    return set(inspect.signature(kind.__init__).parameters) & set(ARGUMENTS)


def build(kind: type[errors.AiocdfError]) -> errors.AiocdfError:
    """An error with everything that its class can carry."""
    error = kind("it failed: do this", **{name: ARGUMENTS[name] for name in keywords(kind)})
    error.add_note("a note")
    return error


def facts(error: BaseException) -> dict[str, Any]:
    return {"type": type(error), "args": error.args, "text": str(error), "repr": repr(error), **vars(error)}


def pickled_first(error: BaseException) -> Any:
    return pickle.loads(pickle.dumps(error, 2))


def pickled_last(error: BaseException) -> Any:
    return pickle.loads(pickle.dumps(error, pickle.HIGHEST_PROTOCOL))


@pytest.mark.parametrize("kind", TREE)
@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, pickled_first, pickled_last])
def test_copies(kind, duplicate) -> None:
    """Every error survives copy and pickle, with all it carries and its notes."""
    error = build(kind)

    assert facts(duplicate(error)) == facts(error)
    assert keywords(kind) <= set(vars(error))


@pytest.mark.parametrize("kind", TREE)
def test_copies_are_apart(kind) -> None:
    """A note on a copy, as each of several waiters gets one, does not show on the others."""
    error = build(kind)
    copy.copy(error).add_note("mine alone")

    assert error.__notes__ == ["a note"]


@pytest.mark.parametrize("kind", TREE)
def test_builtin_bases(kind) -> None:
    """Errors that Python has a name for are also that, and no others are."""
    builtin = (ValueError, TypeError, RuntimeError, OSError, LookupError, ArithmeticError)
    expected = ALSO.get(kind)

    assert issubclass(kind, builtin) == (expected is not None)
    assert expected is None or issubclass(kind, expected)


@pytest.mark.parametrize("kind", TREE)
def test_text(kind) -> None:
    """An error's text is its message, whatever else it carries; raised, it is caught as the base of all."""
    with pytest.raises(errors.AiocdfError, match=r"^it failed: do this"):
        raise build(kind)


def test_drawn_tree() -> None:
    """The tree drawn at the top of the module is the tree."""
    drawn: dict[str, str] = {}
    path: list[str] = []
    for line in (errors.__doc__ or "").splitlines():
        if found := re.match(r"([│├└─ ]*)([A-Z]\w+)(?:  |$)", line):
            depth = len(found[1]) // 4
            path[depth:] = [found[2]]
            drawn[found[2]] = path[depth - 1] if depth else ""
    actual = {kind.__name__: kind.__bases__[0].__name__ for kind in TREE}

    assert drawn == actual | {"AiocdfError": ""}


@pytest.mark.parametrize("kind", [*TREE, errors.SecretInDataWarning])
def test_public(kind) -> None:
    """Every error has a description of one sentence, and is exported under its name."""
    assert kind.__name__ in errors.__all__
    assert getattr(aiocdf, kind.__name__) is kind
    assert kind.__doc__


def test_warning() -> None:
    """The one warning is a UserWarning, so that it is shown by default."""
    assert issubclass(errors.SecretInDataWarning, UserWarning)


def test_api_error_defaults() -> None:
    """An API error needs a message and a status."""
    error = errors.NotFound("no", status=404)

    assert (error.code, error.detail, error.missing, error.duplicated) == (None, "", (), ())
    assert (error.request_id, error.retryable, error.retry_after) == (None, None, None)
