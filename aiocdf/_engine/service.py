"""The engine's own requests. Each is sent once: the engine decides what follows from an error."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from aiocdf._wire.json import json_request, member, read_items, read_json, read_value
from aiocdf._wire.new_session import new_session_request, read_new_session
from aiocdf._wire.pages import read_page
from aiocdf.errors import DecodeError
from aiocdf.models.calls import FunctionCall
from aiocdf.models.functions import Function, FunctionLimits
from aiocdf.models.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiocdf._http.sender import Sender
    from aiocdf._wire.http import Request, Response
    from aiocdf.secret import Secret

__all__ = ["Service"]

_READ = "functionsAcl:READ"
# Calls on a page of a list.
_PAGE = 1000


class Service:
    """Sends the engine's requests.

    Args:
        sender: Sends them over HTTP.
        project_url: The address of the project, without a slash at the end.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = project_url

    async def start(
        self, function_id: int, data: bytes, nonce: Secret, *, within: float | None = None
    ) -> tuple[FunctionCall, Response]:
        """Start a call.

        Args:
            function_id: The function's id.
            data: The call's data as JSON text.
            nonce: The nonce of a session that was created within the last minute.
            within: The time limit for the answer in seconds; None for the setting.

        Raises:
            AiocdfError: No token is available, the transport failed, or the service answered with an error.
        """
        request = json_request(
            f"call function {function_id}",
            "POST",
            f"{self._url}/functions/{function_id}/call",
            # Concatenated: the data is JSON already, and may be megabytes.
            encoded=b'{"data":%b,"nonce":%b}' % (data, json.dumps(nonce.reveal()).encode()),
            secrets=(nonce,),
            repeatable=False,
            capability="functionsAcl:RUN",
            timeout=within,
        )
        response = await self._send(request)
        return read_value(request, response, FunctionCall), response

    async def call(self, function_id: int, call_id: int) -> FunctionCall:
        """Read the present state of a call."""
        name = f"read call {call_id} of function {function_id}"
        url = f"{self._url}/functions/{function_id}/calls/{call_id}"
        request = json_request(name, "GET", url, capability=_READ)
        return read_value(request, await self._send(request), FunctionCall)

    async def poll(
        self, function_id: int, call_ids: Collection[int], *, within: float | None = None
    ) -> tuple[list[dict[str, Any]], Response]:
        """Read the states of many calls of a function; the answer omits unknown calls.

        Args:
            function_id: The function's id.
            call_ids: The ids, at most 1,000.
            within: The time limit for the answer in seconds; None for the setting.

        Returns:
            The calls as plain objects, because most still run and need no conversion.
        """
        request = json_request(
            f"poll {len(call_ids)} calls of function {function_id}",
            "POST",
            f"{self._url}/functions/{function_id}/calls/byids",
            {"items": [{"id": call_id} for call_id in call_ids], "ignoreUnknownIds": True},
            capability=_READ,
            timeout=within,
        )
        response = await self._send(request)
        return member(request, read_json(request, response), "items", list), response

    async def started(
        self,
        function_id: int,
        earliest: float = 0.0,
        latest: float | None = None,
        *,
        pages: int = 20,
        within: float | None = None,
    ) -> tuple[list[FunctionCall], Response]:
        """Return the calls of a function that started in a span of time.

        Args:
            function_id: The function's id.
            earliest: The earliest start, in seconds since 1970 by the service's clock.
            latest: The latest start, likewise; None for no bound.
            pages: The maximum number of pages of 1,000 calls to read.
            within: The time limit for the answer to each request in seconds; None for the setting.

        Raises:
            DecodeError: There are more pages.
        """
        span = {"min": max(0, int(earliest * 1000))}
        if latest is not None:
            span["max"] = math.ceil(latest * 1000)
        found: list[FunctionCall] = []
        cursor: dict[str, str] = {}
        for _ in range(pages):
            request = json_request(
                f"list calls of function {function_id}",
                "POST",
                f"{self._url}/functions/{function_id}/calls/list",
                {"filter": {"startTime": span}, "limit": _PAGE, **cursor},
                capability=_READ,
                timeout=within,
            )
            response = await self._send(request)
            page = read_page(request, response, FunctionCall)
            found += page.items
            if page.cursor is None:
                return found, response
            cursor = {"cursor": page.cursor}
        raise DecodeError(f"{request.name}: more than {pages} pages of calls", path="$.nextCursor")

    async def function(self, function: int | str, *, attempts: int | None = 1) -> Function:
        """Read a function by its id or external id.

        Args:
            function: The id or external id.
            attempts: How many times the request may be sent; None for the setting.

        Raises:
            NotFound: The project has no such function.
        """
        item = {"externalId": function} if isinstance(function, str) else {"id": function}
        name = f"look up function {function}"
        url = f"{self._url}/functions/byids"
        request = json_request(name, "POST", url, {"items": [item]}, capability=_READ)
        found = read_items(request, await self._sender.send(request, attempts=attempts), Function)
        if len(found) != 1:
            raise DecodeError(f"{name}: the answer has {len(found)} functions", path="$.items")
        return found[0]

    async def limits(self) -> FunctionLimits:
        """Read the limits of functions in the project's cloud."""
        url = f"{self._url}/functions/limits"
        request = json_request("read the limits of functions", "GET", url, capability=_READ)
        return read_value(request, await self._send(request), FunctionLimits)

    async def new_session(self, item: Mapping[str, Any], *, within: float | None = None) -> Session:
        """Create a session; its nonce is valid for about a minute.

        Args:
            item: The item of the request, as `session_requests` returns it.
            within: The time limit for the answer in seconds; None for the setting.

        Raises:
            PermissionDenied: The caller lacks sessionsAcl:CREATE.
        """
        request = new_session_request(f"{self._url}/sessions", item, within=within)
        return read_new_session(request, await self._send(request))

    async def sessions(self, ids: Collection[int], *, within: float | None = None) -> tuple[list[Session], Response]:
        """Read the present states of sessions.

        Args:
            ids: The ids, at most 1,000. If one of them is unknown, the service returns no session.
            within: The time limit for the answer in seconds; None for the setting.

        Raises:
            PermissionDenied: The caller lacks sessionsAcl:LIST.
            ApiError: An id is unknown; `missing` names it.
        """
        request = json_request(
            f"read {len(ids)} sessions",
            "POST",
            f"{self._url}/sessions/byids",
            {"items": [{"id": session_id} for session_id in ids]},
            capability="sessionsAcl:LIST",
            timeout=within,
        )
        response = await self._send(request)
        return read_items(request, response, Session), response

    async def _send(self, request: Request) -> Response:
        return await self._sender.send(request, attempts=1)
