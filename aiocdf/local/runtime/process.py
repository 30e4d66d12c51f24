"""A warm worker process of one function, as the server sees it. The code that runs in it is `child/worker.py`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from contextlib import suppress
from typing import TYPE_CHECKING

from aiocdf.local.runtime.fork_server import NoStart, death
from aiocdf.local.runtime.invocation import Outcome
from aiocdf.local.runtime.output import Output
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable

    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.fork_server import ForkServer
    from aiocdf.local.runtime.invocation import Invocation
    from aiocdf.local.runtime.output import OnLog

__all__ = ["WorkerProcess"]

_START_LIMIT = 60.0
_GOODBYE_LIMIT = 1.0
_GOODBYE = bytes(8)
_CHUNK = 256 * 1024
_GIB = 2**30


class WorkerProcess:
    """One process of a function. It runs one call at a time, and is spent once it was killed.

    Args:
        deployment: The function.
        fork_server: The process that forked it.
        pid: Its process id.
        channel: The socket that leads to it.
        output: What it prints.
    """

    def __init__(
        self, deployment: Deployment, fork_server: ForkServer, pid: int, channel: socket.socket, output: Output
    ) -> None:
        self.deployment = deployment
        self.spent: bool = False
        self._fork_server = fork_server
        self._pid = pid
        self._socket = channel
        self._output = output
        self._end: asyncio.Task[int] | None = None

    @classmethod
    async def start(cls, deployment: Deployment, fork_server: ForkServer) -> WorkerProcess:
        """Start a process. Do not cancel this.

        Raises:
            NoStart: The process did not start.
        """
        ours, theirs = socket.socketpair()
        reading, writing = os.pipe()
        try:
            pid = await fork_server.fork(theirs.fileno(), writing)
        except BaseException:
            ours.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)
        ours.setblocking(False)
        worker = cls(deployment, fork_server, pid, ours, Output(reading))
        try:
            await worker._settle()
        except BaseException:
            await worker.end()
            raise
        return worker

    async def call(self, invocation: Invocation | None, on_log: OnLog, on_begin: Callable[[], None]) -> Outcome:
        """Run `handle` once. The process is spent if it died, ran too long, this was cancelled, or something runs on.

        Args:
            invocation: What the call is given; None to only import and check the handler.
            on_log: Called with each line that the function prints and its time in epoch milliseconds.
            on_begin: Called when the work begins.

        Raises:
            NoStart: The process ended before it began.
        """
        self._output.listen(on_log)
        try:
            await self._start(Secret("{}") if invocation is None else self._request(invocation))
            on_begin()
            return await self._outcome()
        except BaseException:
            self.kill()
            raise
        finally:
            self._output.finish()

    async def retire(self) -> None:
        """Let an idle process end by itself, and see that it does."""
        with suppress(EOFError, OSError):  # gone, as it should be, or too slow
            async with asyncio.timeout(_GOODBYE_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _GOODBYE)
                await self._receive(1)
        await self.end()

    async def end(self) -> int:
        """Kill the process and all it started, wait for its end, close what is held of it, and return its exit code."""
        self.spent = True
        try:
            return await self._exit_code()
        finally:
            self._output.close()
            self._socket.close()

    def kill(self) -> None:
        """Kill the process. What it started ends with `end`."""
        if not self.spent:
            self.spent = True
            # Its fork server collects it when `end` asks, so the number is not used again before that.
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, signal.SIGKILL)

    async def _settle(self) -> None:
        """Tell the process what it runs, and hear that it can."""
        deployment = self.deployment
        settings = {
            "folder": str(deployment.path),
            "handler": deployment.function_path,
            "environment": dict(deployment.env_vars),
            "memory": int(deployment.memory * _GIB),
            "cpu": deployment.cpu,
            "timeout": deployment.timeout,
        }
        try:
            async with asyncio.timeout(_START_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _frame(json.dumps(settings)))
                reply = json.loads(await self._receive(int.from_bytes(await self._receive(8))))
        except TimeoutError:
            raise NoStart(f"it did not begin within {_START_LIMIT:g} seconds") from None
        except (OSError, EOFError):
            raise NoStart(f"it {death(await self._exit_code())} before it began") from None
        if reply["fault"] is not None:
            raise NoStart(reply["fault"])

    async def _start(self, request: Secret) -> None:
        try:
            async with asyncio.timeout(_START_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _frame(request.reveal()))
                await self._receive(1)
        except TimeoutError:
            raise NoStart(f"it did not begin within {_START_LIMIT:g} seconds") from None
        except (OSError, EOFError):
            self.spent = True
            raise NoStart(f"it {death(await self._exit_code())} before it began") from None

    async def _outcome(self) -> Outcome:
        limit = self.deployment.timeout
        try:
            async with asyncio.timeout(limit):
                reply = await self._receive(int.from_bytes(await self._receive(8)))
        except TimeoutError:
            self.kill()
            return Outcome(
                status="Timeout", message=f"the call was stopped at the function's time limit of {limit:g} seconds"
            )
        except (OSError, EOFError):
            self.spent = True
            return _died(await self._exit_code(), self.deployment)
        head, _, response = reply.partition(b"\n")
        ending = json.loads(head)
        if not ending.pop("fit"):
            self.kill()
        if ending["message"] is not None:
            return Outcome(status="Failed", **ending)
        return Outcome(status="Completed", response=response or None)

    async def _exit_code(self) -> int:
        """Kill the process, and return its exit code: asked once, as its number may then be used again."""
        if self._end is None:
            self._end = asyncio.create_task(self._fork_server.end(self._pid))
        return await asyncio.shield(self._end)

    def _request(self, invocation: Invocation) -> Secret:
        return Secret(
            json.dumps(
                {
                    "data": invocation.data,
                    "secrets": {name: secret.reveal() for name, secret in self.deployment.secrets.items()},
                    "function_call_info": invocation.info,
                    "session": {
                        "base_url": invocation.base_url,
                        "project": invocation.project,
                        "token": invocation.token.reveal(),
                    },
                }
            )
        )

    async def _receive(self, size: int) -> bytes:
        """Read so many bytes, or raise EOFError."""
        loop = asyncio.get_running_loop()
        received = bytearray()
        while len(received) < size:
            chunk = await loop.sock_recv(self._socket, min(size - len(received), _CHUNK))
            if not chunk:
                raise EOFError
            received += chunk
        return bytes(received)


def _frame(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(8) + content


def _died(exit_code: int, deployment: Deployment) -> Outcome:
    if exit_code == -signal.SIGXCPU:
        seconds = deployment.cpu * deployment.timeout
        message = f"the call was stopped at its limit of {seconds:g} seconds of processor time"
        return Outcome(status="Timeout", message=message)
    return Outcome(status="Failed", message=f"the function's process {death(exit_code)} in the middle of the call")
