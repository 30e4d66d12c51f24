from __future__ import annotations

import re

import attrs
import pytest

from aiocdf._wire.function_spec import FunctionSpec
from aiocdf.errors import InvalidArgument, InvalidType, UsageError
from aiocdf.models import Function, FunctionLimits, FunctionStatus, Range
from aiocdf.secret import Secret

LIMITS = FunctionLimits(
    cpu_cores=Range(min=0.1, max=3, default=1),
    memory_gb=Range(min=0.1, max=5, default=1.5),
    runtimes=("py311", "py312"),
)
DEPLOYED = Function(
    id=1,
    name="f",
    status=FunctionStatus.Ready,
    external_id="f",
    file_id=2,
    function_path="handler.py",
    cpu=1.0,
    memory=1.5,
    runtime="py311",
)


def spec(**fields):
    return FunctionSpec(**({"name": "f"} | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "f" * 140},
        {"external_id": "e" * 255},
        {"description": "d" * 500},
        {"owner": "o" * 128},
        {"secrets": {"a-1" * 5: "v" * 24_985, "b": Secret("v")}},
        {"secrets": {f"key-{n}": "v" for n in range(30)}},
        {"secrets": {"token-2": "v"}},
        {"env_vars": {f"KEY_{n}": "v" for n in range(100)}},
        {"metadata": {"k" * 32: "v" * 512}},
        {"metadata": {f"{n:02}": "v" * 254 for n in range(16)}},
        {"cpu": 0.25, "memory": 1},
        {"runtime": "py312"},
        {"function_path": "a/b.py"},
        {"function_path": "a" * 497 + ".py"},
        {"index_url": "https://user:password@pypi.test/simple"},
        {"extra_index_urls": ["https://pypi.test", Secret("http://pypi.test")]},
    ],
)
@pytest.mark.parametrize("nones", [False, True])
def test_what_the_service_takes(fields, nones) -> None:
    """Values at the documented limits are taken; None is the same as nothing."""
    everything = dict.fromkeys(attrs.fields_dict(FunctionSpec))
    del everything["name"], everything["function_path"]

    assert spec(**(everything if nones else {}) | fields) == spec(**fields)


@pytest.mark.parametrize(
    ("field", "value", "error"),
    [
        ("name", "", InvalidArgument),
        ("name", "f" * 141, InvalidArgument),
        ("name", None, InvalidType),
        ("external_id", "e" * 256, InvalidArgument),
        ("external_id", "", InvalidArgument),
        ("external_id", 3, InvalidType),
        ("description", "d" * 501, InvalidArgument),
        ("owner", "o" * 129, InvalidArgument),
        ("secrets", {f"key-{n}": "v" for n in range(31)}, InvalidArgument),
        ("secrets", {"Key": "v"}, InvalidArgument),
        ("secrets", {"a_b": "v"}, InvalidArgument),
        ("secrets", {"k" * 16: "v"}, InvalidArgument),
        ("secrets", {"": "v"}, InvalidArgument),
        ("secrets", {"token": "v"}, InvalidArgument),
        ("secrets", {"indexUrl": "v"}, InvalidArgument),
        ("secrets", {"k\n": "v"}, InvalidArgument),
        ("secrets", {"k": "v" * 25_000}, InvalidArgument),
        ("secrets", {"k": b"a secret in bytes"}, InvalidType),
        ("secrets", {3: "v"}, InvalidType),
        ("secrets", [("k", "v")], InvalidType),
        ("env_vars", {f"KEY_{n}": "v" for n in range(101)}, InvalidArgument),
        ("env_vars", {"A-B": "v"}, InvalidArgument),
        ("env_vars", {"É": "v"}, InvalidArgument),
        ("env_vars", {"A": 1}, InvalidType),
        ("metadata", {f"{n}": "v" for n in range(17)}, InvalidArgument),
        ("metadata", {"k" * 33: "v"}, InvalidArgument),
        ("metadata", {"k": "v" * 513}, InvalidArgument),
        ("metadata", {f"{n:02}": "é" * 128 for n in range(16)}, InvalidArgument),
        ("metadata", "text", InvalidType),
        ("cpu", True, InvalidType),
        ("cpu", "1", InvalidType),
        ("cpu", 0, InvalidArgument),
        ("memory", float("nan"), InvalidArgument),
        ("memory", float("inf"), InvalidArgument),
        ("runtime", "python3.12", InvalidArgument),
        ("runtime", 312, InvalidArgument),
        ("function_path", "", InvalidArgument),
        ("function_path", "handler", InvalidArgument),
        ("function_path", "/handler.py", InvalidArgument),
        ("function_path", "../handler.py", InvalidArgument),
        ("function_path", "a//handler.py", InvalidArgument),
        ("function_path", "a\\handler.py", InvalidArgument),
        ("function_path", "a" * 498 + ".py", InvalidArgument),
        ("function_path", None, InvalidType),
        ("index_url", "pypi.test", InvalidArgument),
        ("index_url", 3, InvalidType),
        ("extra_index_urls", "https://pypi.test", InvalidType),
        ("extra_index_urls", 3, InvalidType),
        ("extra_index_urls", ["https://pypi.test", "x"], InvalidArgument),
    ],
)
def test_what_it_does_not_take(field, value, error) -> None:
    """Each documented constraint is checked here, and the error names the field."""
    with pytest.raises(error, match=re.escape(field)):
        spec(**{field: value})


