"""aiocdf, as its first page shows it."""

from __future__ import annotations

from contextlib import asynccontextmanager
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
        """Call; the handle is the future."""
        return self._client.call(function, {"key": key})


@asynccontextmanager
async def client(url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    credentials = aiocdf.ClientCredentials(token_url=f"{url}/token", client_id="benchmark", client_secret="secret")
    async with aiocdf.Client("benchmark", base_url=url, credentials=credentials) as opened:
        yield Caller(opened)


if __name__ == "__main__":
    contend(client)
