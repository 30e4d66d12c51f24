"""The requests of functions, one short method each (API: Functions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf._wire.identifiers import identifier
from aiocdf._wire.json import json_request, member, read_items, read_json, read_value
from aiocdf._wire.pages import read_page
from aiocdf.errors import DecodeError
from aiocdf.models.functions import Function, FunctionLimits, FunctionsStatus

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from aiocdf._http.sender import Sender
    from aiocdf._wire.http import Request
    from aiocdf._wire.pages import Page

__all__ = ["FunctionRequests"]

_READ, _WRITE = "functionsAcl:READ", "functionsAcl:WRITE"


class FunctionRequests:
    """Sends requests, whose arguments are checked already.

    Args:
        sender: What sends them.
        project_url: Address of the project, up to and without the last slash.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"

    async def create(self, item: Mapping[str, Any]) -> Function:
        """Create a function of an uploaded file. The request is sent once, unless nothing of it left."""
        name, body = f"create function {item['name']!r}", {"items": [item]}
        request = json_request(name, "POST", self._url, body, repeatable=False, capability=_WRITE)
        return _only(name, read_items(request, await self._sender.send(request), Function))

    async def one(self, key: int | str) -> Function:
        """Return a function by its id or external id."""
        return _only(f"look up function {key}", await self.by_ids([key]))

    async def by_ids(self, keys: Sequence[int | str], *, ignore_unknown: bool = False) -> list[Function]:
        """Return functions by their ids or external ids, at most ten."""
        request = json_request(
            f"look up function {', '.join(map(str, keys))}",
            "POST",
            f"{self._url}/byids",
            _named(keys, ignore_unknown=ignore_unknown),
            capability=_READ,
        )
        return read_items(request, await self._sender.send(request), Function)

    async def page(self, wanted: Mapping[str, Any], limit: int) -> Page[Function]:
        """Return the functions that match a filter."""
        body = {"filter": wanted, "limit": limit}
        request = json_request("list functions", "POST", f"{self._url}/list", body, capability=_READ)
        return read_page(request, await self._sender.send(request), Function)

    async def delete(self, keys: Sequence[int | str], *, ignore_unknown: bool = False) -> list[None]:
        """Delete functions, at most ten."""
        request = json_request(
            f"delete function {', '.join(map(str, keys))}",
            "POST",
            f"{self._url}/delete",
            _named(keys, ignore_unknown=ignore_unknown),
            # Sent twice, it would not find what it has deleted.
            repeatable=ignore_unknown,
            capability=_WRITE,
        )
        await self._sender.send(request)
        return []

    async def limits(self) -> FunctionLimits:
        """Return what the project's cloud allows a function."""
        request = json_request("read the limits of functions", "GET", f"{self._url}/limits", capability=_READ)
        return read_value(request, await self._sender.send(request), FunctionLimits)

    async def status(self) -> FunctionsStatus:
        """Return whether the project can have functions."""
        request = json_request("read the status of functions", "GET", f"{self._url}/status", capability=_READ)
        return await self._read_status(request)

    async def activate(self) -> FunctionsStatus:
        """Request that the project can have functions."""
        request = json_request("activate functions", "POST", f"{self._url}/status", capability=_WRITE)
        return await self._read_status(request)

    async def _read_status(self, request: Request) -> FunctionsStatus:
        answer = read_json(request, await self._sender.send(request))
        return FunctionsStatus(member(request, answer, "status", str))


def _only(name: str, found: Sequence[Function]) -> Function:
    if len(found) != 1:
        raise DecodeError(f"{name}: the answer has {len(found)} functions", path="$.items")
    return found[0]


def _named(keys: Sequence[int | str], *, ignore_unknown: bool) -> dict[str, Any]:
    return {"items": [identifier(key) for key in keys], "ignoreUnknownIds": ignore_unknown}
