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
# The service has no cursor for a next page; a project can have 1,000 schedules.
_MOST_BY_IDS, _PAGE = 10_000, 10_000
_LONGEST_NAME, _LONGEST_DESCRIPTION = 140, 500


class Schedules:
    """Creates, reads and deletes schedules.

    Args:
        sender: Sends the requests.
        project_url: The address of the project, without a trailing slash.
        resolve: Returns the ids of functions.
        encode: Returns the data of calls as text and as plain JSON, or raises an error if it is not valid.
        new_session: Creates a session that lasts as long as the schedule.
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
        """Create a schedule: the service calls a function at each of its times.

        Args:
            name: 1 to 140 characters; it does not have to be unique.
            cron: When to call it: minute, hour, day of the month, month, and day of the week, in UTC.
            function: An id, an external id, or a `Function`, which must be `Ready`.
            data: The argument `data` of `handle()` in each call; the same types as for `Client.call`.
            description: At most 500 characters.
            nonce: The nonce of a session that you created within the last minute; the calls then run with that session.
                By default, a session with this client's access rights is created. A session by
                `oneshot_token_exchange` ends within about an hour, so it is only used if `Settings.session_grant` says so.

        Raises:
            UsageError: An argument is not valid. No request was sent.
            NotFound: The project has no such function.
            BadRequest: The service rejected the session, the function is not `Ready`, or it has too many schedules.
        """
        if fault := secret_fault(nonce, "nonce"):
            del nonce  # a secret in bytes must not be among the locals of a traceback
            raise fault
        nonce = None if nonce is None else Secret(nonce)
        item = filter_body(
            name=check_text(name, "name", longest=_LONGEST_NAME),
            cron_expression=check_cron(cron),
            description=description and check_text(description, "description", longest=_LONGEST_DESCRIPTION),
            data=None if data is None else self._encode(data)[1],
        )
        item["functionId"] = await self._resolve(check_function(function), refresh=True)
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
            function: Only schedules of this function: an id, an external id, or a `Function`.
            name: Only schedules with this name.
            cron: Only schedules with exactly this cron expression.
            created_time: Only schedules created between these two times; None for no bound.
            limit: The maximum number of schedules; None for all.

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
            found = {} if of is None else {"functionId": await self._resolve(of, refresh=True)}
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
            schedule_ids: Any number of ids. One request reads at most 10,000.
            ignore_unknown: Leave out schedules that the service does not know.

        Raises:
            NotFound: The service does not know one of them; `missing` has the unknown ids of one request.
        """
        ids = check_ids(schedule_ids, "schedule")
        read = await in_chunks(ids, _MOST_BY_IDS, partial(self._by_ids, ignore_unknown=ignore_unknown))
        found = {schedule.id: schedule for schedule in read}
        return ItemList(in_order(ids, found, what="schedule", ignore_unknown=ignore_unknown))

    async def delete(self, schedule_ids: int | Iterable[int]) -> None:
        """Delete schedules and end their sessions. Running calls continue.

        Args:
            schedule_ids: One id or several. One request deletes at most 10,000; the service deletes all of them or none.

        Raises:
            NotFound: The service does not know one of them.
        """
        await in_chunks(check_ids(schedule_ids, "schedule"), _MOST_BY_IDS, self._delete)

    async def input_data(self, schedule_id: int) -> dict[str, Any]:
        """Return the `data` that the calls of a schedule get.

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
        """Return the next times, in UTC, at which a schedule calls its function. No request is sent.

        Args:
            schedule: A schedule, or a cron expression.
            count: How many times to return.

        Raises:
            ConfigError: The package cronsim, part of the extra `deploy`, is not installed.
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
                error.add_note("The service sends this message also if the function is not Ready. Check its status.")
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
