"""Function calls (API: Function calls)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, overload

from aiocdf._chunks import in_chunks, in_order
from aiocdf._function_ids import with_function_id
from aiocdf._listing import Listing
from aiocdf._wire.converter import check_type
from aiocdf._wire.filters import filter_body, known_status, time_range
from aiocdf._wire.identifiers import check_function, check_id, check_ids
from aiocdf._wire.json import json_request, read_items, read_value
from aiocdf._wire.pages import read_page
from aiocdf.models.calls import CallStatus, FunctionCall
from aiocdf.models.html import ItemList

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
    from datetime import datetime

    from typing_extensions import TypeForm

    from aiocdf._function_ids import Resolve
    from aiocdf._http.sender import Sender
    from aiocdf._reader import Reader
    from aiocdf._wire.pages import Page
    from aiocdf.models.calls import LogEntry
    from aiocdf.models.functions import Function

__all__ = ["Calls"]

T = TypeVar("T")

_READ = "functionsAcl:READ"
_MOST_BY_IDS = 10_000


class Calls:
    """Reads the calls of functions. To make calls and follow them, use `client.call` and `client.attach`.

    Args:
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
        resolve: Returns the ids of functions.
        reader: Reads responses and logs.
    """

    def __init__(self, sender: Sender, project_url: str, *, resolve: Resolve, reader: Reader) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions"
        self._resolve = resolve
        self._reader = reader

    async def retrieve(self, function: int | str | Function, call_id: int) -> FunctionCall:
        """Return a call as the service describes it now.

        Args:
            function: An id, an external id, or a `Function`.
            call_id: The call's id.

        Raises:
            NotFound: The function has no such call; the service keeps calls for 90 days.
        """
        name, number = check_function(function), check_id(call_id, "call")
        return await with_function_id(self._resolve, name, self._call, number)

    async def retrieve_many(
        self, function: int | str | Function, call_ids: Iterable[int], *, ignore_unknown: bool = False
    ) -> ItemList[FunctionCall]:
        """Return several calls of a function, in the order of their ids.

        Args:
            function: An id, an external id, or a `Function`.
            call_ids: Any number of ids; 10,000 go with one request.
            ignore_unknown: Leave out calls that the service does not know.

        Raises:
            NotFound: The service does not know one of them; `missing` names those of one request.
        """
        name, ids = check_function(function), check_ids(call_ids, "call")
        calls = await with_function_id(self._resolve, name, self._calls, ids, ignore_unknown=ignore_unknown)
        found = {call.id: call for call in calls}
        return ItemList(in_order(ids, found, what="call", ignore_unknown=ignore_unknown))

    def list(
        self,
        function: int | str | Function,
        *,
        status: CallStatus | str | None = None,
        schedule_id: int | None = None,
        start_time: tuple[datetime | None, datetime | None] | None = None,
        end_time: tuple[datetime | None, datetime | None] | None = None,
        limit: int | None = None,
    ) -> Listing[FunctionCall]:
        """List the calls of a function, those of the last 90 days.

        Args:
            function: An id, an external id, or a `Function`.
            status: Only calls that stand so.
            schedule_id: Only calls that this schedule started.
            start_time: Only calls that started from the first time to the second; None for no bound.
            end_time: Only calls that ended in that span.
            limit: Calls to give at most; None for all.

        Raises:
            UsageError: An argument is not valid.
        """
        name = check_function(function)
        wanted = filter_body(
            status=known_status(status, CallStatus),
            schedule_id=None if schedule_id is None else check_id(schedule_id, "schedule"),
            start_time=time_range(start_time, "start_time"),
            end_time=time_range(end_time, "end_time"),
        )

        async def read(size: int, cursor: str | None) -> Page[FunctionCall]:
            body = {"filter": wanted, "limit": size} | filter_body(cursor=cursor)
            return await with_function_id(self._resolve, name, self._page, body)

        return Listing(read, limit=limit)

    @overload
    async def response(self, function: int | str | Function, call_id: int) -> Any: ...

    @overload
    async def response(self, function: int | str | Function, call_id: int, Output: type[T]) -> T: ...

    @overload
    async def response(self, function: int | str | Function, call_id: int, Output: TypeForm[T]) -> T: ...

    async def response(self, function: int | str | Function, call_id: int, Output: Any = None) -> Any:
        """Return what a completed call returned; None where it returned nothing.

        Args:
            function: An id, an external id, or a `Function`.
            call_id: The call's id.
            Output: The type to build; None for plain JSON values.

        Raises:
            NotFound: The function has no such call.
            BadRequest: The call still runs.
            DecodeError: The value does not fit *Output*.
            InvalidType: No value can be built as *Output*.
        """
        check_type(Output, "Output")
        name, number = check_function(function), check_id(call_id, "call")
        what = f"the response of call {number} of function {name}"
        return await with_function_id(self._resolve, name, self._reader.response, number, Output, what=what)

    def logs(self, function: int | str | Function, call_id: int, *, follow: bool = False) -> AsyncIterator[LogEntry]:
        """Give what a call printed, a line an entry, as an async iterator.

        Args:
            function: An id, an external id, or a `Function`.
            call_id: The call's id.
            follow: Go on until the call has ended; by default the iteration ends with what it has printed so far.

        Raises:
            NotFound: The function has no such call.
        """
        return self._logs(check_function(function), check_id(call_id, "call"), follow=follow)

    async def _logs(self, function: int | str, call_id: int, *, follow: bool) -> AsyncIterator[LogEntry]:
        if not follow:
            for entry in await with_function_id(self._resolve, function, self._reader.printed, call_id):
                yield entry
            return
        call = await with_function_id(self._resolve, function, self._call, call_id)

        async def over() -> bool:
            return call.ended or (await self._call(call.function_id, call_id)).ended

        async for entry in self._reader.logs(call.function_id, call_id, over):
            yield entry

    async def _call(self, function_id: int, call_id: int) -> FunctionCall:
        request = json_request(
            f"read call {call_id} of function {function_id}",
            "GET",
            f"{self._url}/{function_id}/calls/{call_id}",
            capability=_READ,
        )
        return read_value(request, await self._sender.send(request), FunctionCall)

    async def _calls(
        self, function_id: int, call_ids: Sequence[int], *, ignore_unknown: bool
    ) -> Sequence[FunctionCall]:
        read = partial(self._by_ids, function_id, ignore_unknown=ignore_unknown)
        return await in_chunks(call_ids, _MOST_BY_IDS, read)

    async def _by_ids(
        self, function_id: int, call_ids: Sequence[int], *, ignore_unknown: bool
    ) -> Sequence[FunctionCall]:
        request = json_request(
            f"read {len(call_ids)} calls of function {function_id}",
            "POST",
            f"{self._url}/{function_id}/calls/byids",
            {"items": [{"id": call_id} for call_id in call_ids], "ignoreUnknownIds": ignore_unknown},
            capability=_READ,
        )
        return read_items(request, await self._sender.send(request), FunctionCall)

    async def _page(self, function_id: int, body: Mapping[str, Any]) -> Page[FunctionCall]:
        url = f"{self._url}/{function_id}/calls/list"
        request = json_request(f"list calls of function {function_id}", "POST", url, body, capability=_READ)
        return read_page(request, await self._sender.send(request), FunctionCall)
