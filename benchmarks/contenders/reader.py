"""A contender that makes the requested number of reads at once, after a first read that gets a token.

It prints `ready` after the first read, waits for a line, and prints a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from contender import Heart

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    Read = Callable[[], Awaitable[Any]]


@asynccontextmanager
async def open_aiocdf(url: str) -> AsyncIterator[Read]:
    """Open our client."""
    import aiocdf  # only one of the two is installed where this runs

    credentials = aiocdf.ClientCredentials(token_url=f"{url}/token", client_id="benchmark", client_secret="secret")
    async with aiocdf.Client("benchmark", base_url=url, credentials=credentials) as client:
        yield lambda: client.functions.retrieve(1)


@asynccontextmanager
async def open_sdk(url: str) -> AsyncIterator[Read]:
    """Open a client of Cognite's SDK."""
    from cognite.client import (  # only one of the two is installed where this runs
        AsyncCogniteClient,
        ClientConfig,
        global_config,
    )
    from cognite.client.credentials import OAuthClientCredentials

    global_config.disable_pypi_version_check = True
    credentials = OAuthClientCredentials(
        token_url=f"{url}/token", client_id="benchmark", client_secret="secret", scopes=["benchmark"]
    )
    client = AsyncCogniteClient(ClientConfig("benchmark", "benchmark", credentials, base_url=url))
    yield lambda: client.functions.retrieve(id=1)


async def main(name: str, url: str, reads: int) -> None:
    """Read once, and then as the command says."""
    async with {"aiocdf": open_aiocdf, "sdk": open_sdk}[name](url) as read:
        await read()
        print("ready", flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        heart = Heart()
        began = time.perf_counter()
        await asyncio.gather(*(read() for _ in range(reads)))
        wall = time.perf_counter() - began
        await asyncio.sleep(0.02)  # a stall that lasted to the end shows with the next beat only
        print(json.dumps({"wall": wall, "stall": heart.stop()["gap_own"]}), flush=True)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
