"""Cognite's own client: as it ships, or with `raised`, with its documented concurrency settings raised."""

from __future__ import annotations

import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from cognite.client import AsyncCogniteClient, ClientConfig, global_config
from cognite.client.credentials import OAuthClientCredentials
from contender import Concurrent, contend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

RAISED = int(sys.argv[1]) if len(sys.argv) > 1 else 0


class Caller(Concurrent):
    """Makes calls with the SDK."""

    def __init__(self, client: AsyncCogniteClient) -> None:
        self._client = client

    async def call(self, function: int, key: int) -> Any:
        """Call, wait, read."""
        call = await self._client.functions.call(id=function, data={"key": key})
        return await call.get_response_async()


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    credentials = OAuthClientCredentials(
        token_url=f"{url}/token", client_id="benchmark", client_secret="secret", scopes=["benchmark"]
    )
    yield Caller(AsyncCogniteClient(ClientConfig("benchmark", "benchmark", credentials, base_url=url)))


if __name__ == "__main__":
    global_config.disable_pypi_version_check = True
    if RAISED:
        global_config.concurrency_settings.general.read = RAISED
        global_config.concurrency_settings.general.write = RAISED
        global_config.max_connection_pool_size = 2 * RAISED
    contend(client)
