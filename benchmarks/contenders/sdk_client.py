"""Cognite's SDK: with its defaults, or with its documented settings for concurrency and retries."""

from __future__ import annotations

import argparse
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from cognite.client import AsyncCogniteClient, ClientConfig, global_config
from cognite.client.credentials import OAuthClientCredentials
from contender import Concurrent, contend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class Caller(Concurrent):
    """Makes calls with the SDK."""

    def __init__(self, client: AsyncCogniteClient) -> None:
        self._client = client

    async def call(self, function: int, key: int) -> Any:
        """Call, wait, read."""
        call = await self._client.functions.call(id=function, data={"key": key})
        return await call.get_response_async()


@asynccontextmanager
async def client(leeway: int, seconds: int | None, url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    credentials = OAuthClientCredentials(
        token_url=f"{url}/token",
        client_id="benchmark",
        client_secret="secret",
        scopes=["benchmark"],
        token_expiry_leeway_seconds=leeway,
    )
    config = ClientConfig("benchmark", "benchmark", credentials, base_url=url, timeout=seconds)
    yield Caller(AsyncCogniteClient(config))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--concurrency", type=int, help="requests at once, of those that read and of those that write")
    parser.add_argument(
        "--leeway", type=int, default=30, help="seconds before a token's end from which a new one is fetched"
    )
    parser.add_argument("--longest-backoff", type=int, help="seconds between two tries, as often as it takes")
    parser.add_argument("--timeout", type=int, help="seconds until a request's answer must be there")
    arguments = parser.parse_args()
    global_config.disable_pypi_version_check = True
    if arguments.concurrency:
        global_config.concurrency_settings.general.read = arguments.concurrency
        global_config.concurrency_settings.general.write = arguments.concurrency
        global_config.max_connection_pool_size = 2 * arguments.concurrency
    if arguments.longest_backoff:
        global_config.max_retry_backoff = arguments.longest_backoff
        global_config.max_retries = 100
    contend(partial(client, arguments.leeway, arguments.timeout))
