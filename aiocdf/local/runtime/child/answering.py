"""Calls `handle`: prepares its arguments, and encodes its return value or exception."""

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
_NOT_ASYNC = "handle is async, which the service does not support: define it with `def`"
_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep


class MissingClient:
    """Replaces `client` if cognite-sdk is not installed, so that a function that does not use `client` still runs."""

    def __getattr__(self, name: str) -> Any:
        raise ImportError(
            f"client.{name} needs the package cognite-sdk, which is not installed in the function's Python: "
            "add cognite-sdk to the function's requirements.txt, or install aiocdf[sdk] and restart the server"
        )


def answer(handler: str, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """Run the function once. Return its outcome and the response.

    Args:
        handler: The path below the current folder of the file that defines `handle`.
        request: `data`, `secrets`, `function_call_info` and `session` (`base_url`, `project`, `token`). An empty
            request only imports and checks the handler.
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
    # The next call repeats an import that failed, because the cause may be gone by then.
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
    """Return the module's `handle`.

    Raises:
        TypeError: It is missing, not callable, or async.
    """
    handle = getattr(module, "handle", None)
    if not callable(handle):
        raise TypeError(f"{handler} defines no function `handle`")
    if inspect.iscoroutinefunction(handle):
        line = handle.__code__.co_firstlineno if isinstance(handle, FunctionType) else "?"
        raise TypeError(f"{handler}, line {line}: {_NOT_ASYNC}")
    return handle


def _parameters(handle: Any) -> list[str]:
    """Return the names of the arguments that `handle` takes."""
    if isinstance(handle, FunctionType) and not hasattr(handle, "__wrapped__"):
        code = handle.__code__
        if not code.co_flags & 0x08:  # no **kwargs
            return list(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount])
    parameters = inspect.signature(handle).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return _ARGUMENTS
    return [parameter.name for parameter in parameters if parameter.kind is not parameter.VAR_POSITIONAL]


def _client(base_url: str, project: str, token: str) -> Any:
    """Return a CogniteClient that uses the call's session."""
    try:
        # An optional package that is slow to import: only for functions that take `client`.
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
    """Return why and where a value is not valid JSON, such as `$.a[0] is nan`; None if it is valid.

    Args:
        value: The value to check.
        path: The JSON path of the value.
        around: The ids of the containers around the value.
    """
    if value is None or isinstance(value, (str, int)):
        return None
    if isinstance(value, float):
        return None if math.isfinite(value) else f"{path} is {value}"
    if not isinstance(value, (dict, list, tuple)):
        return f"{path} is of type {type(value).__name__}"
    if id(value) in around:
        return f"{path} contains itself"
    around = (*around, id(value))
    if not isinstance(value, dict):
        faults = (fault(item, f"{path}[{index}]", around) for index, item in enumerate(value))
        return next(filter(None, faults), None)
    if found := next(filter(None, map(_key_fault, value)), None):
        return f"a key of {path} is {found}"
    return next(filter(None, (fault(item, f"{path}.{key}", around) for key, item in value.items())), None)


def _key_fault(key: Any) -> str | None:
    """Return why `json.dumps` rejects a key; None if it accepts it."""
    if not isinstance(key, (str, int, float, type(None))):
        return f"of type {type(key).__name__}"
    return str(key) if isinstance(key, float) and not math.isfinite(key) else None


def _describe(error: BaseException) -> str:
    try:
        text = str(error)
    except Exception:
        text = "the exception's own __str__ failed"
    return f"{type(error).__name__}: {text}"[:_LONGEST_TEXT] if text else type(error).__name__


def _trace(error: BaseException) -> str:
    """Return the traceback with the function's frames only, without those of aiocdf and of the import system."""
    shown = traceback.TracebackException.from_exception(error)
    shown.stack[:] = [frame for frame in shown.stack if not _is_ours(frame.filename)]
    return "".join(shown.format())[-_LONGEST_TEXT:]


def _place(error: BaseException) -> str:
    """Return the file and line in the function's code that raised an exception, as a prefix for a message."""
    folder = os.getcwd() + os.sep
    if isinstance(error, SyntaxError) and (error.filename or "").startswith(folder):
        return ""  # the text of the exception names them
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename.startswith(folder)]
    return f"{frames[-1].filename.removeprefix(folder)}, line {frames[-1].lineno}: " if frames else ""


def _is_ours(filename: str) -> bool:
    return filename.startswith((_OURS, importlib.__file__, "<frozen importlib"))
