"""Schedules of functions (API: Function schedules)."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from aiocdf import _clock
from aiocdf._chunks import in_chunks, in_order
from aiocdf._listing import Listing
from aiocdf._wire.arguments import check_count, check_text, secret_fault
from aiocdf._wire.cron import check_cron, next_times
from aiocdf._wire.filters import filter_body, time_range
from aiocdf._wire.identifiers import check_function, check_id, check_ids
from aiocdf._wire.json import json_request, read_items, read_json, read_value
from aiocdf._wire.pages import read_page
from aiocdf.errors import BadRequest, DecodeError
from aiocdf.models.html import ItemList
from aiocdf.models.schedules import FunctionSchedule
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from aiocdf._function_ids import Resolve
    from aiocdf._http.sender import Sender
    from aiocdf._wire.pages import Page
    from aiocdf.models.functions import Function
    from aiocdf.models.sessions import Session

__all__ = ["Schedules"]

_READ, _WRITE = "functionsAcl:READ", "functionsAcl:WRITE"
# The service gives no cursor for the next page; a project can have 1,000 schedules.
_MOST_BY_IDS, _PAGE = 10_000, 10_000
_LONGEST_NAME, _LONGEST_DESCRIPTION = 140, 500


class Schedules:
    """Creates, reads and deletes schedules.

    Args:
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
        resolve: Returns the ids of functions.
        encode: Returns the data of calls as text and as plain JSON, or raises what is wrong with it.
        new_session: Creates a session that lasts for as long as the schedule.
    """

    def __init__(
        self,
        sender: Sender,
        project_url: str,
        *,
        resolve: Resolve,
        encode: Callable[[object], tuple[bytes, Any]],
        new_session: Callable[[], Awaitable[Session]],
    ) -> None:
        self._sender = sender
        self._url = f"{project_url}/functions/schedules"
        self._resolve = resolve
        self._encode = encode
        self._new_session = new_session

    async def create(
        self,
        name: str,
        cron: str,
        *,
        function: int | str | Function,
        data: object = None,
        description: str | None = None,
        nonce: str | Secret | None = None,
    ) -> FunctionSchedule:
        """Create a schedule, by which the service calls a function again and again.

        Args:
            name: 1 to 140 characters; several schedules may have the same name.
            cron: When to call it: minute, hour, day of the month, month, day of the week; in UTC.
            function: An id, an external id, or a `Function`, which must be `Ready`.
            data: What `handle()` gets as its `data` each time, as of `Client.call`.
            description: At most 500 characters.
            nonce: Of a session that you created within the last minute, whose rights the calls then have. By default
                the calls have the rights of this client. A session by `oneshot_token_exchange` ends within about an hour,
                so one is created only if `Settings.session_grant` says so.

        Raises:
            UsageError: An argument is not valid; nothing was sent.
            NotFound: The project has no such function.
            BadRequest: The service cannot use the session, the function is not `Ready`, or has too many schedules.
        """
        if fault := secret_fault(nonce, "nonce"):
            del nonce  # a secret in bytes must not stand among the locals of a traceback
            raise fault
        nonce = None if nonce is None else Secret(nonce)
        item = filter_body(
            name=check_text(name, "name", longest=_LONGEST_NAME),
            cron_expression=check_cron(cron),
            description=description and check_text(description, "description", longest=_LONGEST_DESCRIPTION),
            data=None if data is None else self._encode(data)[1],
        )
        item["functionId"] = await self._resolve(check_function(function), anew=True)
        item["nonce"] = (await self._new_session()).nonce if nonce is None else nonce
        return await self._create(item)

    def list(
        self,
        *,
        function: int | str | Function | None = None,
        name: str | None = None,
        cron: str | None = None,
        created_time: tuple[datetime | None, datetime | None] | None = None,
        limit: int | None = None,
    ) -> Listing[FunctionSchedule]:
        """List the project's schedules.

        Args:
            function: Only those of this function: an id, an external id, or a `Function`.
            name: Only those with this name.
            cron: Only those with this cron expression, letter for letter.
            created_time: Only those created from the first time to the second; None for no bound.
            limit: Schedules to give at most; None for all.

        Raises:
            UsageError: An argument is not valid.
        """
        of = None if function is None else check_function(function)
        wanted = filter_body(
            name=name if name is None else check_text(name, "name", longest=_LONGEST_NAME),
            cron_expression=cron if cron is None else check_cron(cron),
            created_time=time_range(created_time, "created_time"),
        )

        async def read(size: int, cursor: str | None) -> Page[FunctionSchedule]:
            found = {} if of is None else {"functionId": await self._resolve(of, anew=True)}
            return await self._page({"filter": wanted | found, "limit": size} | filter_body(cursor=cursor))

        return Listing(read, limit=limit, page_size=_PAGE)

    async def retrieve(self, schedule_id: int) -> FunctionSchedule:
        """Return a schedule.

        Raises:
            NotFound: The project has no such schedule.
        """
        number = check_id(schedule_id, "schedule")
        request = json_request(f"read schedule {number}", "GET", f"{self._url}/{number}", capability=_READ)
        return read_value(request, await self._sender.send(request), FunctionSchedule)

    async def retrieve_many(
        self, schedule_ids: Iterable[int], *, ignore_unknown: bool = False
    ) -> ItemList[FunctionSchedule]:
        """Return several schedules, in the order of their ids.

        Args:
            schedule_ids: Any number of ids; 10,000 go with one request.
            ignore_unknown: Leave out schedules that the service does not know.

        Raises:
            NotFound: The service does not know one of them; `missing` names those of one request.
        """
        ids = check_ids(schedule_ids, "schedule")
        read = await in_chunks(ids, _MOST_BY_IDS, partial(self._by_ids, ignore_unknown=ignore_unknown))
        found = {schedule.id: schedule for schedule in read}
        return ItemList(in_order(ids, found, what="schedule", ignore_unknown=ignore_unknown))

    async def delete(self, schedule_ids: int | Iterable[int]) -> None:
        """Delete schedules and end their sessions; calls that run go on.

        Args:
            schedule_ids: One id or several; 10,000 go with one request, of which the service deletes all or none.

        Raises:
            NotFound: The service does not know one of them.
        """
        await in_chunks(check_ids(schedule_ids, "schedule"), _MOST_BY_IDS, self._delete)

    async def input_data(self, schedule_id: int) -> dict[str, Any]:
        """Return what the calls of a schedule get as their `data`.

        Raises:
            NotFound: The project has no such schedule.
        """
        number = check_id(schedule_id, "schedule")
        url = f"{self._url}/{number}/input_data"
        request = json_request(f"read the data of schedule {number}", "GET", url, capability=_READ)
        body = read_json(request, await self._sender.send(request))
        data = body.get("data") if isinstance(body, dict) else None
        return data if isinstance(data, dict) else {}

    def next_runs(self, schedule: FunctionSchedule | str, count: int = 5) -> ItemList[datetime]:
        """Return the next times, in UTC, at which a schedule calls its function; nothing is sent.

        Args:
            schedule: A schedule, or a cron expression.
            count: Times to return.

        Raises:
            ConfigError: The package cronsim is not installed: the extra `deploy` brings it.
            UsageError: An argument is not valid.
        """
        expression = schedule.cron_expression if isinstance(schedule, FunctionSchedule) else schedule
        now = datetime.fromtimestamp(_clock.wall(), UTC)
        return ItemList(next_times(expression, now, check_count(count, "count")))

    async def _create(self, item: Mapping[str, Any]) -> FunctionSchedule:
        name = f"create schedule {item['name']!r}"
        request = json_request(name, "POST", self._url, {"items": [item]}, repeatable=False, capability=_WRITE)
        try:
            response = await self._sender.send(request)
        except BadRequest as error:
            if error.detail.startswith("Failed to bind session"):
                error.add_note("The service says this also of a function that is not Ready: read its status.")
            raise
        schedules = read_items(request, response, FunctionSchedule)
        if len(schedules) != 1:
            raise DecodeError(f"{name}: the answer has {len(schedules)} schedules", path="$.items")
        return schedules[0]

    async def _page(self, body: Mapping[str, Any]) -> Page[FunctionSchedule]:
        request = json_request("list schedules", "POST", f"{self._url}/list", body, capability=_READ)
        return read_page(request, await self._sender.send(request), FunctionSchedule)

    async def _by_ids(self, schedule_ids: Sequence[int], *, ignore_unknown: bool) -> Sequence[FunctionSchedule]:
        name, url = "read schedules", f"{self._url}/byids"
        body = {"items": [{"id": number} for number in schedule_ids], "ignoreUnknownIds": ignore_unknown}
        request = json_request(name, "POST", url, body, capability=_READ)
        return read_items(request, await self._sender.send(request), FunctionSchedule)

    async def _delete(self, schedule_ids: Sequence[int]) -> Sequence[None]:
        name, body = "delete schedules", {"items": [{"id": number} for number in schedule_ids]}
        request = json_request(name, "POST", f"{self._url}/delete", body, capability=_WRITE)
        read_json(request, await self._sender.send(request))
        return ()
