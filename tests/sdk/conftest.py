"""The local server, and Cognite's own client of it."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cognite.client import ClientConfig, CogniteClient, global_config
from cognite.client.credentials import OAuthClientCredentials

from aiocdf import local

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cognite.client import AsyncCogniteClient

# It would ask a package registry for a newer version of itself.
global_config.disable_pypi_version_check = True

FUNCTIONS = Path(__file__).parents[2] / "examples" / "functions"


@pytest.fixture(scope="module")
def environment() -> Iterator[dict[str, str]]:
    """Serve the example functions on a loop in a thread: this client fetches its tokens while its own loop stands still."""
    started: Future[tuple[dict[str, str], asyncio.AbstractEventLoop, asyncio.Event]] = Future()

    async def serve() -> None:
        stop = asyncio.Event()
        async with local.serve(FUNCTIONS) as server:
            started.set_result((server.environment(), asyncio.get_running_loop(), stop))
            await stop.wait()

    with ThreadPoolExecutor(1) as threads:
        serving = threads.submit(asyncio.run, serve())
        environment, loop, stop = started.result(timeout=10)
        yield environment
        loop.call_soon_threadsafe(stop.set)
        serving.result(timeout=10)


def config(environment: dict[str, str]) -> ClientConfig:
    """Return what a client needs, from what the server says of itself."""
    return ClientConfig(
        client_name="test",
        project=environment["CDF_PROJECT"],
        base_url=environment["CDF_URL"],
        credentials=OAuthClientCredentials(
            token_url=environment["IDP_TOKEN_URL"],
            client_id=environment["IDP_CLIENT_ID"],
            client_secret=environment["IDP_CLIENT_SECRET"],
            scopes=[environment["IDP_SCOPES"]],
        ),
    )


@pytest.fixture
def client(environment: dict[str, str]) -> AsyncCogniteClient:
    """Make the asynchronous client."""
    # Version 7 has none.
    from cognite.client import AsyncCogniteClient

    return AsyncCogniteClient(config(environment))


@pytest.fixture
def sync_client(environment: dict[str, str]) -> CogniteClient:
    """Make the synchronous client, which all versions have."""
    return CogniteClient(config(environment))
