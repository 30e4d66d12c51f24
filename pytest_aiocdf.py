"""The pytest plugin of aiocdf: fixtures for tests of programs that call Cognite Functions.

A module of its own, because pytest imports it at each start and the package takes its time: it is imported by the fixtures.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # anyio, for one, runs fixtures that are plain
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiocdf import Client
    from aiocdf.testing import FakeService, ServerThread


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the setting."""
    parser.addini("cdf_functions", "Folder of the functions that `cdf_server` runs.", type="paths", default=[])


@pytest.fixture(scope="module")
def cdf_server_settings() -> dict[str, Any]:
    """Arguments of `aiocdf.local.serve` for `cdf_server`, such as `faults`; override it in a module or a conftest.py."""
    return {}


@pytest.fixture(scope="module")
def cdf_server(pytestconfig: pytest.Config, cdf_server_settings: dict[str, Any]) -> Iterator[ServerThread]:
    """A local server for the tests of one module, with the functions of the ini setting `cdf_functions`."""
    from aiocdf.testing import ServerThread

    folders = pytestconfig.getini("cdf_functions")
    with ServerThread(folders[0] if folders else None, **cdf_server_settings) as server:
        yield server


@pytest.fixture
def cdf_environment(cdf_server: ServerThread, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment variables that lead `Client.from_env()` to `cdf_server`, set for one test."""
    variables = cdf_server.environment()
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return variables


@async_fixture
async def cdf_client(cdf_server: ServerThread) -> AsyncIterator[Client]:
    """An open client of `cdf_server`."""
    async with cdf_server.client() as client:
        yield client


@pytest.fixture
def cdf_service() -> FakeService:
    """The service in memory: no sockets, no processes, the loop's own time, and faults on demand."""
    from aiocdf.testing import FakeService

    return FakeService()
