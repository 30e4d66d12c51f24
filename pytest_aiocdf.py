"""The pytest plugin of aiocdf: fixtures for tests of programs that call Cognite Functions.

A separate module, because pytest imports it at each start. The fixtures import aiocdf, which takes longer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

try:
    from pytest_asyncio import fixture as async_fixture
except ImportError:  # for example, anyio runs async fixtures that are declared with pytest.fixture
    async_fixture = pytest.fixture  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from aiocdf import Client
    from aiocdf.testing import FakeService, ServerThread


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the ini setting `cdf_functions`."""
    parser.addini("cdf_functions", "The folder of functions that `cdf_server` runs.", type="paths", default=[])


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
    """The environment variables with which `Client.from_env()` uses `cdf_server`, set for one test."""
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
    """The service in memory: no sockets, no processes, the loop's own clock, and faults on demand."""
    from aiocdf.testing import FakeService

    return FakeService()
