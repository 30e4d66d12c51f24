"""aiocdf, used as in its README."""

from __future__ import annotations

import argparse
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from contender import contend

import aiocdf

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator


class Caller:
    """Makes calls with aiocdf."""

    def __init__(self, client: aiocdf.Client) -> None:
        self._client = client

    async def call(self, function: int, key: int) -> Any:
        """Call, wait, read."""
        return await self._client.call(function, {"key": key}).response()

    def pend(self, function: int, key: int) -> asyncio.Future[Any]:
        """Call. The handle is the future."""
        return self._client.call(function, {"key": key})


@asynccontextmanager
async def client(seconds: float, url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    settings = aiocdf.Settings(request_timeout=seconds)
    credentials = aiocdf.ClientCredentials(token_url=f"{url}/token", client_id="benchmark", client_secret="secret")
    async with aiocdf.Client("benchmark", base_url=url, credentials=credentials, settings=settings) as opened:
        yield Caller(opened)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--timeout", type=float, default=60.0, help="seconds until a request's answer must be there")
    contend(partial(client, parser.parse_args().timeout))