@pytest.mark.parametrize(
    "fields",
    [{"secrets": {"k": "hush-hush", "K": "quiet-now"}}, {"extra_index_urls": ["https://me:hush-hush@pypi.test", 3]}],
)
def test_secrets_do_not_show(fields) -> None:
    """The values of secrets and the passwords of package indexes are in no message and no repr."""
    with pytest.raises(UsageError) as caught:
        spec(**fields)
    assert "hush" not in str(caught.value)

    shown = repr(spec(secrets={"k": "hush-hush"}, index_url="https://me:hush-hush@pypi.test"))
    assert "hush" not in shown


def test_item() -> None:
    """A request has what was given, under the service's names; secrets stay wrapped until they are sent."""
    given = spec(
        external_id="e", secrets={"k": "v"}, env_vars={"A": "b"}, index_url="https://pypi.test", description=""
    )

    assert given.item(5) == {
        "name": "f",
        "fileId": 5,
        "externalId": "e",
        "secrets": {"k": Secret("v")},
        "envVars": {"A": "b"},
        "indexUrl": Secret("https://pypi.test"),
        "functionPath": "handler.py",
    }


@pytest.mark.parametrize("fields", [{}, {"cpu": 3, "memory": 0.1}, {"runtime": "py312"}])
def test_within_the_limits(fields) -> None:
    """What the cloud allows passes, its bounds included."""
    spec(**fields).check_limits(LIMITS)
    spec(**fields).check_limits(FunctionLimits())


@pytest.mark.parametrize("fields", [{"cpu": 3.1}, {"cpu": 0.05}, {"memory": 6}, {"runtime": "py310"}])
def test_outside_of_the_limits(fields) -> None:
    """What the cloud does not allow is refused by field, also too little, which the service would raise in silence."""
    with pytest.raises(InvalidArgument, match=next(iter(fields))):
        spec(**fields).check_limits(LIMITS)


@pytest.mark.parametrize(
    ("fields", "deployed"),
    [
        ({}, {}),
        ({"cpu": 1, "memory": 1.5, "runtime": "py311"}, {}),
        ({"description": ""}, {"description": None}),
        ({"cpu": 0.4}, {"cpu": 0.4000000059604645}),
        ({"metadata": {"k": "v"}}, {"metadata": {"k": "v"}}),
        ({"env_vars": {"K": "v"}}, {"env_vars": {"K": "v"}}),
        ({"cpu": 2}, {"cpu": None}),
        ({}, {"function_path": None, "status": FunctionStatus.Deploying}),
    ],
)
def test_matches(fields, deployed) -> None:
    """A deployed function is as wanted if it shows the same, or the service's default for a missing value."""
    assert spec(external_id="f", **fields).matches(attrs.evolve(DEPLOYED, **deployed), LIMITS)


@pytest.mark.parametrize(
    ("fields", "deployed"),
    [
        ({"cpu": 2}, {}),
        ({}, {"cpu": 2.0}),
        ({}, {"memory": 3.0}),
        ({"runtime": "py312"}, {}),
        ({"description": "d"}, {}),
        ({}, {"owner": "o"}),
        ({"metadata": {"k": "v"}}, {}),
        ({}, {"env_vars": {"K": "v"}}),
        ({"function_path": "a.py"}, {}),
        ({"name": "g"}, {}),
        ({}, {"status": FunctionStatus.Failed}),
        ({"secrets": {"k": "v"}}, {"secrets": {"k": "***"}}),
        ({}, {"secrets": {"k": "***"}}),
        ({"index_url": "https://pypi.test"}, {}),
        ({"extra_index_urls": ["https://pypi.test"]}, {}),
    ],
)
def test_does_not_match(fields, deployed) -> None:
    """A difference in any setting counts, and so does whatever the service does not show."""
    assert not spec(**{"external_id": "f"} | fields).matches(attrs.evolve(DEPLOYED, **deployed), LIMITS)
