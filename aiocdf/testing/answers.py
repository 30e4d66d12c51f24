"""What the service in memory gets and answers."""

from __future__ import annotations

import re
from typing import Any

import attrs

__all__ = ["KINDS", "Answer", "Late", "RequestSeen", "error", "function_in", "items"]

#: The kinds of requests that it knows, by their paths.
KINDS = {
    "token": r"/token$",
    "session": r"/sessions$",
    "sessions": r"/sessions/byids$",
    "lookup": r"/functions/byids$",
    "limits": r"/functions/limits$",
    "start": r"/functions/\d+/call$",
    "poll": r"/functions/\d+/calls/byids$",
    "list": r"/functions/\d+/calls/list$",
    "retrieve": r"/functions/\d+/calls/\d+$",
    "response": r"/calls/\d+/response$",
    "logs": r"/calls/\d+/logs$",
}
_NUMBER = re.compile(r"/functions/(\d+)/call")


@attrs.frozen
class Answer:
    """An answer; as a fault, the service does nothing and answers this."""

    status: int
    #: Text, or what becomes JSON.
    body: Any = ""
    headers: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Late:
    """A fault: the service does what it was asked to, and then this comes in place of its answer."""

    outcome: Exception | Answer


@attrs.frozen
class RequestSeen:
    """A request that the service got."""

    #: A key of the kinds, such as `start`.
    kind: str
    #: When, by the loop's clock.
    at: float
    #: The function in the request's path, if there is one.
    function: int | None
    #: The JSON in it; as the headers not shown, for it may hold a nonce.
    body: Any = attrs.field(repr=False)
    headers: dict[str, str] = attrs.field(repr=False)
    url: str


def function_in(url: str) -> int | None:
    """Return the number of the function in a path."""
    found = _NUMBER.search(url)
    return int(found[1]) if found else None


def items(*found: Any) -> Answer:
    """Return the answer of a list."""
    return Answer(200, {"items": found})


def error(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Return the answer of an error in the service's form."""
    return Answer(status, {"error": {"code": status, "message": message, **more}}, headers or {})
