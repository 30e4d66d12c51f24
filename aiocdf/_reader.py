"""What calls returned and printed, read a few at once."""

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
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
        most: Requests under way at once.
    """

    def __init__(self, sender: Sender, project_url: str, *, most: int) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"
        self._places = asyncio.Semaphore(most)

    async def response(self, function_id: int, call_id: int, Output: Any, *, what: str) -> Any:
        """Return what a call returned, as an *Output* unless that is None; None where it returned nothing.

        Args:
            function_id: The call's function.
            call_id: The call, which has ended.
            Output: The type to build.
            what: The response in words, for messages.
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
        self, function_id: int, call_id: int, over: Callable[[], Awaitable[bool]]
    ) -> AsyncIterator[LogEntry]:
        """Give what a call prints, a line at a time.

        Args:
            function_id: The call's function.
            call_id: The call.
            over: Says whether what is read from then on is all.
        """
        shown, last = 0, False
        while not last:
            last = await over()
            entries = await self.printed(function_id, call_id)
            for entry in entries[shown:]:
                yield entry
            shown = max(shown, len(entries))
            if not last:
                await _clock.sleep(_LOGS_EVERY)

    async def printed(self, function_id: int, call_id: int) -> list[LogEntry]:
        """Return what a call has printed so far, a line an entry."""
        request = json_request(
            f"read the logs of call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}/logs",
            capability=_READ,
        )
        async with self._places:
            return read_items(request, await self._sender.send(request), LogEntry)
