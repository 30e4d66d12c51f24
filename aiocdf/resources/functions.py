"""Functions (API: Functions)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiocdf._wire.json import json_request, read_items, read_value
from aiocdf.errors import DecodeError
from aiocdf.models.functions import Function, FunctionLimits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf._http.sender import Sender

__all__ = ["Functions"]

_READ = "functionsAcl:READ"


class Functions:
    """Reads what functions there are.

    Args:
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"

    async def retrieve(self, function: int | str, *, attempts: int | None = None) -> Function:
        """Return a function by its id or external id.

        Args:
            function: The id or external id.
            attempts: How often the request may be sent; None for the setting.

        Raises:
            NotFound: The project has no such function.
        """
        found = await self.by_ids([function], attempts=attempts)
        if len(found) != 1:
            raise DecodeError(f"look up function {function}: the answer has {len(found)} functions", path="$.items")
        return found[0]

    async def by_ids(self, functions: Sequence[int | str], *, attempts: int | None = None) -> list[Function]:
        """Return functions by their ids or external ids, in that order; at most ten.

        Raises:
            NotFound: One of them does not exist; `missing` names it.
        """
        items = [{"externalId": name} if isinstance(name, str) else {"id": name} for name in functions]
        request = json_request(
            f"look up function {', '.join(str(name) for name in functions)}",
            "POST",
            f"{self._url}/byids",
            {"items": items},
            capability=_READ,
        )
        return read_items(request, await self._sender.send(request, attempts=attempts), Function)

    async def list(self, *, limit: int = 1000) -> list[Function]:
        """Return the project's functions, *limit* of them at the most."""
        request = json_request(
            "list functions", "POST", f"{self._url}/list", {"filter": {}, "limit": limit}, capability=_READ
        )
        return read_items(request, await self._sender.send(request), Function)

    async def limits(self, *, attempts: int | None = None) -> FunctionLimits:
        """Return what the project's cloud allows a function."""
        request = json_request("read the limits of functions", "GET", f"{self._url}/limits", capability=_READ)
        return read_value(request, await self._sender.send(request, attempts=attempts), FunctionLimits)
