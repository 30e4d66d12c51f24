"""The simulated service behind a failing network and gateway, with another client in addition to the tested one.

Run by `chaos.py`: it reads one line of JSON with a plan and a mix of faults, prints its port and serves until its input
ends.
"""

from __future__ import annotations

import asyncio
import gc
import json
import random
import socket
import struct
import sys
from collections import Counter
from typing import Any

from faults import Draw, Fault, Mix
from service import Connection, Service
from simulation import PER_FUNCTION, Plan, Project

_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: closing sends RST
_NEVER_SEEN = frozenset({Fault.reset_before, Fault.hang_before, Fault.error_before})
_STORM = json.dumps({"error": {"code": 429, "message": "Project exceeded maximum number of requests."}}).encode()
_PAGE = b"<html><body>upstream connect error</body></html>"


class FaultyService(Service):
    """A service with a mix of faults.

    Args:
        project: The simulated project.
        mix: The faults and their rates.
    """

    def __init__(self, project: Project, mix: Mix) -> None:
        super().__init__(project)
        self.draw = Draw(mix)
        self.faults: Counter[str] = Counter()
        self._mix = mix
        self._offset += mix.skew
        self._random_others = random.Random(mix.seed + 1)
        self._others = 0
        for function in range(1, mix.functions + 1) if mix.others else ():
            self._start_other(function)

    def _start_other(self, function: int) -> None:
        """Start another client's call unless the function is full, and schedule the next one."""
        now = self.now()
        if self.project.count_running(function, now) < PER_FUNCTION:
            self._others += 1
            self.project.start(function, -self._others, now, now + self._mix.other_seconds)
        wait = self._random_others.expovariate(self._mix.others)
        self.loop.call_later(wait, self._start_other, function)

    def is_storm(self) -> bool:
        """Return whether every request is rejected now."""
        return self.draw.is_storm(self.now() - self._began)

    def stats(self) -> dict[str, Any]:
        """Add the faults that occurred."""
        return super().stats() | {"faults": self.faults}


class FaultyConnection(Connection):
    """A connection that may lose requests and answers."""

    _service: FaultyService

    def _handle(self, method: str, path: str, body: bytes, token: str) -> None:
        if path == "/stats":
            super()._handle(method, path, body, token)
            return
        if self._service.is_storm():
            self._service.faults["storm"] += 1
            super()._send(429, _STORM)
            return
        fault = self._service.draw.fault()
        self._service.faults[fault] += 1
        if fault in _NEVER_SEEN:
            self._answer(fault, 0, b"")
        elif fault is Fault.late:
            wait = self._service.draw.lateness()
            self._service.loop.call_later(wait, self._pass_on, method, path, body, token, fault)
        else:
            self._pass_on(method, path, body, token, fault)

    def _pass_on(self, method: str, path: str, body: bytes, token: str, fault: Fault) -> None:
        self._service.handle(method, path, body, token, lambda status, answer: self._answer(fault, status, answer))

    def _answer(self, fault: Fault, status: int, body: bytes) -> None:
        """Send the rest of an answer."""
        match fault:
            case Fault.none | Fault.late:
                super()._send(status, body)
            case Fault.reset_before | Fault.reset_after:
                self._reset()
            case Fault.half:
                head = f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
                self._transport.write(head.encode() + body[: len(body) // 2])
                self._transport.close()
            case Fault.garbage:
                self._transport.write(b"\x16\x03\x01\x02\x00 this is not HTTP\r\n\r\n")
                self._transport.close()
            case Fault.garbage_body:
                super()._send(status, _PAGE)
            case Fault.error_before | Fault.error_after:
                super()._send(self._service.draw.status(), _PAGE)
            case Fault.hang_before | Fault.hang_after:
                pass

    def _reset(self) -> None:
        connection: socket.socket = self._transport.get_extra_info("socket")
        if connection.fileno() >= 0:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()


async def main() -> None:
    """Serve until the input ends, which happens when the parent process ends."""
    setup = json.loads(sys.stdin.readline())
    service = FaultyService(Project(Plan(**setup["plan"])), Mix(**setup["mix"]))
    server = await service.loop.create_server(lambda: FaultyConnection(service), "127.0.0.1", 0, backlog=4096)
    gc.disable()
    print(server.sockets[0].getsockname()[1], flush=True)
    await service.loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main())
