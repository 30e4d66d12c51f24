"""The server's connection to a fork server. `child/fork_server.py` is the program that runs in that process."""

from __future__ import annotations

import array
import asyncio
import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections import deque
from contextlib import suppress
from pathlib import Path

from aiocdf.local.runtime.child.fork_server import END, ENDED, FORK, FORKED, MESSAGE, READY

__all__ = ["ForkServer", "NoStart", "death"]

_PROGRAM = Path(__file__).parent / "child" / "fork_server.py"
_START_LIMIT = 60.0
_END_LIMIT = 10.0
# An instance uses the credentials of its call, never the server's, and does not import the server's own modules.
_KEPT_BACK = ("CDF_", "IDP_", "COGNITE_", "PYTHONPATH", "PYTHONSTARTUP")


class NoStart(Exception):
    """A process did not start, or it ended before the function started to run."""


class ForkServer:
    """A process that forks function instances, all with the same Python and the same imported modules.

    Args:
        process: The process.
        control: The socket to it.
    """

    def __init__(self, process: subprocess.Popen[bytes], control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._loop = asyncio.get_running_loop()
        self._started: asyncio.Future[int] = self._loop.create_future()
        self._forking: deque[asyncio.Future[int]] = deque()
        self._ending: dict[int, asyncio.Future[int]] = {}
        self.ended: bool = False
        control.setblocking(False)
        self._loop.add_reader(control, self._read)

    @classmethod
    async def start(cls, python: str, modules: tuple[str, ...] = ()) -> ForkServer:
        """Start a fork server and wait until it can fork.

        Args:
            python: The path of the interpreter.
            modules: The names of the modules to import before forking.

        Raises:
            NoStart: The process ended, or did not answer in time.
        """
        ours, theirs = socket.socketpair()
        # In a thread: starting a process waits for the disk.
        spawning = asyncio.ensure_future(asyncio.to_thread(_spawn, python, theirs.fileno(), modules))
        try:
            process = await asyncio.shield(spawning)
        except OSError as error:
            ours.close()
            raise NoStart(str(error)) from None
        except BaseException:
            ours.close()
            await _discard(spawning)
            raise
        finally:
            theirs.close()
        server = cls(process, ours)
        try:
            async with asyncio.timeout(_START_LIMIT):
                await server._started
        except TimeoutError:
            await server._end_at_once()
            raise NoStart(f"{python} did not start within {_START_LIMIT:g} seconds") from None
        except NoStart:
            await server.aclose()
            raise NoStart(f"it {death(process.returncode)} before the function started") from None
        except BaseException:
            await server._end_at_once()
            raise
        return server

    async def fork(self, channel: int, output: int) -> int:
        """Fork an instance and return its process id. Do not cancel this: the instance would keep running.

        Args:
            channel: The file descriptor of the instance's end of the channel.
            output: The file descriptor for the instance's stdout and stderr.

        Raises:
            NoStart: The fork server has ended.
        """
        future: asyncio.Future[int] = self._loop.create_future()
        self._forking.append(future)
        descriptors = array.array("i", [channel, output])
        self._send(MESSAGE.pack(FORK, 0, 0), [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
        return await future

    async def end(self, pid: int) -> int:
        """Kill an instance and all processes that it started. Return its exit code when it has ended.

        Args:
            pid: The process id of the instance.
        """
        future = self._ending.get(pid)
        if future is None:
            future = self._ending[pid] = self._loop.create_future()
            self._send(MESSAGE.pack(END, pid, 0), [])
        try:
            return await asyncio.shield(future)
        except NoStart:
            return -signal.SIGKILL  # instances end with their fork server

    async def aclose(self) -> None:
        """End the process and all its instances, and wait until they have ended."""
        self._lose()
        try:
            await asyncio.to_thread(self._process.wait, _END_LIMIT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            await asyncio.to_thread(self._process.wait)
        await asyncio.to_thread(_remove_files, self._process.pid)

    async def _end_at_once(self) -> None:
        """End a process that has no instances and may not read its messages."""
        self._process.kill()
        await self.aclose()

    def _send(self, message: bytes, ancillary: list[tuple[int, int, array.array[int]]]) -> None:
        if self.ended:
            self._fail("it has ended")
            return
        try:
            self._control.sendmsg([message], ancillary)
        except OSError as error:  # the buffer is full: the process does not read its messages
            self._lose(str(error))

    def _read(self) -> None:
        try:
            message = self._control.recv(MESSAGE.size)
        except BlockingIOError:
            return
        except OSError:
            message = b""
        if not message:
            self._lose("it ended")
            return
        word, pid, status = MESSAGE.unpack(message)
        if word == READY:
            _resolve(self._started, 0)
        elif word == FORKED:
            _resolve(self._forking.popleft(), pid)
        elif word == ENDED:
            _resolve(self._ending.pop(pid), status)

    def _lose(self, reason: str = "it was ended") -> None:
        """Close the socket, which ends the process, and fail the requests that wait for an answer."""
        if not self.ended:
            self.ended = True
            self._loop.remove_reader(self._control)
            self._control.close()
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        for future in (self._started, *self._forking, *self._ending.values()):
            if not future.done():
                future.set_exception(NoStart(reason))
                future.exception()  # if nothing waits for it, asyncio should not report it
        self._forking.clear()
        self._ending.clear()


async def _discard(spawning: asyncio.Future[subprocess.Popen[bytes]]) -> None:
    """End a process whose start was cancelled."""
    with suppress(OSError):
        process = await spawning
        process.kill()
        await asyncio.to_thread(process.wait)


def _remove_files(pid: int) -> None:
    """Remove the temporary files of a fork server that was killed. One that ends by itself removes them."""
    for folder in Path(tempfile.gettempdir()).glob(f"aiocdf-{pid}-*"):
        shutil.rmtree(folder, ignore_errors=True)


def death(exit_code: int) -> str:
    """Return a phrase that says how a process ended.

    Args:
        exit_code: The exit code, or the negative number of the signal that killed it.
    """
    if exit_code >= 0:
        return f"exited with code {exit_code}"
    hint = ", as the system does when memory runs out," if exit_code == -signal.SIGKILL else ""
    return f"was killed by signal {-exit_code} ({signal.strsignal(-exit_code)}){hint}"


def _spawn(python: str, control: int, modules: tuple[str, ...]) -> subprocess.Popen[bytes]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(_KEPT_BACK)}
    return subprocess.Popen(  # noqa: S603 - a program of aiocdf, with the function's interpreter
        [python, "-X", "faulthandler", _PROGRAM, str(control), *modules],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=inherited,
        pass_fds=(control,),
        start_new_session=True,
    )


def _resolve(future: asyncio.Future[int], value: int) -> None:
    if not future.done():
        future.set_result(value)
