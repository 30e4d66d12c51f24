"""Function calls (API: Function calls)."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from aiocdf._wire.json import json_request, member, read_items, read_json, read_value
from aiocdf.errors import DecodeError
from aiocdf.models.calls import FunctionCall, LogEntry

if TYPE_CHECKING:
    from collections.abc import Collection

    from aiocdf._http.sender import Sender
    from aiocdf._wire.http import Response
    from aiocdf.secret import Secret

__all__ = ["Calls"]

_READ = "functionsAcl:READ"
# Calls on a page of a list, and pages that are read.
_PAGE, _MOST_PAGES = 1000, 20


class Calls:
    """Starts calls and asks after them.

    Args:
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"

    async def start(
        self, function_id: int, data: bytes, nonce: Secret, *, within: float | None = None
    ) -> tuple[FunctionCall, Response]:
        """Start a call: one attempt, whatever comes of it.

        Args:
            function_id: The function's numeric id.
            data: The call's data as JSON text.
            nonce: Of a session made within the last minute.
            within: Seconds until the answer must be there; None for the setting.

        Raises:
            AiocdfError: Any of the transport's, the service's or the token's.
        """
        request = json_request(
            f"call function {function_id}",
            "POST",
            f"{self._url}/{function_id}/call",
            # Put together by hand: the data is JSON already, and may be megabytes.
            encoded=b'{"data":%b,"nonce":%b}' % (data, json.dumps(nonce.reveal()).encode()),
            secrets=(nonce,),
            repeatable=False,
            capability="functionsAcl:RUN",
            timeout=within,
        )
        response = await self._sender.send(request, attempts=1)
        return read_value(request, response, FunctionCall), response

    async def retrieve(self, function_id: int, call_id: int, *, attempts: int | None = None) -> FunctionCall:
        """Return a call as the service describes it now."""
        request = json_request(
            f"read call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}",
            capability=_READ,
        )
        return read_value(request, await self._sender.send(request, attempts=attempts), FunctionCall)

    async def poll(
        self, function_id: int, call_ids: Collection[int], *, within: float | None = None
    ) -> tuple[list[dict[str, Any]], Response]:
        """Read the state of many calls of a function with one request, sent once; unknown calls are left out.

        Args:
            function_id: The function's numeric id.
            call_ids: At most 1,000.
            within: Seconds until the answer must be there; None for the setting.

        Returns:
            The calls as plain objects: most still run, and reading them as values would be work for nothing.
        """
        request = json_request(
            f"poll {len(call_ids)} calls of function {function_id}",
            "POST",
            f"{self._url}/{function_id}/calls/byids",
            {"items": [{"id": call_id} for call_id in call_ids], "ignoreUnknownIds": True},
            capability=_READ,
            timeout=within,
        )
        response = await self._sender.send(request, attempts=1)
        return member(request, read_json(request, response), "items", list), response

    async def started(
        self, function_id: int, earliest: float, latest: float, *, within: float | None = None
    ) -> tuple[list[FunctionCall], Response]:
        """Return the calls of a function that started in some time; each page is asked for once.

        Args:
            function_id: The function's numeric id.
            earliest: In the service's time, in seconds since 1970.
            latest: Also.
            within: Seconds until the answer to a request must be there; None for the setting.

        Raises:
            DecodeError: There are more pages than anyone could look through.
        """
        span = {"min": max(0, int(earliest * 1000)), "max": math.ceil(latest * 1000)}
        found: list[FunctionCall] = []
        cursor: dict[str, str] = {}
        for _ in range(_MOST_PAGES):
            request = json_request(
                f"list calls of function {function_id}",
                "POST",
                f"{self._url}/{function_id}/calls/list",
                {"filter": {"startTime": span}, "limit": _PAGE, **cursor},
                capability=_READ,
                timeout=within,
            )
            response = await self._sender.send(request, attempts=1)
            found += read_items(request, response, FunctionCall)
            following = read_json(request, response).get("nextCursor")
            if not isinstance(following, str):
                return found, response
            cursor = {"cursor": following}
        raise DecodeError(f"{request.name}: more than {_MOST_PAGES} pages of calls", path="$.nextCursor")

    async def response(self, function_id: int, call_id: int) -> Any:
        """Return what a completed call returned; None where it returned nothing."""
        request = json_request(
            f"read the response of call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}/response",
            capability=_READ,
        )
        body = read_json(request, await self._sender.send(request))
        return body.get("response") if isinstance(body, dict) else None

    async def logs(self, function_id: int, call_id: int) -> list[LogEntry]:
        """Return what a call has printed so far, a line an entry."""
        request = json_request(
            f"read the logs of call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}/logs",
            capability=_READ,
        )
        return read_items(request, await self._sender.send(request), LogEntry)
