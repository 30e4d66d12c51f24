"""The names of environments, and secrets in logs."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest

from aiocdf.local.runtime import environments
from aiocdf.local.runtime.deployment import Deployment
from aiocdf.local.runtime.interpreters import Interpreter
from aiocdf.secret import Secret

PYTHON = Interpreter(path="/usr/bin/python3.11", version="3.11.7")
DEPLOYMENT = Deployment(external_id="f", name="f", path=Path("/f"), fingerprint="1")


def name(deployment=DEPLOYMENT, python=PYTHON, requirements=b"numpy\n", packages=()):
    return environments._name(deployment, python, requirements, packages)


@pytest.mark.parametrize(
    "other",
    {
        "requirements": lambda: name(requirements=b"numpy<2\n"),
        "python": lambda: name(python=attrs.evolve(PYTHON, version="3.11.8")),
        "preinstalled": lambda: name(packages=("cognite-sdk",)),
        "index": lambda: name(attrs.evolve(DEPLOYMENT, index_url=Secret("https://index.example"))),
        "extra index": lambda: name(attrs.evolve(DEPLOYMENT, extra_index_urls=(Secret("https://index.example"),))),
    }.items(),
    ids=lambda item: item[0],
)
def test_environments_differ_by_what_is_in_them(other):
    """Everything that affects the installation is part of the name."""
    assert other[1]() != name()


def test_code_is_not_part_of_an_environment():
    """After an edit of the code, and for another function with the same requirements, the environment is reused."""
    other = attrs.evolve(DEPLOYMENT, path=Path("/g"), fingerprint="2", external_id="g")
    assert name(other) == name()


@pytest.mark.parametrize(
    "line", [b"-r more.txt", b"-c constraints.txt", b"-e .", b"./package", b"wheels/x.whl", b"x @ ./x"]
)
def test_files_of_the_function_are_part_of_an_environment(line):
    """A change of a file that the requirements name makes a new environment."""
    changed = attrs.evolve(DEPLOYMENT, fingerprint="2")
    assert name(changed, requirements=line) != name(requirements=line)


@pytest.mark.parametrize(
    "line",
    [b"x # see ./notes", b"x @ https://h.example/x.whl", b"--find-links /wheels", b"x==1 ; python_version > '3'"],
)
def test_other_lines_name_no_files_of_the_function(line):
    """Comments, URLs and absolute paths are the same for all functions."""
    assert not environments._names_files(line)


@pytest.mark.parametrize(
    ("requirements", "takes_client", "expected"),
    [
        (b"numpy", True, ("cognite-sdk",)),
        (b"numpy", False, ()),
        (b"numpy\nCognite_SDK[pandas]==7.94.2\n", True, ()),
        (b"cognite-sdk-experimental", True, ()),
    ],
)
def test_client_is_installed_by_default(requirements, takes_client, expected):
    """cognite-sdk is installed as on the service, unless it or a package that depends on it is listed."""
    deployment = attrs.evolve(DEPLOYMENT, takes_client=takes_client)
    assert environments._preinstalled(deployment, requirements) == expected


def test_log_without_logins():
    """User names and passwords in URLs are not shown."""
    deployment = attrs.evolve(DEPLOYMENT, index_url=Secret("https://some:pass-word@index.example/simple"))

    shown = environments._without_secrets("pass-word at https://other:hidden@h.example", deployment)

    assert shown == "*** at https://***@h.example"


@pytest.mark.parametrize(("variable", "value"), [("XDG_CACHE_HOME", "/cache"), ("HOME", "/home/me")])
def test_cache_is_in_the_usual_place(monkeypatch, variable, value):
    """The folder comes from the environment, or is below the home folder."""
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv(variable, value)

    assert str(environments.default_cache()).startswith(value)
    assert environments.default_cache().name == "aiocdf"
