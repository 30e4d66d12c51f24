"""The child process that runs one function, call after call.

Started by `process.py` in the function's folder, with a socket's descriptor and the handler's path as arguments. It
uses the standard library only, and little of that, because each cold start waits for its imports.

The socket carries requests one way: eight bytes of length, then JSON; a length of zero says goodbye. The other way,
for each request: one byte when the work on it begins; then eight bytes of length, and as many bytes that hold a line
of JSON that says how it ended and the response as JSON text. stdout and stderr are the function's own.
"""

from __future__ import annotations

import importlib
import json
import math
import os
import select
import signal
import sys
import threading
from contextlib import suppress
from types import CoroutineType, FunctionType
from typing import Any

__all__ = ["answer", "fault", "main"]

STARTED = b"\x01"
_LONGEST_TEXT = 64 * 1024


class MissingClient:
    """Stands in for `client` where cognite-sdk is not installed, so that a function that does not use it runs."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError(
            f"client.{name} needs the package cognite-sdk, which the Python that runs the local server does not have: "
            "install cognite-sdk there and start the server again"
        )


def main() -> None:
    """Answer requests until the goodbye."""
    channel = int(sys.argv[1])
    handler = sys.argv[2]
    del sys.argv[1:]
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - pathlib is a slow import
    sys.dont_write_bytecode = True  # a .pyc tells versions apart by the second, which is too coarse for edit and call
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(encoding="utf-8", errors="backslashreplace", line_buffering=True)  # type: ignore[union-attr]
    os.set_inheritable(channel, False)
    # The server takes the closed socket for the end of this process: a fork must not keep it open.
    os.register_at_fork(after_in_child=lambda: os.close(channel))
    threading.Thread(target=_die_with_server, args=(channel,), daemon=True).start()
    _serve(channel, handler)


def _die_with_server(channel: int) -> None:
    """End this process and its children when the server is gone, even in the middle of a call."""
    poller = select.poll()
    poller.register(channel, 0)  # a hangup is always told
    poller.poll()
    os.killpg(0, signal.SIGKILL)


def _serve(channel: int, handler: str) -> None:
    process = os.getpid()
    with open(channel, "rb", closefd=False) as requests, open(channel, "wb", closefd=False) as replies:
        while size := int.from_bytes(requests.read(8)):
            request = json.loads(requests.read(size))
            replies.write(STARTED)
            replies.flush()
            reply = answer(handler, request)
            if os.getpid() != process:
                os._exit(0)  # the function forked and both sides came back
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # the function may have closed or replaced it
                    stream.flush()
            replies.write(len(reply).to_bytes(8) + reply)
            replies.flush()


def answer(handler: str, request: dict[str, Any]) -> bytes:
    """Run the function once and return the reply.

    Args:
        handler: The path of the file that defines `handle`, below the current folder.
        request: `data`, `secrets`, `function_call_info`, and `session` with what `client` needs.
    """
    try:
        response = _run(handler, request)
    except BaseException as error:
        return _reply(message=_describe(error), trace=_trace(error))
    return _reply() + response


def _reply(message: str | None = None, trace: str | None = None) -> bytes:
    return json.dumps({"message": message, "trace": trace}).encode() + b"\n"


def _run(handler: str, request: dict[str, Any]) -> bytes:
    # An import that failed is tried again by the next call: what it lacked may be there by then.
    handle = importlib.import_module(handler.removesuffix(".py").replace("/", ".")).handle
    names = _parameters(handle)
    arguments = {name: request[name] for name in names if name != "client"}
    if "client" in names:
        arguments["client"] = _client(**request["session"])
    value = handle(**arguments)
    if isinstance(value, CoroutineType):
        value.close()
        raise TypeError("handle is async, which the service does not support: make it a plain function")
    return b"" if value is None else _encode(value)


def _parameters(handle: Any) -> list[str]:
    """Return which of the four arguments `handle` takes."""
    if isinstance(handle, FunctionType) and not hasattr(handle, "__wrapped__"):
        code = handle.__code__
        if not code.co_flags & 0x08:  # no **kwargs
            return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    import inspect  # heavy, and seldom needed

    parameters = inspect.signature(handle).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return ["client", "data", "function_call_info", "secrets"]
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]


def _client(base_url: str, project: str, token: str) -> Any:
    """Return a CogniteClient that acts by the call's session."""
    try:
        # An optional package, and a slow import: only for functions that take a client.
        from cognite.client import ClientConfig, CogniteClient, global_config  # type: ignore[import-not-found,unused-ignore]
        from cognite.client.credentials import Token  # type: ignore[import-not-found,unused-ignore]
    except ModuleNotFoundError as error:
        if error.name not in {"cognite", "cognite.client"}:
            raise
        return MissingClient()
    global_config.disable_pypi_version_check = True
    config = ClientConfig(client_name="aiocdf-local", project=project, base_url=base_url, credentials=Token(token))
    return CogniteClient(config)


def _encode(value: Any) -> bytes:
    try:
        found = fault(value)
        if found is None:
            return json.dumps(value, allow_nan=False).encode()
    except RecursionError:
        found = "it is nested too deeply"
    raise TypeError(f"the return value is no JSON: {found}")


def fault(value: Any, path: str = "$", around: tuple[int, ...] = ()) -> str | None:
    """Return what keeps a value from being JSON and where that is, or None.

    Args:
        value: What the function returned.
        path: Where in it we are.
        around: The ids of the containers around the value.
    """
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value}"
    if not isinstance(value, (dict, list, tuple)):
        return f"{path} is of type {type(value).__name__}"
    if id(value) in around:
        return f"{path} holds itself"
    around = (*around, id(value))
    if not isinstance(value, dict):
        faults = (fault(item, f"{path}[{index}]", around) for index, item in enumerate(value))
        return next(filter(None, faults), None)
    for key in value:
        if not isinstance(key, str):
            return f"a key of {path} is of type {type(key).__name__}, not str"
    return next(filter(None, (fault(item, f"{path}.{key}", around) for key, item in value.items())), None)


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be shown"
    return f"{type(error).__name__}: {text}"[:_LONGEST_TEXT] if text else type(error).__name__


def _trace(error: BaseException) -> str:
    """Return the traceback as the function's author knows it: without the frames of this file and of the import."""
    import traceback  # heavy, and only for failures

    shown = traceback.TracebackException.from_exception(error)
    shown.stack[:] = [frame for frame in shown.stack if not _is_ours(frame.filename)]
    return "".join(shown.format())[-_LONGEST_TEXT:]


def _is_ours(filename: str) -> bool:
    return filename in {__file__, importlib.__file__} or filename.startswith("<frozen importlib")


if __name__ == "__main__":
    main()
