"""The function instance: a process that runs one function, call after call.

Forked by `fork_server.py`, which hands over the channel: the descriptor of a socket. It carries frames, each eight bytes
of length and then the content; a length of zero says goodbye.

To this process: first the settings, as JSON. Then requests, as JSON; one without `data` only imports the handler.
From it: a frame of JSON with `fault`, once the settings are applied. Then for each request: one byte when the work on it
begins, and a frame that holds a line of JSON, which says how it ended, and the response as JSON text. stdout and stderr
are the function's own.
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

# Relative, as the functions' own Pythons have no aiocdf.
from . import answering, confinement  # noqa: TID252

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["main"]

STARTED = b"\x01"


def main(channel: int, temporary: str) -> None:
    """Apply the settings, then answer requests until the goodbye.

    Args:
        channel: The descriptor of the socket.
        temporary: A folder for the files of one call.
    """
    sys.dont_write_bytecode = True  # a .pyc tells versions apart by the second, which is too coarse for edit and call
    # The fork server's streams believe that they can seek.
    sys.stdout, sys.stderr = (
        open(descriptor, "w", buffering=1, encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
        for descriptor in (1, 2)
    )
    sys.__stdout__, sys.__stderr__ = sys.stdout, sys.stderr  # type: ignore[misc]
    os.set_inheritable(channel, False)
    # The server takes the closed socket for the end of this process: a fork must not keep it open.
    os.register_at_fork(after_in_child=lambda: os.close(channel))
    with open(channel, "rb", closefd=False) as requests, open(channel, "wb", closefd=False) as replies:
        size = int.from_bytes(requests.read(8), "big")
        if not size:
            return
        settings = json.loads(requests.read(size))
        found = _settle(settings, temporary)
        # Namespaces and forks need a single thread, so the others come after them.
        threading.Thread(target=_die_with_server, args=(channel,), daemon=True).start()
        _write(replies, json.dumps({"fault": found}).encode())
        if found is None:
            _serve(requests, replies, _Calls(settings, temporary))


def _settle(settings: dict[str, Any], temporary: str) -> str | None:
    """Apply the settings and return what is wrong with them, if anything is."""
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
    """End this process and its children when the server is gone, even in the middle of a call."""
    poller = select.poll()
    poller.register(channel, 0)  # a hangup is always told
    poller.poll()
    os.killpg(0, signal.SIGKILL)


class _Calls:
    """Runs the calls, and tells whether this process can take another one."""

    def __init__(self, settings: dict[str, Any], temporary: str) -> None:
        self._handler = settings["handler"]
        self._cpu = settings["cpu"] * settings["timeout"]
        self._temporary = temporary

    def answer(self, request: dict[str, Any]) -> tuple[bytes, bytes]:
        """Return how a call ended, as a line of JSON, and its response."""
        threads = set(threading.enumerate())
        confinement.limit_cpu(self._cpu)
        ending, response = answering.answer(self._handler, request)
        for stream in (sys.stdout, sys.stderr):
            with suppress(Exception):  # the function may have closed or replaced it
                stream.flush()
        fit = ending["message"] != answering.OUT_OF_MEMORY and not _has_children() and not _busy(threads)
        self._clear()
        return json.dumps({**ending, "fit": fit}).encode(), response

    def _clear(self) -> None:
        """Remove the call's files."""
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
            os._exit(0)  # the function forked and both sides came back
        _write(replies, ending + b"\n" + response)


def _write(replies: Any, content: bytes) -> None:
    replies.write(len(content).to_bytes(8, "big") + content)
    replies.flush()


def _has_children() -> bool:
    """Tell whether processes are left of the call: as this process adopts orphans, they are all its children."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _busy(before: set[threading.Thread]) -> bool:
    """Tell whether a thread that the call started still works. What it prints would be in the next call's log."""
    started = [thread.ident for thread in threading.enumerate() if thread not in before]
    if not started:
        return False
    frames = sys._current_frames()  # noqa: SLF001 - public, despite its name
    return any(ident in frames and not _waits_for_work(frames[ident].f_code) for ident in started)


def _waits_for_work(code: CodeType) -> bool:
    """Tell whether this is an idle thread of an executor, or of an event loop."""
    file = code.co_filename.replace(os.sep, "/")
    in_executor = file.endswith("concurrent/futures/thread.py") and code.co_name == "_worker"
    in_loop = file.endswith("/selectors.py") and code.co_name == "select"
    return in_executor or in_loop
