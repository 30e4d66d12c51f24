"""The process that forks function instances. It did the slow imports already, so an instance starts in milliseconds.

The server starts one for each interpreter. The arguments are the file descriptor of a socket and the modules to import.
This program uses the standard library only. A message has 12 bytes: three integers for kind, process id and status.

The server sends FORK, with two file descriptors attached: the channel and the output of the new instance. END kills an
instance. This process sends READY once, FORKED with the process id of an instance, and ENDED with the process id and
the exit code.

This process becomes the parent of the processes that instances leave running. It kills each child that is not an
instance, because the instance that started it has ended.
"""

from __future__ import annotations

import array
import gc
import importlib
import importlib.util
import os
import select
import shutil
import signal
import socket
import struct
import sys
import tempfile
from contextlib import suppress
from typing import Any

READY, FORK, FORKED, END, ENDED = range(5)
MESSAGE = struct.Struct("!Iii")
_DESCRIPTORS = 2
_PACKAGE = "_aiocdf_child"


def _load(name: str) -> Any:
    """Import a module in this folder, with a name that does not collide with a function's modules."""
    if _PACKAGE not in sys.modules:
        folder = os.path.dirname(os.path.abspath(__file__))
        file = os.path.join(folder, "__init__.py")
        spec = importlib.util.spec_from_file_location(_PACKAGE, file, submodule_search_locations=[folder])
        assert spec is not None  # noqa: S101 - for the type checker: a .py file has a specification
        sys.modules[_PACKAGE] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{_PACKAGE}.{name}")


class ForkServer:
    """Forks, kills and reaps instances.

    Args:
        control: The socket to the server.
    """

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self.confinement: Any = _load("confinement")
        self.worker: Any = _load("worker")
        self.instances: set[int] = set()
        self.ending: set[int] = set()
        self.temporary: str = tempfile.mkdtemp(prefix=f"aiocdf-{os.getpid()}-")
        self.awake: int
        self.wake: int
        self.awake, self.wake = os.pipe()

    def run(self) -> tuple[int, str] | None:
        """Serve until the server has ended. In a new instance, return its channel and its temporary folder."""
        self.confinement.adopt_orphans()
        for descriptor in (self.awake, self.wake):
            os.set_blocking(descriptor, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self.wake, warn_on_full_buffer=False)
        gc.freeze()  # otherwise the first garbage collection in each instance copies all pages
        self._send(READY)
        poller = select.poll()
        for descriptor in (self.control.fileno(), self.awake):
            poller.register(descriptor, select.POLLIN)
        while True:
            ready = {descriptor for descriptor, _ in poller.poll()}
            if self.awake in ready:
                os.read(self.awake, 4096)
                self._collect()
            if self.control.fileno() in ready:
                message, descriptors = self._receive()
                if not message:
                    self._close()
                    return None
                if instance := self._handle(message, descriptors):
                    return instance

    def _handle(self, message: bytes, descriptors: array.array[int]) -> tuple[int, str] | None:
        word, pid, _ = MESSAGE.unpack(message)
        if word == FORK:
            return self._fork(*descriptors)
        self._end(pid)
        return None

    def _fork(self, channel: int, output: int) -> tuple[int, str] | None:
        pid = os.fork()
        if pid == 0:
            return self._become_instance(channel, output)
        os.close(channel)
        os.close(output)
        self.instances.add(pid)
        self._send(FORKED, pid)
        return None

    def _become_instance(self, channel: int, output: int) -> tuple[int, str]:
        os.setsid()
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.control.close()
        os.close(self.awake)
        os.close(self.wake)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.close(output)
        self.confinement.adopt_orphans()
        temporary = os.path.join(self.temporary, str(os.getpid()))
        os.mkdir(temporary, 0o700)
        return channel, temporary

    def _end(self, pid: int) -> None:
        self.ending.add(pid)
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not have created its process group yet
        self._collect()

    def _collect(self) -> None:
        """Kill the processes that ended instances left running, then report the instances."""
        ended = {pid: status for pid in self.ending for done, status in [os.waitpid(pid, os.WNOHANG)] if done}
        self.instances -= ended.keys()
        self.ending -= ended.keys()
        self._kill_orphans()
        for pid, status in ended.items():
            shutil.rmtree(os.path.join(self.temporary, str(pid)), ignore_errors=True)
            self._send(ENDED, pid, os.waitstatus_to_exitcode(status))

    def _kill_orphans(self) -> None:
        for pid in self._children() - self.instances:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, os.WNOHANG)

    def _children(self) -> set[int]:
        try:
            with open(f"/proc/self/task/{os.getpid()}/children", encoding="ascii") as file:
                return set(map(int, file.read().split()))
        except OSError:  # not Linux
            return set(self.instances)

    def _close(self) -> None:
        """Kill all instances and the processes that they started, because the server has ended."""
        for pid in self.instances:
            with suppress(ProcessLookupError):
                os.killpg(pid, signal.SIGKILL)
        self.instances.clear()
        with suppress(ChildProcessError):
            while True:
                self._kill_orphans()
                os.waitpid(-1, 0)
        shutil.rmtree(self.temporary, ignore_errors=True)

    def _receive(self) -> tuple[bytes, array.array[int]]:
        descriptors = array.array("i")
        try:
            room = socket.CMSG_SPACE(_DESCRIPTORS * descriptors.itemsize)
            message, ancillary, *_ = self.control.recvmsg(MESSAGE.size, room)
        except ConnectionError:
            return b"", descriptors
        for _, _, data in ancillary:
            descriptors.frombytes(data)
        return message, descriptors

    def _send(self, word: int, pid: int = 0, status: int = 0) -> None:
        with suppress(OSError):  # the server has ended, which the next poll reports
            self.control.sendall(MESSAGE.pack(word, pid, status))


def main() -> None:
    """Import the modules named in the arguments, then run the fork server."""
    control = socket.socket(fileno=int(sys.argv[1]))
    control.set_inheritable(False)
    modules = sys.argv[2:]
    del sys.argv[1:]
    # From Python 3.11 on, the option `-P` does this.
    sys.path[:] = [path for path in sys.path if path != os.path.dirname(os.path.abspath(__file__))]
    for name in modules:
        with suppress(Exception):  # a function that needs the module reports the error
            importlib.import_module(name)
    server = ForkServer(control)
    instance = server.run()
    if instance is not None:
        server.worker.main(*instance)


if __name__ == "__main__":
    main()
