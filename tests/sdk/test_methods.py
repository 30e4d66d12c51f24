"""docs/sdk-methods.md has every method of Cognite's own client that is about functions."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cognite.client.data_classes.functions import Function, FunctionCall, FunctionSchedule

if TYPE_CHECKING:
    from cognite.client import AsyncCogniteClient

TABLES = (Path(__file__).parents[2] / "docs" / "sdk-methods.md").read_text()
LISTED = set(re.findall(r"^\| `([\w.]+)`", TABLES, re.MULTILINE))
COMPLETE = ("functions", "functions.calls", "functions.schedules", "iam.sessions")


def found(client: AsyncCogniteClient, name: str) -> object:
    """Return what a path such as `functions.calls` leads to."""
    value: object = client
    for part in name.split("."):
        value = getattr(value, part)
    return value


@pytest.mark.parametrize("api", COMPLETE)
def test_all_methods_are_listed(client: AsyncCogniteClient, api: str) -> None:
    """A method that a newer version adds has to find its place in the table."""
    methods = {f"{api}.{name}" for name, _ in inspect.getmembers(found(client, api), inspect.iscoroutinefunction)}
    assert {name for name in methods if "._" not in name} - LISTED == set()


@pytest.mark.parametrize("model", [Function, FunctionCall, FunctionSchedule])
def test_all_requests_of_values_are_listed(model: type) -> None:
    """Functions, calls and schedules have methods that send requests."""
    methods = {f"{model.__name__}.{name}" for name, _ in inspect.getmembers(model, inspect.iscoroutinefunction)}
    assert methods - LISTED == set()


@pytest.mark.parametrize("name", sorted(name for name in LISTED if name[0].islower()))
def test_listed_methods_exist(client: AsyncCogniteClient, name: str) -> None:
    """The table names no method that the SDK lacks."""
    assert callable(found(client, name))
