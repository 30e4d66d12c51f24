"""The service without sockets: the one of `aiocdf.testing`, whose calls do what their data says.

What a call does is in its data: `seconds` it runs, `value` it returns, `error` it fails with, `timeout` to be stopped,
and `fields` to replace in what the service says of it once it has ended.
"""

from __future__ import annotations

import asyncio
import gc
from typing import TYPE_CHECKING, Any

import attrs
import looptime
import pytest

from aiocdf.testing import FakeService, Run

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from aiocdf import Client


@attrs.define(slots=False, eq=False, repr=False)
class Service(FakeService):
    """A service with two functions."""

    functions: dict[str, int] = attrs.field(factory=lambda: {"double": 1, "other": 2})

    def run(self, function: int, data: Any) -> Run:
        """Return what the data says."""
        status = "Failed" if "error" in data else "Timeout" if "timeout" in data else "Completed"
        reported = {name: data[name] for name in ("seconds", "value", "error", "fields") if name in data}
        return Run(status=status, **reported)


@pytest.fixture
def service() -> Service:
    """The service of this test, which its clients have for a transport."""
    return Service()


@pytest.fixture
async def client(service: Service, reports: list[dict[str, Any]]) -> AsyncIterator[Client]:
    """An open client of the service."""
    async with service.client() as client:
        yield client


@pytest.fixture(scope="session")
def quick_collections() -> Iterator[None]:
    """Lets the garbage collector pass over what was there before the first test: thousands of modules' worth."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def reports(quick_collections: None) -> AsyncIterator[list[dict[str, Any]]]:
    """What the loop's exception handler received; a test that expects a report removes it."""
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    yield reported
    gc.collect()
    await asyncio.sleep(0)
    assert reported == []


@pytest.fixture(scope="module")
def new_service() -> type[Service]:
    """Makes services, for tests of many examples."""
    return Service


@pytest.fixture(scope="module")
def virtual(quick_collections: None) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine on a separate loop in virtual time, and fails if its exception handler is called."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        reported: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=lambda: looptime.new_event_loop(noop_cycles=0)) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: reported.append(context))
            runner.run(scenario)
            gc.collect()
        assert reported == []

    return run
