"""The endpoints of function calls."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any, Literal, get_args

import attrs
from aiohttp import web

from aiocdf.local.api.functions import status_of
from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.paging import from_cursor, page
from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import CallQuery, CallStatus
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.api.executions import Executions
    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.http.fields import Fields
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Call
    from aiocdf.local.state.store import Store

__all__ = ["CallEndpoints", "ErrorShape", "check_size", "ready_function"]

ErrorShape = Literal["object", "string"]

MAX_BY_IDS = 10_000
MAX_PAGE = 10_000


@attrs.frozen(kw_only=True)
class CallEndpoints:
    """The endpoints of `/functions/{functionId}/call` and `/functions/{functionId}/calls`."""

    registry: FunctionRegistry
    executions: Executions
    store: Store
    limits: Limits
    error_shape: ErrorShape

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        calls = "/functions/{functionId}/calls"
        yield Route("POST", "/functions/{functionId}/call", self.call, "functionsAcl:RUN")
        yield Route("GET", calls, self.list_calls, "functionsAcl:READ")
        yield Route("POST", f"{calls}/list", self.filter_calls, "functionsAcl:READ")
        yield Route("POST", f"{calls}/byids", self.by_ids, "functionsAcl:READ")
        yield Route("GET", f"{calls}/{{callId}}", self.get, "functionsAcl:READ")
        yield Route("GET", f"{calls}/{{callId}}/response", self.response, "functionsAcl:READ")
        yield Route("GET", f"{calls}/{{callId}}/logs", self.logs, "functionsAcl:READ")

    async def call(self, request: web.Request) -> web.Response:
        """Start a call."""
        function_id = fields.from_path(request, "functionId")
        body = await fields.from_body(request)
        nonce, data = Secret(body.text("nonce")), body.object("data").values
        if len(await request.read()) > self.limits.data_bytes:
            check_size(data, self.limits)
        function = await ready_function(self.registry, function_id)
        call = await self.executions.start(function, nonce, data)
        return web.json_response(self._shown(call), status=201)

    async def list_calls(self, request: web.Request) -> web.Response:
        """List calls, newest first."""
        return await self._listed(request, fields.from_query(request))

    async def filter_calls(self, request: web.Request) -> web.Response:
        """List the calls that match a filter, newest first."""
        return await self._listed(request, await fields.from_body(request))

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return calls by id."""
        body = await fields.from_body(request)
        ids, ignore_unknown = [item.id() for item in body.items(MAX_BY_IDS)], body.flag("ignoreUnknownIds")
        if twice := [{"id": call_id} for call_id, times in Counter(ids).items() if times > 1]:
            raise Problem(400, "items must be unique", duplicated=twice)
        function_id = fields.from_path(request, "functionId")
        found = await self.store.calls(function_id, ids)
        if len(found) < len(ids):
            await self.registry.function(function_id)
            if not ignore_unknown:
                raise _unknown(function_id, set(ids) - {call.id for call in found})
        return web.json_response({"items": [self._shown(call) for call in found]})

    async def get(self, request: web.Request) -> web.Response:
        """Return a call."""
        return web.json_response(self._shown(await self._known(request)))

    async def response(self, request: web.Request) -> web.Response:
        """Return the response of an ended call, if it has one."""
        call = await self._known(request)
        if call.status == "Running":
            raise Problem(400, f"Call {call.id} of function {call.function_id} is still running")
        # The stored JSON goes into the body unchanged, without decoding and encoding it.
        returned = await self.store.response(call.id)
        value = b"" if returned is None else b',"response":' + returned
        body = b'{"functionId":%d,"callId":%d%s}' % (call.function_id, call.id, value)
        return web.Response(body=body, content_type="application/json", charset="utf-8")

    async def logs(self, request: web.Request) -> web.Response:
        """Return the log of a call; the lines so far if it is running."""
        call = await self._known(request)
        lines = self.executions.log(call.id)
        if lines is None:
            lines = await self.store.log(call.id)
        return web.json_response({"items": [attrs.asdict(line) for line in lines]})

    async def _listed(self, request: web.Request, requested: Fields) -> web.Response:
        function_id = fields.from_path(request, "functionId")
        await self.registry.function(function_id)
        limit = min(requested.limit(), MAX_PAGE)
        wanted = requested.object("filter")
        query = CallQuery(
            limit=limit + 1,
            before=from_cursor(requested),
            status=wanted.choice("status", get_args(CallStatus)),
            schedule_id=wanted.optional_id("scheduleId"),
            accepted=wanted.time_range("startTime"),
            end_time=wanted.time_range("endTime"),
        )
        return web.json_response(page(await self.store.list_calls(function_id, query), limit, self._listed_as))

    async def _known(self, request: web.Request) -> Call:
        function_id, call_id = (fields.from_path(request, name) for name in ("functionId", "callId"))
        found = await self.store.calls(function_id, [call_id])
        if not found:
            await self.registry.function(function_id)
            raise _unknown(function_id, {call_id})
        return found[0]

    def _shown(self, call: Call) -> dict[str, Any]:
        """Return a call as JSON values of the API."""
        shown = {
            "id": call.id,
            "functionId": call.function_id,
            "status": call.status,
            "startTime": call.start_time,
            "endTime": call.end_time,
            "error": self._error(call),
            "scheduleId": call.schedule_id,
            "scheduledTime": call.scheduled_time,
        }
        return {name: value for name, value in shown.items() if value is not None}

    def _listed_as(self, call: Call) -> dict[str, Any]:
        """Return a call as JSON values for lists, with the time by which it is listed as the start time."""
        return self._shown(attrs.evolve(call, start_time=call.accepted))

    def _error(self, call: Call) -> str | dict[str, str] | None:
        if call.message is None or self.error_shape == "string":
            return call.message
        return {"message": call.message, "trace": call.trace or ""}


async def ready_function(registry: FunctionRegistry, function_id: int) -> Function:
    """Return a function that is Ready.

    Raises:
        Problem: The function is unknown or not Ready. The message says why.
    """
    function = await registry.settled(await registry.function(function_id))
    if (status := status_of(function)) != "Ready":
        reason = f" ({function.build.error.partition(chr(10))[0]})" if function.build.error else ""
        raise Problem(400, f"Function {function_id} is not ready to be called: its status is {status}{reason}")
    return function


def check_size(data: Any, limits: Limits) -> None:
    """Reject data that is too large as compact JSON. The client may have sent it with spaces or escapes.

    Raises:
        Problem: The data is too large.
    """
    size = len(json.dumps(data, separators=(",", ":"), ensure_ascii=False).encode(errors="surrogatepass"))
    if size > limits.data_bytes:
        raise Problem(400, f"data is {size} bytes of JSON: send at most {limits.data_bytes} bytes")


def _unknown(function_id: int, ids: set[int]) -> Problem:
    """Return the error response for unknown calls."""
    missing = [{"id": call_id} for call_id in sorted(ids)]
    return Problem(400, f"Unknown call ids of function {function_id}", missing=missing)
