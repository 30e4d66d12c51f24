"""The requests and answers of the service in memory."""

from __future__ import annotations

import re
from typing import Any

import attrs

__all__ = ["KINDS", "Answer", "Late", "RequestSeen", "error", "function_in", "items"]

#: The kinds of requests, each with a pattern of its path.
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
    """An answer. As a fault, the service does nothing and sends this answer."""

    status: int
    #: Text, or a value that is sent as JSON.
    body: Any = ""
    headers: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Late:
    """A fault: the service processes the request, and then this outcome replaces its answer."""

    outcome: Exception | Answer


@attrs.frozen
class RequestSeen:
    """A request that the service received."""

    #: A key of the kinds, such as `start`.
    kind: str
    #: When it arrived, by the loop's clock.
    at: float
    #: The function in the request's path; None if there is none.
    function: int | None
    #: The JSON body. Like the headers, it is not shown, because it may contain a nonce.
    body: Any = attrs.field(repr=False)
    headers: dict[str, str] = attrs.field(repr=False)
    url: str


def function_in(url: str) -> int | None:
    """Return the number of the function in a path."""
    found = _NUMBER.search(url)
    return int(found[1]) if found else None


def items(*found: Any) -> Answer:
    """Return the answer that lists items."""
    return Answer(200, {"items": found})


def error(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
    """Return an error answer in the service's format."""
    return Answer(status, {"error": {"code": status, "message": message, **more}}, headers or {})
