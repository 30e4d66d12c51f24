"""The schedules endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiocdf.local.api.calls import check_size
from aiocdf.local.api.cron import explain
from aiocdf.local.api.functions import status_of
from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.problems import Problem
from aiocdf.local.identity.issuer import digest
from aiocdf.local.state.records import ANY_TIME, now_ms
from aiocdf.local.state.schedules import Schedule
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.http.fields import Fields
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Ids, TimeRange
    from aiocdf.local.state.store import Store

__all__ = ["ScheduleEndpoints"]

MAX_BY_IDS = 10_000
MAX_SCHEDULES = 1_000
MAX_OF_FUNCTION = 100


@attrs.frozen(kw_only=True)
class ScheduleEndpoints:
    """The endpoints of `/functions/schedules`.

    Args:
        registry: All functions.
        store: Stores schedules and their sessions.
        ids: Generates ids.
        limits: The maximum size of `data`.
        on_change: Called when schedules were added or removed.
    """

    registry: FunctionRegistry
    store: Store
    ids: Ids
    limits: Limits
    on_change: Callable[[], None]

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        schedules = "/functions/schedules"
        yield Route("POST", schedules, self.create, "functionsAcl:WRITE")
        yield Route("GET", schedules, self.list_schedules, "functionsAcl:READ")
        yield Route("POST", f"{schedules}/list", self.filter_schedules, "functionsAcl:READ")
        yield Route("POST", f"{schedules}/byids", self.by_ids, "functionsAcl:READ")
        yield Route("POST", f"{schedules}/delete", self.delete, "functionsAcl:WRITE")
        yield Route("GET", f"{schedules}/{{scheduleId}}", self.get, "functionsAcl:READ")
        yield Route("GET", f"{schedules}/{{scheduleId}}/input_data", self.input_data, "functionsAcl:READ")

    async def create(self, request: web.Request) -> web.Response:
        """Create a schedule. Its calls use the session of the nonce."""
        (item,) = (await fields.from_body(request)).items(1)
        described = self._described(item)
        nonce = Secret(item.text("nonce"))
        if described["data"] is not None:
            check_size(described["data"], self.limits)
        await self._check_function(described["function_id"])
        session = await self.store.bind_session(digest(nonce), now_ms())
        if session is None:
            raise _not_bound()
        schedule = Schedule(id=self.ids.take(), created_time=now_ms(), session_id=session.id, **described)
        await self.store.add_schedule(schedule)
        self.on_change()
        return web.json_response({"items": [_shown(schedule)]}, status=201)

    async def list_schedules(self, request: web.Request) -> web.Response:
        """List schedules, newest first."""
        return await self._listed(ScheduleFilter(), fields.from_query(request).limit())

    async def filter_schedules(self, request: web.Request) -> web.Response:
        """List the schedules that match a filter, newest first."""
        body = await fields.from_body(request)
        return await self._listed(ScheduleFilter.read(body.object("filter")), body.limit())

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return schedules by id."""
        return web.json_response(
            {"items": [_shown(schedule) for schedule in await self._found(request, may_ignore=True)]}
        )

    async def delete(self, request: web.Request) -> web.Response:
        """Delete schedules and revoke their sessions. Their calls remain."""
        found = await self._found(request, may_ignore=False)
        await self.store.delete_schedules([schedule.id for schedule in found])
        await self.store.revoke_sessions([schedule.session_id for schedule in found])
        self.on_change()
        return web.json_response({})

    async def get(self, request: web.Request) -> web.Response:
        """Return a schedule."""
        return web.json_response(_shown(await self._known(request)))

    async def input_data(self, request: web.Request) -> web.Response:
        """Return the `data` of a schedule's calls."""
        schedule = await self._known(request)
        data = {} if schedule.data is None else {"data": schedule.data}
        return web.json_response({"id": schedule.id} | data)

    def _described(self, item: Fields) -> dict[str, Any]:
        """Return the fields of the schedule that an item describes."""
        name, expression = item.text("name", 140), item.text("cronExpression", 1024)
        try:
            when = explain(expression)
        except ValueError as error:
            item.refuse("cronExpression", f"must be a valid cron expression: {error}")
        if ("functionId" in item) == ("functionExternalId" in item):
            item.refuse_all("must have either functionId or functionExternalId")
        if "functionExternalId" in item:
            # The service's own message, also for sessions that do not come from an identity provider.
            raise Problem(
                400,
                "When creating a schedule with OIDC-tokens, you must use 'function_id' and not 'function_external_id'",
            )
        return {
            "name": name,
            "description": item.optional_text("description", 500),
            "cron_expression": expression,
            "when": when,
            "function_id": item.id("functionId"),
            "data": item.object("data").values if "data" in item else None,
        }

    async def _check_function(self, function_id: int) -> None:
        """Check that a function is Ready and can have one more schedule.

        Raises:
            Problem: The function is unknown or not Ready, or the number of schedules is at its limit.
        """
        function = await self.registry.settled(await self.registry.function(function_id))
        if status_of(function) != "Ready":
            raise _not_bound()
        schedules = await self.store.schedules()
        of_function = sum(schedule.function_id == function_id for schedule in schedules)
        if len(schedules) >= MAX_SCHEDULES or of_function >= MAX_OF_FUNCTION:
            raise Problem(
                400,
                f"The limit is {MAX_SCHEDULES} schedules per project and {MAX_OF_FUNCTION} per function: delete some",
            )

    async def _listed(self, wanted: ScheduleFilter, limit: int) -> web.Response:
        external_ids = {id_: function.external_id for id_, function in (await self.registry.functions()).items()}
        found = [
            schedule
            for schedule in await self.store.schedules()
            if wanted.matches(schedule, external_ids.get(schedule.function_id))
        ]
        return web.json_response({"items": [_shown(schedule) for schedule in found[:limit]]})

    async def _found(self, request: web.Request, *, may_ignore: bool) -> list[Schedule]:
        """Return the schedules that a request names, in the order of the request."""
        body = await fields.from_body(request)
        ids, ignore_unknown = (
            [item.id() for item in body.items(MAX_BY_IDS)],
            may_ignore and body.flag("ignoreUnknownIds"),
        )
        by_id = {schedule.id: schedule for schedule in await self.store.schedules()}
        missing = [schedule_id for schedule_id in ids if schedule_id not in by_id]
        if missing and not ignore_unknown:
            raise _unknown(missing)
        return [by_id[schedule_id] for schedule_id in ids if schedule_id in by_id]

    async def _known(self, request: web.Request) -> Schedule:
        schedule_id = fields.from_path(request, "scheduleId")
        for schedule in await self.store.schedules():
            if schedule.id == schedule_id:
                return schedule
        raise _unknown([schedule_id])


