"""The ideal client on aiohttp: it knows how long each call runs, so it never polls and is never rejected.

No real client can be like this. The difference from it is the price that others pay for not knowing the runtimes.
"""

from __future__ import annotations

import asyncio
import sys
from collections import deque
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
from contender import Concurrent, contend

sys.path.append(str(Path(__file__).parents[1]))
from simulation import PER_PROJECT
from workloads import WORKLOADS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

CONNECTIONS = 100


class Caller(Concurrent):
    """Starts a call in each slot, and the next one when that has ended, with a nonce created in the meantime."""

    def __init__(self, url: str, session: aiohttp.ClientSession, durations: Sequence[float]) -> None:
        self._url = f"{url}/api/v1/projects/benchmark"
        self._session = session
        self._durations = durations
        self._places = PER_PROJECT
        self._queue: deque[asyncio.Future[str]] = deque()
        self._nonces: deque[str] = deque()
        self._making = 0

    async def call(self, function: int, key: int) -> Any:
        """Call, wait, read."""
        loop = asyncio.get_running_loop()
        if self._places:
            self._places -= 1
            nonce = await self._nonce()
        else:
            turn: asyncio.Future[str] = loop.create_future()
            self._queue.append(turn)
            nonce = await turn
        path = f"/functions/{function}/call"
        call = await self._request("POST", path, {"data": {"key": key}, "nonce": nonce})
        end = loop.time() + self._durations[key]
        if len(self._nonces) + self._making < len(self._queue):
            self._making += 1
            self._nonces.append(await self._nonce())
            self._making -= 1
        await asyncio.sleep(end - loop.time())
        if self._queue:
            self._queue.popleft().set_result(self._nonces.popleft())
        answer = await self._request("GET", f"{path}s/{call['id']}/response")
        return answer["response"]

    async def _nonce(self) -> str:
        sessions = await self._request("POST", "/sessions", {"items": [{"tokenExchange": True}]})
        return str(sessions["items"][0]["nonce"])

    async def _request(self, method: str, path: str, body: Any = None) -> Any:
        async with self._session.request(method, self._url + path, json=body) as answer:
            answer.raise_for_status()
            return await answer.json()


@asynccontextmanager
async def client(durations: Sequence[float], url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:
        async with session.post(f"{url}/token", data={"client_secret": "secret"}) as answer:
            token = await answer.json()
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        yield Caller(url, session, durations)


if __name__ == "__main__":
    contend(partial(client, WORKLOADS[sys.argv[1]].durations))
