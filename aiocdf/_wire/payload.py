"""The data of a call: checked and encoded before anything is sent."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import is_dataclass
from typing import TYPE_CHECKING, Any, cast

import attrs
from cattrs.cols import is_namedtuple

from aiocdf._wire.converter import plain_value
from aiocdf._wire.faults import member_path
from aiocdf.errors import InvalidArgument, InvalidType

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encode", "strings"]

# One encoder for all calls: making one takes as long as encoding a small object.
_ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), ensure_ascii=False)
_PLAIN = (str, bool, int, type(None))
_SURROGATE = re.compile("[\ud800-\udfff]")


def encode(data: object, *, limit: int | None) -> tuple[bytes, Any]:
    """Return *data* as JSON text, and as the plain object that was encoded.

    Args:
        data: A mapping, or an attrs, dataclass, TypedDict or NamedTuple value; None for an empty object.
        limit: The maximum number of bytes that the service accepts; None if it is unknown.

    Raises:
        InvalidType: A value in *data* is not JSON; the message has its path.
        InvalidArgument: A number is not finite or too long, a text is not valid Unicode, the data contains itself or is
            nested too deeply, or the JSON text is larger than *limit*.
    """
    try:
        plain = _object(data)
        _check(plain, "$", set())
        text = _text(plain)
    except RecursionError:
        raise InvalidArgument("data is nested too deeply to be JSON: flatten it") from None
    if limit is not None and len(text) > limit:
        raise InvalidArgument(
            f"data is {len(text):,} bytes of JSON and this cloud takes at most {limit:,}: "
            "store it in a file or a time series, and send the id"
        )
    return text, plain


def strings(value: object, path: str = "$") -> list[tuple[str, str, str]]:
    """Return each string in *value* with its path and its key, to inspect what is sent."""
    found: list[tuple[str, str, str]] = []
    waiting = [("", path, value)]
    while waiting:
        key, where, item = waiting.pop()
        match item:
            case str():
                found.append((where, key, item))
            case dict():
                waiting += ((name, member_path(where, name), child) for name, child in item.items())
            case list() | tuple():
                waiting += ((key, f"{where}[{index}]", child) for index, child in enumerate(item))
    return found


def _text(plain: object) -> bytes:
    try:
        return _ENCODER.encode(plain).encode()
    except UnicodeEncodeError:
        path = next(path for path, text in _texts(plain, "$") if _SURROGATE.search(text))
        raise InvalidArgument(
            f"data has text with half a surrogate pair at {path}, which is not valid Unicode: clean it first"
        ) from None
    except ValueError:
        raise InvalidArgument("data has a whole number with thousands of digits: send it as text") from None


def _texts(value: object, path: str) -> Iterator[tuple[str, str]]:
    """Yield each text in *value*, including names of members, with its path."""
    match value:
        case str():
            yield path, value
        case dict():
            for key, child in value.items():
                yield member_path(path, key), key
                yield from _texts(child, member_path(path, key))
        case list() | tuple():
            for index, child in enumerate(value):
                yield from _texts(child, f"{path}[{index}]")


def _object(data: object) -> dict[str, Any]:
    """Return the caller's data as a dict; raise if it is not one object."""
    if data is None:
        return {}
    if _has_fields(type(data)):
        data = plain_value(data)
    if not isinstance(data, Mapping):
        raise InvalidType(
            f"data must be a JSON object (a mapping, or an attrs or dataclass value), not {type(data).__name__}: "
            'wrap it, as in {"value": ...}'
        )
    return cast("dict[str, Any]", data if isinstance(data, dict) else dict(data))


def _has_fields(kind: type) -> bool:
    return attrs.has(kind) or is_dataclass(kind) or is_namedtuple(kind)


def _check(value: object, path: str, above: set[int]) -> None:
    """Check that all values in *value* are JSON.

    `json.dumps` turns keys that are numbers into strings, and its errors have no path.
    """
    if isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidArgument(f"data has {value!r} at {path}, which is not valid in JSON: send null or a string")
        return
    if not isinstance(value, dict | list | tuple):
        raise InvalidType(
            f"data has a value of type {type(value).__name__} at {path}, which is not JSON: convert it first"
        )
    if id(value) in above:
        raise InvalidArgument(f"data contains itself at {path}: remove the cycle")
    above.add(id(value))
    for child, where in _children(value, path):
        _check(child, where, above)
    above.discard(id(value))


def _children(value: dict[Any, Any] | list[Any] | tuple[Any, ...], path: str) -> Iterator[tuple[object, str]]:
    """Yield the members of a container that need a check, with their paths; most values need none."""
    if not isinstance(value, dict):
        yield from ((child, f"{path}[{index}]") for index, child in enumerate(value) if not isinstance(child, _PLAIN))
        return
    for key, child in value.items():
        if not isinstance(key, str):
            raise InvalidType(f"data has a key of type {type(key).__name__} at {path}: JSON keys are strings")
        if not isinstance(child, _PLAIN):
            yield child, member_path(path, key)