@attrs.frozen(kw_only=True)
class ScheduleFilter:
    """Which schedules to list."""

    exact: Mapping[str, Any] = {}
    function_external_id: str | None = None
    created: TimeRange = ANY_TIME

    @classmethod
    def read(cls, wanted: Fields) -> ScheduleFilter:
        """Return the filter of a request. The API document and clients spell two of its fields differently."""
        ids = [name for name in ("functionId", "FunctionId") if name in wanted]
        external_ids = [name for name in ("functionExternalId", "FunctionExternalId") if name in wanted]
        if len(ids) + len(external_ids) > 1:
            wanted.refuse_all("must have at most one of functionId and functionExternalId")
        exact = {
            "name": wanted.optional_text("name", 140),
            "cron_expression": wanted.optional_text("cronExpression", 1024),
            "function_id": wanted.id(ids[0]) if ids else None,
        }
        return cls(
            exact={name: value for name, value in exact.items() if value is not None},
            function_external_id=wanted.text(external_ids[0], 255) if external_ids else None,
            created=wanted.time_range("createdTime"),
        )

    def matches(self, schedule: Schedule, external_id: str | None) -> bool:
        """Return whether a schedule matches the filter; *external_id* is that of its function."""
        return (
            all(getattr(schedule, name) == value for name, value in self.exact.items())
            and self.function_external_id in {None, external_id}
            and schedule.created_time in self.created
        )


def _not_bound() -> Problem:
    # The service's own message, also if the function is not Ready.
    return Problem(400, "Failed to bind session on schedule with id None.")


def _unknown(ids: Iterable[int]) -> Problem:
    missing = [{"id": schedule_id} for schedule_id in ids]
    return Problem(400, f"Unknown schedule ids: {', '.join(str(item['id']) for item in missing)}", missing=missing)


def _shown(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as JSON values of the API. The session id is a number, as in responses of the service."""
    shown = {
        "id": schedule.id,
        "createdTime": schedule.created_time,
        "name": schedule.name,
        "description": schedule.description,
        "cronExpression": schedule.cron_expression,
        "when": schedule.when,
        "functionId": schedule.function_id,
        "sessionId": schedule.session_id,
    }
    return {name: value for name, value in shown.items() if value is not None}
