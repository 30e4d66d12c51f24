"""The simulated service: HTTP over raw sockets, so that a benchmark measures the clients and not the service.

Run by `run.py`: it reads a plan as one line of JSON, prints its port and serves until its input ends.

Every request except those to `/stats` has a latency of 20 to 40 ms: one half passes before the request is processed, the
other half before the answer is sent. A client learns of a call's end when the answer is sent, so this time includes the way
back; only the microseconds of the loopback interface are missing.
"""

from __future__ import annotations

import asyncio
import gc
import gzip
import json
import random
import resource
import sys
import time
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, cast

from simulation import Answer, Plan, Project

if TYPE_CHECKING:
    from collections.abc import Callable

try:
    from uvloop import run
except ImportError:
    from asyncio import run  # type: ignore[assignment]  # slower, and good enough for a try

LATENCY = (0.020, 0.040)
PREFIX = "/api/v1/projects/benchmark/"
_BEAT = 0.01
_REASONS = {200: "OK", 201: "Created", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found", 429: "Too Many"}


class Service:
    """The state that all connections share.

    Args:
        project: The simulated project.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self.loop = asyncio.get_running_loop()
        self.requests = 0
        self._random = random.Random(1)
        self._offset = time.time() - time.monotonic()
        self._began = self.now()
        self._date = (0, b"")
        self._gaps: list[float] = []
        self._beat(time.monotonic())

    def now(self) -> float:
        """Return the time in seconds since the epoch, from a monotonic clock."""
        return time.monotonic() + self._offset

    def date(self) -> bytes:
        """Return the time in the format of a Date header."""
        second = int(self.now())
        if self._date[0] != second:
            self._date = (second, formatdate(second, usegmt=True).encode())
        return self._date[1]

    def handle(self, method: str, path: str, body: bytes, token: str, send: Callable[[int, bytes], None]) -> None:
        """Answer a request after its latency."""
        if path == "/stats":
            send(200, json.dumps(self.stats()).encode())
            return
        self.requests += 1
        is_token = path == "/token"
        half = self._random.uniform(*LATENCY) / 2
        before = half + self.project.plan.token_delay if is_token else half

        def process() -> None:
            now = self.now()
            if is_token:
                answer = self.project.token(now)
            else:
                answer = self.project.answer(method, path.removeprefix(PREFIX), body, token, now)
            self.loop.call_later(half, self._send, answer, json.dumps(answer.body).encode(), send)

        self.loop.call_later(before, process)

    def _send(self, answer: Answer, body: bytes, send: Callable[[int, bytes], None]) -> None:
        send(answer.status, body)
        now = self.now()
        for call in answer.ended:
            if call.seen is None:
                call.seen = now

    def stats(self) -> dict[str, Any]:
        """Return the counts and measurements so far."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        gaps = sorted(self._gaps)
        calls = self.project.calls.values()
        return {
            "requests": self.requests,
            "counts": self.project.counts,
            "twice": len(calls) - len({call.key for call in calls}),
            "calls": [(call.key, call.function, call.start, call.end, call.seen) for call in calls],
            "seconds": self.now() - self._began,
            "cpu": usage.ru_utime + usage.ru_stime,
            "lag_p99": gaps[int(0.99 * (len(gaps) - 1))],
            "lag_max": gaps[-1],
        }

    def _beat(self, due: float) -> None:
        now = time.monotonic()
        self._gaps.append(now - due)
        self.loop.call_later(_BEAT, self._beat, now + _BEAT)


class Connection(asyncio.Protocol):
    """HTTP/1.1 with content lengths and keep-alive. Pipelined requests are not supported."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to answer."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Collect received bytes, and handle the request once it is complete."""
        self._received += data
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        after = end + 4 + int(headers.get("content-length", 0))
        if len(self._received) < after:
            return
        body = bytes(self._received[end + 4 : after])
        del self._received[:after]
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        method, path, _ = first.split(" ")
        self._handle(method, path, body, headers.get("authorization", "").removeprefix("Bearer "))

    def _handle(self, method: str, path: str, body: bytes, token: str) -> None:
        self._service.handle(method, path, body, token, self._send)

    def _send(self, status: int, body: bytes) -> None:
        head = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nDate: %s\r\n\r\n" % (
            status,
            _REASONS.get(status, "Error").encode(),
            len(body),
            self._service.date(),
        )
        if not self._transport.is_closing():
            self._transport.write(head + body)


async def main() -> None:
    """Serve until the input ends, which happens when the parent process ends."""
    service = Service(Project(Plan(**json.loads(sys.stdin.readline()))))
    server = await service.loop.create_server(lambda: Connection(service), "127.0.0.1", 0, backlog=4096)
    gc.disable()  # all calls are kept until the end, and a pause of the collector would add latency
    print(server.sockets[0].getsockname()[1], flush=True)
    await service.loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    run(main())
