"""Transports that replace the service in the client's process, and a client on one of them."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import time
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from gauges import Stopwatch

from aiocdf import BearerToken, Client
from aiocdf._wire.http import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiocdf._wire.http import Request


class Still:
    """A transport whose requests are never answered, so that calls stay queued."""

    async def open(self) -> None:
        """Open nothing."""

    async def aclose(self) -> None:
        """Close nothing."""

    async def send(self, request: Request) -> Response:
        """Wait forever."""
        del request
        await asyncio.get_running_loop().create_future()
        raise AssertionError


class Answering(Still):
    """A transport that starts calls at once, and reports them as running until they are ended with a method."""

    def __init__(self, *, ended: bool = False) -> None:
        self.ended = ended
        self.polled = asyncio.Event()
        #: Runs since the first answer that reported an end.
        self.reported: Stopwatch | None = None
        self._ids = itertools.count(10)

    async def send(self, request: Request) -> Response:
        """Answer after one turn of the loop."""
        sent_at = asyncio.get_running_loop().time()
        await asyncio.sleep(0)
        status, body = self._answer(request)
        return Response(
            status=status,
            headers={"content-type": "application/json"},
            body=json.dumps(body).encode(),
            sent_at=sent_at,
            received_at=asyncio.get_running_loop().time(),
        )

    def _answer(self, request: Request) -> tuple[int, Any]:
        if request.url.endswith("/sessions"):
            number = next(self._ids)
            return 201, {"items": [{"id": number, "status": "READY", "nonce": f"nonce-{number}"}]}
        if request.url.endswith("/limits"):
            return 200, {"timeoutMinutes": 10}
        function = int(re.findall(r"/functions/(\d+)/", request.url)[0])
        if request.url.endswith("/call"):
            return 201, self._call(function, next(self._ids), ended=False)
        if not request.url.endswith("/byids"):
            return 200, {"response": {}}
        self.polled.set()
        if self.ended and self.reported is None:
            self.reported = Stopwatch()
        wanted = [item["id"] for item in json.loads(request.body or b"")["items"]]
        return 200, {"items": [self._call(function, number, ended=self.ended) for number in wanted]}

    def _call(self, function: int, number: int, *, ended: bool) -> dict[str, Any]:
        now = int(1000 * time.time())
        call = {"id": number, "functionId": function, "status": "Running", "startTime": now}
        return call | {"status": "Completed", "endTime": now} if ended else call


@asynccontextmanager
async def opened(transport: Still, **arguments: Any) -> AsyncIterator[Client]:
    """Open a client whose requests go to *transport*.

    Args:
        transport: Replaces the client's transport.
        arguments: Additional arguments of the client.
    """
    given: dict[str, Any] = {"credentials": BearerToken("token"), "base_url": "https://cdf.test"} | arguments
    async with Client("acme", transport=transport, **given) as client:
        yield client
