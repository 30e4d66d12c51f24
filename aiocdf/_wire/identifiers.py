"""Checks the ids and external ids of functions, files and calls before they are put into a URL."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from aiocdf.errors import InvalidArgument, InvalidType
from aiocdf.models.call_ref import CallRef
from aiocdf.models.files import File
from aiocdf.models.functions import Function

__all__ = [
    "check_file",
    "check_files",
    "check_function",
    "check_functions",
    "check_id",
    "check_ids",
    "identifier",
    "parse_ref",
]

_LARGEST_ID = 2**53 - 1
_LONGEST_EXTERNAL_ID = 255


def check_function(function: int | str | Function) -> int | str:
    """Return the id or external id of *function*.

    Raises:
        UsageError: It is not valid.
    """
    if isinstance(function, Function):
        return function.id
    if isinstance(function, str):
        return _check_external_id(function)
    return check_id(function, "function")


def check_functions(functions: int | str | Function | Iterable[int | str | Function]) -> list[int | str]:
    """Return the ids or external ids of one or several functions.

    Raises:
        UsageError: One of them is not valid, or *functions* is not iterable.
    """
    return [check_function(function) for function in _several(functions, Function, "functions")]


def check_files(files: int | str | File | Iterable[int | str | File]) -> list[int | str]:
    """Return the ids or external ids of one or several files.

    Raises:
        UsageError: One of them is not valid, or *files* is not iterable.
    """
    return [check_file(file) for file in _several(files, File, "files")]


def check_file(file: int | str | File) -> int | str:
    """Return the id or external id of a file.

    Raises:
        UsageError: It is not valid.
    """
    if isinstance(file, str):
        return _check_external_id(file)
    return check_id(file.id if isinstance(file, File) else file, "file")


def identifier(key: int | str) -> dict[str, int | str]:
    """Return an id or external id as a request has it."""
    return {"externalId": key} if isinstance(key, str) else {"id": key}


def _several(given: Any, kind: type[Any], what: str) -> Iterable[Any]:
    """Return *given* as an iterable; a single object becomes a list of one."""
    if isinstance(given, int | str | kind):
        return [given]
    if isinstance(given, bytes) or not isinstance(given, Iterable):
        raise InvalidType(
            f"{what} must be one id, external id or {kind.__name__}, or several, not {type(given).__name__}"
        )
    return given


def _check_external_id(name: str) -> str:
    if not 0 < len(name) <= _LONGEST_EXTERNAL_ID:
        raise InvalidArgument(f"an external id has 1 to {_LONGEST_EXTERNAL_ID} characters, not {len(name)}")
    return name


def check_id(number: object, what: str) -> int:
    """Return *number* if it is a valid id of *what*.

    Raises:
        InvalidType: It is not a whole number.
        InvalidArgument: It is outside of the service's range, 1 to 9007199254740991.
    """
    if isinstance(number, bool) or not isinstance(number, int):
        raise InvalidType(f"a {what}'s id is a whole number, not {type(number).__name__}")
    if not 0 < number <= _LARGEST_ID:
        raise InvalidArgument(f"{what} id {number} is not valid: ids are from 1 to {_LARGEST_ID}")
    return number


def check_ids(numbers: object, what: str) -> list[int]:
    """Return *numbers*, one id of *what* or several, as a list.

    Raises:
        InvalidType: They are not whole numbers.
        InvalidArgument: One is outside of the service's range.
    """
    if isinstance(numbers, str | bytes) or not isinstance(numbers, Iterable):
        return [check_id(numbers, what)]
    return [check_id(number, what) for number in numbers]


def parse_ref(token: str) -> CallRef:
    """Return the `CallRef` of a `token`.

    Raises:
        InvalidArgument: It is not the token of a call.
        InvalidType: It is not text.
    """
    if not isinstance(token, str):
        raise InvalidType(
            f"a call's token must be text such as cdf:westeurope-1:acme:12:345, not {type(token).__name__}"
        )
    scheme, _, rest = token.partition(":")
    parts = rest.rsplit(":", 3)
    if scheme != "cdf" or len(parts) != 4 or not all(parts) or not all(map(_is_id, parts[2:])):
        raise InvalidArgument(f"{token!r} is not the token of a call, such as cdf:westeurope-1:acme:12:345")
    return CallRef(cluster=parts[0], project=parts[1], function_id=int(parts[2]), call_id=int(parts[3]))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 20 and int(text) > 0
