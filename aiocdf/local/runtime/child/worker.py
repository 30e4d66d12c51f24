"""The function instance: a process that runs the calls of one function, one after another.

`fork_server.py` forks it and passes the channel, the file descriptor of a socket. The channel carries frames: eight
bytes with the length, then the content. A length of zero ends the process.

The server sends the settings as JSON, then requests as JSON. A request without `data` only imports the handler.
This process sends a JSON frame with `fault` when it has applied the settings. For each request it sends one byte when
the function starts to run, then a frame with the outcome as one line of JSON, and the response as JSON. stdout and
stderr belong to the function.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import sys
import tempfile
import threading
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

# Relative, because aiocdf is not installed in the functions' own Pythons.
from . import answering, confinement  # noqa: TID252

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["main"]

STARTED = b"\x01"


def main(channel: int, temporary: str) -> None:
    """Apply the settings, then answer requests until a frame of length zero.

    Args:
        channel: The file descriptor of the socket.
        temporary: A folder for the temporary files of a call.
    """
    sys.dont_write_bytecode = True  # a .pyc has a resolution of one second, too coarse to edit a file and call it
    # The streams inherited from the fork server wrongly report that they are seekable.
    sys.stdout, sys.stderr = (
        open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for descriptor in (1, 2)
    )
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    os.set_inheritable(channel, False)
    # A closed socket means to the server that this process ended, so a child of the function must not inherit it.
    os.register_at_fork(after_in_child=lambda: os.close(channel))
    with open(channel, "rb", closefd=False) as requests, open(channel, "wb", closefd=False) as replies:
        size = int.from_bytes(requests.read(8), "big")
        if not size:
            return
        settings = json.loads(requests.read(size))
        found = _configure(settings, temporary)
        # Namespaces and forks need a single thread, so other threads start after them.
        threading.Thread(target=_die_with_server, args=(channel,), daemon=True).start()
        _write(replies, json.dumps({"fault": found}).encode())
        if found is None:
            _serve(requests, replies, _Calls(settings, temporary))


def _configure(settings: dict[str, Any], temporary: str) -> str | None:
    """Apply the settings. Return the problem with them; None if there is none."""
    os.environ.update(settings["environment"], TMPDIR=temporary)
    tempfile.tempdir = None
    with suppress(AttributeError):
        time.tzset()
    try:
        os.chdir(settings["folder"])
    except OSError as error:
        return str(error)
    confinement.protect_files(settings["folder"], temporary, [sys.prefix, sys.base_prefix])
    sys.path.insert(0, os.getcwd())
    confinement.limit_memory(settings["memory"])
    return None


def _die_with_server(channel: int) -> None:
    """End this process and its children when the server has ended, even during a call."""
    poller = select.poll()
    poller.register(channel, 0)  # poll always reports a hangup
    poller.poll()
    os.killpg(0, signal.SIGKILL)


class _Calls:
    """Runs the calls, and checks whether this process can run another one."""

    def __init__(self, settings: dict[str, Any], temporary: str) -> None:
        self._handler = settings["handler"]
        self._cpu = settings["cpu"] * settings["timeout"]
        self._temporary = temporary

    def answer(self, request: dict[str, Any]) -> tuple[bytes, bytes]:
        """Run a call. Return its outcome as a line of JSON, and its response."""
        threads = set(threading.enumerate())
        confinement.limit_cpu(self._cpu)
        ending, response = answering.answer(self._handler, request)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the function may have closed or replaced the stream
                stream.flush()
        fit = ending["message"] != answering.OUT_OF_MEMORY and not _has_children() and not _busy(threads)
        self._clear()
        return json.dumps({**ending, "fit": fit}).encode(), response

    def _clear(self) -> None:
        """Remove the temporary files of the call."""
        with suppress(OSError):
            for entry in os.scandir(self._temporary):
                if entry.is_dir(follow_symlinks=False):
                    shutil.rmtree(entry.path, ignore_errors=True)
                else:
                    os.unlink(entry.path)


def _serve(requests: Any, replies: Any, calls: _Calls) -> None:
    process = os.getpid()
    while size := int.from_bytes(requests.read(8), "big"):
        request = json.loads(requests.read(size))
        replies.write(STARTED)
        replies.flush()
        ending, response = calls.answer(request)
        if os.getpid() != process:
            os._exit(0)  # the function forked, and this is the child
        _write(replies, ending + b"\n" + response)


def _write(replies: Any, content: bytes) -> None:
    replies.write(len(content).to_bytes(8, "big") + content)
    replies.flush()


def _has_children() -> bool:
    """Return whether the call left processes running. They are children of this process, which adopts orphans."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _busy(before: set[threading.Thread]) -> bool:
    """Return whether a thread of the call is still busy. Its output would go to the log of the next call."""
    started = [thread.ident for thread in threading.enumerate() if thread not in before]
    if not started:
        return False
    frames = sys._current_frames()  # noqa: SLF001 - public, despite the underscore
    return any(ident in frames and not _waits_for_work(frames[ident].f_code) for ident in started)


def _waits_for_work(code: CodeType) -> bool:
    """Return whether this is the code of an idle thread of an executor or an event loop."""
    file = code.co_filename.replace(os.sep, "/")
    in_executor = file.endswith("concurrent/futures/thread.py") and code.co_name == "_worker"
    in_loop = file.endswith("/selectors.py") and code.co_name == "select"
    return in_executor or in_loop
