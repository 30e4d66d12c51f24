"""The functions and their ids."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from aiocdf.local.runtime import catalogue
from aiocdf.local.runtime.builder import Build
from aiocdf.local.runtime.catalogue import Catalogue, identified
from aiocdf.local.runtime.deployment import Deployment


def deployment(external_id, function_id=None):
    return Deployment(
        external_id=external_id, name=external_id, path=Path(external_id), fingerprint="1", id=function_id
    )


def test_ids_do_not_depend_on_the_others():
    """A derived id does not depend on other functions, and is in range."""
    alone = identified([deployment("b")])
    together = identified([deployment(name) for name in "cab"])
    assert alone.items() <= together.items()
    assert all(0 < function_id < 2**53 for function_id in together)


def test_id_of_settings_wins():
    """An id in the settings is used, even if it is the derived id of another function."""
    (derived,) = identified([deployment("a")])
    found = identified([deployment("a"), deployment("b", derived)])
    assert found[derived].external_id == "b"
    assert {deployment.external_id for deployment in found.values()} == {"a", "b"}
    assert found == identified([deployment("b", derived), deployment("a")])


def test_id_given_twice():
    """If two functions have the same id, the first by name gets it, and the other is Failed with the reason."""
    found = identified([deployment("b", 5), deployment("a", 5)])
    (other,) = (deployment for function_id, deployment in found.items() if function_id != 5)
    assert found[5].external_id == "a"
    assert "id 5" in other.error
    assert "'a'" in other.error


class Builds:
    """Builds nothing."""

    def begin(self, deployment):
        return Build(source=deployment, deployment=deployment, status="Ready")

    def forget(self, path):
        pass


@pytest.fixture
def looks(monkeypatch):
    """Reads of the folder that wait for the test. Their number is the length."""
    begun, gate = [], threading.Event()

    def discover(root):
        begun.append(root)
        gate.wait(10)
        return (deployment(f"seen in look {len(begun)}"),)

    monkeypatch.setattr(catalogue, "discover", discover)
    yield begun, gate
    gate.set()


async def begin(looks, count):
    while len(looks) < count:
        await asyncio.sleep(0)  # the thread needs the processor, not time


def names(functions):
    return [function.deployment.external_id for function in functions.values()]


async def test_waiting_callers_share_a_read(looks):
    """Callers during a read share the next one."""
    begun, gate = looks
    functions = Catalogue(Path(), Builds())
    first = asyncio.create_task(functions.functions())
    await begin(begun, 1)
    rest = [asyncio.create_task(functions.functions()) for _ in range(5)]
    await asyncio.sleep(0)
    gate.set()
    assert names(await first) == ["seen in look 1"]
    assert [names(found) for found in await asyncio.gather(*rest)] == [["seen in look 2"]] * 5
    assert len(begun) == 2


async def test_a_cancelled_read_does_not_count(looks):
    """If the caller that reads is cancelled, the waiting callers read themselves."""
    begun, gate = looks
    functions = Catalogue(Path(), Builds())
    first = asyncio.create_task(functions.functions())
    await begin(begun, 1)
    second = asyncio.create_task(functions.functions())
    await asyncio.sleep(0)
    first.cancel()
    gate.set()
    assert names(await second) == ["seen in look 2"]
