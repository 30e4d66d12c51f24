"""The server's connection to a worker process of one function. The program in that process is `child/worker.py`."""

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
    """One process of a function. It runs one call at a time. A killed process is `spent` and runs no more calls.

    Args:
        deployment: The function.
        fork_server: The fork server that started the process.
        pid: The process id.
        channel: The socket to the process.
        output: The output of the process.
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
            await worker._configure()
        except BaseException:
            await worker.end()
            raise
        return worker

    async def call(self, invocation: Invocation | None, on_log: OnLog, on_begin: Callable[[], None]) -> Outcome:
        """Run `handle` once.

        The process is spent after a timeout, a cancellation or its own end, and if the call left a thread or process
        running.

        Args:
            invocation: The input of the call; None only imports and checks the handler.
            on_log: Called with the time in epoch milliseconds and each line that the function prints.
            on_begin: Called when the function starts to run.

        Raises:
            NoStart: The process ended before the function started to run.
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
        """Ask an idle process to end. Kill it if it does not."""
        with suppress(EOFError, OSError):  # it has ended, as requested, or it is too slow
            async with asyncio.timeout(_GOODBYE_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _GOODBYE)
                await self._receive(1)
        await self.end()

    async def end(self) -> int:
        """Kill the process and all processes that it started, wait for its end, and return its exit code."""
        self.spent = True
        try:
            return await self._exit_code()
        finally:
            self._output.close()
            self._socket.close()

    def kill(self) -> None:
        """Kill the process. `end` kills the processes that it started."""
        if not self.spent:
            self.spent = True
            # The fork server reaps the process only in `end`, so the system does not reuse the process id before that.
            with suppress(ProcessLookupError, PermissionError):
                os.kill(self._pid, signal.SIGKILL)

    async def _configure(self) -> None:
        """Send the process its settings, and wait for its confirmation."""
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
            raise NoStart(f"it did not start within {_START_LIMIT:g} seconds") from None
        except (OSError, EOFError):
            raise NoStart(f"it {death(await self._exit_code())} before the function started") from None
        if reply["fault"] is not None:
            raise NoStart(reply["fault"])

    async def _start(self, request: Secret) -> None:
        try:
            async with asyncio.timeout(_START_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _frame(request.reveal()))
                await self._receive(1)
        except TimeoutError:
            raise NoStart(f"it did not start within {_START_LIMIT:g} seconds") from None
        except (OSError, EOFError):
            self.spent = True
            raise NoStart(f"it {death(await self._exit_code())} before the function started") from None

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
        """Kill the process once and return its exit code. After that, the system may reuse the process id."""
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
        """Return the next *size* bytes, or raise EOFError."""
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
        message = f"the call was stopped at its limit of {seconds:g} seconds of CPU time"
        return Outcome(status="Timeout", message=message)
    return Outcome(status="Failed", message=f"the function's process {death(exit_code)} during the call")
