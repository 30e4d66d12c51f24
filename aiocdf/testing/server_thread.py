"""A local server on its own thread, for tests with or without an event loop, and for other processes."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from aiocdf import local
from aiocdf._bundle.callable_source import read_callable
from aiocdf.errors import InvalidArgument, InvalidType, WrongState

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from aiocdf.client import Client
    from aiocdf.local import LocalServer

__all__ = ["ServerThread"]

# A server needs at least one function.
_ECHO = "def handle(data):\n    return data\n"


class ServerThread:
    """A local server on its own thread, with functions in a temporary folder. Use it with `with`.

    It always has the function `echo`, which returns its data.

    Args:
        functions: A folder whose functions are copied into that folder; None for none.
        settings: Arguments of `aiocdf.local.serve` other than the folder, such as `faults`.
    """

    def __init__(self, functions: str | os.PathLike[str] | None = None, **settings: Any) -> None:
        self._functions = functions
        self._settings = settings
        self._stop: Callable[[], object] | None = None
        self._thread: threading.Thread | None = None
        self._server: LocalServer | None = None

    def __enter__(self) -> Self:
        """Start the server."""
        self._folder = tempfile.TemporaryDirectory(prefix="aiocdf-functions-")
        self._root = Path(self._folder.name)
        (self._root / "echo").mkdir()
        (self._root / "echo" / "handler.py").write_text(_ECHO, encoding="utf-8")
        started: Future[LocalServer] = Future()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve(started)), name="aiocdf local server")
        try:
            if self._functions is not None:
                shutil.copytree(self._functions, self._root, dirs_exist_ok=True)
            self._thread.start()
            self._server = started.result()
        except BaseException:
            self._folder.cleanup()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the server, and remove the functions."""
        if self._stop is not None and self._thread is not None:
            self._stop()
            self._thread.join()
        self._server = None
        self._folder.cleanup()

    @property
    def url(self) -> str:
        """The server's address, without a trailing slash."""
        return self._running().url

    @property
    def project(self) -> str:
        """The name of its only project."""
        return self._running().project

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which `Client.from_env()` uses the server."""
        return self._running().environment()

    def client(self, **overrides: Any) -> Client:
        """Return a client of the server. Open it on the test's event loop.

        Args:
            overrides: Arguments of `aiocdf.Client` that replace the server's.
        """
        return self._running().client(**overrides)

    def deploy(self, code: Callable[..., Any] | str | os.PathLike[str], name: str | None = None) -> str:
        """Add or replace a function, and return its external id. Its next call runs the new code.

        Args:
            code: A `handle` function, which must import what it uses inside its body, because only its source is copied;
                or a folder with a `handler.py`.
            name: The external id; None for the name of the Python function or of the folder.

        Raises:
            UsageError: The function depends on the code around it, or the folder has no `handler.py`.
        """
        self._running()
        if callable(code):
            external_id = name or code.__name__
            files = read_callable(code, None)
            (self._root / external_id).mkdir(exist_ok=True)
            for path, content in files.items():
                (self._root / external_id / path).write_bytes(content)
            return external_id
        if not isinstance(code, str | os.PathLike):
            raise InvalidType(f"a function is deployed from a callable or a folder, not from {type(code).__name__}")
        folder = Path(code)
        if not (folder / "handler.py").is_file():
            raise InvalidArgument(f"{str(folder)!r} is not deployable: it has no handler.py")
        external_id = name or folder.resolve().name
        shutil.copytree(folder, self._root / external_id, dirs_exist_ok=True)
        return external_id

    async def _serve(self, started: Future[LocalServer]) -> None:
        """Serve until `__exit__`. `__enter__` raises an error of the start."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        try:
            async with local.serve(self._root, **self._settings) as server:
                self._stop = lambda: loop.call_soon_threadsafe(stop.set)
                started.set_result(server)
                await stop.wait()
        except BaseException as error:
            if started.done():
                raise
            started.set_exception(error)

    def _running(self) -> LocalServer:
        if self._server is None:
            raise WrongState("the server is not started. Use it with `with`.")
        return self._server
