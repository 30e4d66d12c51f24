"""A careful client without a library: a task per call, one poll a second, and back-off with jitter on 429."""

from __future__ import annotations

import argparse
import asyncio
import math
import random
import time
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import aiohttp
from contender import Concurrent, contend

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

POLL_INTERVAL = 1.0
NONCE_LIFE = 45.0
CONNECTIONS = 100


class Caller(Concurrent):
    """Makes calls with aiohttp only."""

    def __init__(self, url: str, session: aiohttp.ClientSession, longest_wait: float) -> None:
        self._url = url
        self._longest_wait = longest_wait
        self._session = session
        self._token = ""
        self._expires = 0.0
        self._lock = asyncio.Lock()

    async def call(self, function: int, key: int) -> Any:
        """Call, wait, read."""
        call = await self._start(function, key)
        path = f"functions/{function}/calls/{call['id']}"
        while call["status"] == "Running":
            await asyncio.sleep(POLL_INTERVAL)
            _, call = await self._request("GET", path)
        _, answer = await self._request("GET", f"{path}/response")
        return answer["response"]

    async def _start(self, function: int, key: int) -> Any:
        """Start the call. A rejected request does not use the nonce, so it is reused until it is almost a minute old."""
        wait, made = 0.5, -math.inf
        while True:
            if time.monotonic() - made > NONCE_LIFE:
                _, sessions = await self._request("POST", "sessions", {"items": [{"tokenExchange": True}]})
                made = time.monotonic()
            body = {"data": {"key": key}, "nonce": sessions["items"][0]["nonce"]}
            status, call = await self._request("POST", f"functions/{function}/call", body)
            if status != 429:
                return call
            await asyncio.sleep(random.uniform(wait / 2, wait))
            wait = min(2 * wait, self._longest_wait)

    async def _request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {await self._fresh_token()}"}
        url = f"{self._url}/api/v1/projects/benchmark/{path}"
        async with self._session.request(method, url, json=body, headers=headers) as answer:
            if answer.status != 429:
                answer.raise_for_status()
            return answer.status, await answer.json()

    async def _fresh_token(self) -> str:
        async with self._lock:
            if time.monotonic() > self._expires:
                async with self._session.post(f"{self._url}/token", data={"client_secret": "secret"}) as answer:
                    answer.raise_for_status()
                    token = await answer.json()
                self._token = token["access_token"]
                self._expires = time.monotonic() + 0.9 * token["expires_in"]
        return self._token


@asynccontextmanager
async def client(longest_wait: float, seconds: float | None, url: str) -> AsyncIterator[Caller]:
    """Open a client."""
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=seconds)) as session:
        yield Caller(url, session, longest_wait)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--longest-wait", type=float, required=True, help="seconds between two tries to start a call")
    parser.add_argument("--timeout", type=float, help="seconds until a request's answer must be there")
    arguments = parser.parse_args()
    contend(partial(client, arguments.longest_wait, arguments.timeout))
