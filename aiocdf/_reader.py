"""Reads what calls returned and printed, a few at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf._wire.converter import structure
from aiocdf._wire.json import json_request, read_items, read_json
from aiocdf.models.calls import LogEntry

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from aiocdf._http.sender import Sender

__all__ = ["Reader"]

_READ = "functionsAcl:READ"
_LOGS_EVERY = 1.0


class Reader:
    """Reads responses and logs, for handles and for `client.calls`.

    Args:
        sender: Sends the requests.
        project_url: The address of the project, without a slash at the end.
        most: The maximum number of concurrent requests.
    """

    def __init__(self, sender: Sender, project_url: str, *, most: int) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"
        self._places = asyncio.Semaphore(most)

    async def response(self, function_id: int, call_id: int, Output: Any, *, what: str) -> Any:
        """Return what a call returned, built as an *Output*; None if it returned nothing.

        Args:
            function_id: The id of the call's function.
            call_id: The id of a call that has ended.
            Output: The type to build; None for plain JSON values.
            what: The response as text, for messages.

        Raises:
            DecodeError: The response does not fit *Output*.
        """
        request = json_request(
            f"read the response of call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}/response",
            capability=_READ,
        )
        async with self._places:
            body = read_json(request, await self._sender.send(request))
        value = body.get("response") if isinstance(body, dict) else None
        return value if Output is None else structure(value, Output, what=what)

    async def logs(
        self, function_id: int, call_id: int, complete: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[LogEntry]:
        """Yield the lines that a call prints.

        Args:
            function_id: The id of the call's function.
            call_id: The call's id.
            complete: Returns whether a read from now on returns all lines, which ends the iteration.
        """
        shown, last = 0, False
        while not last:
            last = await complete()
            entries = await self.printed(function_id, call_id)
            for entry in entries[shown:]:
                yield entry
            shown = max(shown, len(entries))
            if not last:
                await _clock.sleep(_LOGS_EVERY)

    async def printed(self, function_id: int, call_id: int) -> list[LogEntry]:
        """Return what a call has printed so far, one entry per line."""
        request = json_request(
            f"read the logs of call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}/logs",
            capability=_READ,
        )
        async with self._places:
            return read_items(request, await self._sender.send(request), LogEntry)
