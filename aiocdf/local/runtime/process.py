"""A warm worker process of one function, as the server sees it. The code that runs in the process is `worker.py`."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aiocdf.local.runtime.invocation import Outcome
from aiocdf.local.runtime.output import Output
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiocdf.local.runtime.deployment import Deployment
    from aiocdf.local.runtime.invocation import Invocation
    from aiocdf.local.runtime.output import OnLog

__all__ = ["NeverStarted", "WorkerProcess"]

_WORKER = Path(__file__).with_name("worker.py")
_START_LIMIT = 60.0
_GOODBYE_LIMIT = 1.0
_GOODBYE = bytes(8)
_CHUNK = 256 * 1024
# The server's own credentials are none of the function's business, nor are modules that only the server should see.
_KEPT_BACK = ("CDF_", "IDP_", "COGNITE_", "PYTHONPATH", "PYTHONSTARTUP")


class NeverStarted(Exception):
    """The process ended before it began on the call, so another may run it."""


class WorkerProcess:
    """One process of a function. It runs one call at a time, and is spent once it was killed.

    The process leads a session of its own, so that killing its group takes what the function started. Starting it
    blocks the event loop for as long as `vfork` takes, about a millisecond.

    Args:
        deployment: The function.

    Raises:
        OSError: The process cannot be started.
    """

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.spent = False
        self._socket, theirs = socket.socketpair()
        reading, writing = os.pipe()
        try:
            self._process = _spawn(deployment, theirs.fileno(), writing)
        except BaseException:
            self._socket.close()
            os.close(reading)
            raise
        finally:
            theirs.close()
            os.close(writing)
        self._socket.setblocking(False)
        self._output = Output(reading)

    async def call(self, invocation: Invocation, on_log: OnLog) -> Outcome:
        """Run `handle` once. The process is spent if it died, ran too long, or this was cancelled.

        Args:
            invocation: What the call is given.
            on_log: Called with each line that the function prints and its time in epoch milliseconds.

        Raises:
            NeverStarted: The process ended before it began.
        """
        self._output.listen(on_log)
        try:
            await self._start(self._request(invocation))
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

    async def end(self) -> None:
        """Kill the process and all it started, wait for its end, and close what is held of it."""
        self.kill()
        try:
            await self._exit_code()
        finally:
            self._output.close()
            self._socket.close()

    def kill(self) -> None:
        """Kill the process and all it started."""
        if not self.spent:
            self.spent = True
            with suppress(PermissionError):  # what macOS says of a group whose processes have all ended
                os.killpg(self._process.pid, signal.SIGKILL)

    async def _start(self, request: Secret) -> None:
        try:
            async with asyncio.timeout(_START_LIMIT):
                await asyncio.get_running_loop().sock_sendall(self._socket, _frame(request.reveal()))
                await self._receive(1)
        except TimeoutError:
            raise NeverStarted(f"it did not begin within {_START_LIMIT:g} seconds") from None
        except (OSError, EOFError):
            self.kill()
            raise NeverStarted(f"it {_death(await self._exit_code())} before it began") from None

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
            self.kill()
            death = _death(await self._exit_code())
            return Outcome(status="Failed", message=f"the function's process {death} in the middle of the call")
        head, _, response = reply.partition(b"\n")
        ending = json.loads(head)
        if ending["message"] is not None:
            return Outcome(status="Failed", **ending)
        return Outcome(status="Completed", response=response or None)

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

    async def _exit_code(self) -> int:
        # Only after the kill: a process that was not waited for keeps its group's number from being used again.
        return await asyncio.to_thread(self._process.wait)


def _frame(text: str) -> bytes:
    content = text.encode()
    return len(content).to_bytes(8) + content


def _spawn(deployment: Deployment, channel: int, output: int) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_BACK)}
    return subprocess.Popen(  # noqa: S603 - our own worker, in the Python that runs us
        [sys.executable, "-P", "-X", "faulthandler", _WORKER, str(channel), deployment.function_path],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=deployment.path,
        env={**inherited, **deployment.env_vars},
        pass_fds=(channel,),
        start_new_session=True,
    )


def _death(exit_code: int) -> str:
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    hint = ", as the system does when memory runs out," if exit_code == -signal.SIGKILL else ""
    return f"was killed by signal {-exit_code} ({signal.strsignal(-exit_code)}){hint}"
