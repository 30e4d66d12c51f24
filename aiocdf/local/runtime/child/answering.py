"""Calling `handle`: what it is given, and what its return value or exception becomes."""

from __future__ import annotations

import importlib
import inspect
import json
import math
import os
import traceback
from types import CoroutineType, FunctionType, ModuleType
from typing import Any

__all__ = ["OUT_OF_MEMORY", "answer", "fault"]

OUT_OF_MEMORY = "MemoryError: Function ran out of memory"
_LONGEST_TEXT = 64 * 1024
_ARGUMENTS = ["client", "data", "function_call_info", "secrets"]
_NOT_ASYNC = "handle is async, which the service does not support: make it a plain function"
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


class MissingClient:
    """Stands in for `client` where cognite-sdk is not installed, so that a function that does not use it runs."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError(
            f"client.{name} needs the package cognite-sdk, which the function's Python does not have: "
            "add cognite-sdk to the function's requirements.txt, or install aiocdf[sdk] and start the server again"
        )


def answer(handler: str, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Run the function once and return how that ended, and the response.

    Args:
        handler: The path of the file that defines `handle`, below the current folder.
        request: `data`, `secrets`, `function_call_info`, and `session` with what `client` needs; or nothing, to only
            import the handler and check it.
    """
    try:
        response = _run(handler, request)
    except MemoryError as error:
        return {"message": OUT_OF_MEMORY, "trace": _trace(error)}, b""
    except BaseException as error:
        place = "" if request else _place(error)
        return {"message": place + _describe(error), "trace": _trace(error)}, b""
    return {"message": None, "trace": None}, response


def _run(handler: str, request: dict[str, Any]) -> bytes:
    # An import that failed is tried again by the next call: what it lacked may be there by then.
    handle = _checked(importlib.import_module(handler.removesuffix(".py").replace("/", ".")), handler)
    names = _parameters(handle)
    if not request:
        return b""
    arguments = {name: request[name] for name in names if name != "client"}
    if "client" in names:
        arguments["client"] = _client(**request["session"])
    value = handle(**arguments)
    if isinstance(value, CoroutineType):
        value.close()
        raise TypeError(_NOT_ASYNC)
    return b"" if value is None else _encode(value)


def _checked(module: ModuleType, handler: str) -> Any:
    """Return the module's handle, or raise the reason why it cannot be called."""
    handle = getattr(module, "handle", None)
    if not callable(handle):
        raise TypeError(f"{handler} defines no function `handle`")
    if inspect.iscoroutinefunction(handle):
        line = handle.__code__.co_firstlineno if isinstance(handle, FunctionType) else "?"
        raise TypeError(f"{handler}, line {line}: {_NOT_ASYNC}")
    return handle


def _parameters(handle: Any) -> list[str]:
    """Return which of the four arguments `handle` takes."""
    if isinstance(handle, FunctionType) and not hasattr(handle, "__wrapped__"):
        code = handle.__code__
        if not code.co_flags & 0x08:  # no **kwargs
            return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    parameters = inspect.signature(handle).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return _ARGUMENTS
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
    raise TypeError(f"the return value is not JSON serializable: {found}")


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
    if found := next(filter(None, map(_key_fault, value)), None):
        return f"a key of {path} is {found}"
    return next(filter(None, (fault(item, f"{path}.{key}", around) for key, item in value.items())), None)


def _key_fault(key: Any) -> str | None:
    """Return what keeps a key from becoming text, as json.dumps makes it, or None."""
    if not isinstance(key, (str, int, float, type(None))):
        return f"of type {type(key).__name__}"
    return str(key) if isinstance(key, float) and not math.isfinite(key) else None


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "its text cannot be shown"
    return f"{type(error).__name__}: {text}"[:_LONGEST_TEXT] if text else type(error).__name__


def _trace(error: BaseException) -> str:
    """Return the traceback as the function's author knows it: without our frames and those of the import."""
    shown = traceback.TracebackException.from_exception(error)
    shown.stack[:] = [frame for frame in shown.stack if not _is_ours(frame.filename)]
    return "".join(shown.format())[-_LONGEST_TEXT:]


def _place(error: BaseException) -> str:
    """Return the file and line of the function's own that an exception came from."""
    folder = os.getcwd() + os.sep
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(folder):
        return ""  # its text says so
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"{frames[-1].filename.removeprefix(folder)}, line {frames[-1].lineno}: " if frames else ""


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, importlib.__file__, "<frozen importlib"))
