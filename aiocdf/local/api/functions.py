"""The functions endpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Literal

import attrs
from aiohttp import web

from aiocdf.local.api.new_function import RUNTIMES, read_function
from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import ANY_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.http.fields import Fields
    from aiocdf.local.runtime.catalogue import Function
    from aiocdf.local.state.clouds import Cloud
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Ids, TimeRange
    from aiocdf.local.state.store import Store

__all__ = ["FunctionEndpoints", "MissingKey", "status_of"]

MissingKey = Literal["externalId", "external_id"]

MAX_BY_IDS = 10
MAX_FUNCTIONS = 100
MAX_NAME = 140
MAX_OWNER = 128
STATUSES = ("Queued", "Deploying", "Ready", "Failed")
TRACE_LENGTH = 2000
RUNTIME = f"py{sys.version_info.major}{sys.version_info.minor}"


@attrs.frozen(kw_only=True)
class FunctionEndpoints:
    """The endpoints of `/functions`."""

    registry: FunctionRegistry
    store: Store
    ids: Ids
    limits: Limits
    cloud: Cloud
    missing_key: MissingKey

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", "/functions", self.create, "functionsAcl:WRITE")
        yield Route("GET", "/functions", self.list_functions, "functionsAcl:READ")
        yield Route("POST", "/functions/list", self.filter_functions, "functionsAcl:READ")
        yield Route("POST", "/functions/byids", self.by_ids, "functionsAcl:READ")
        yield Route("POST", "/functions/delete", self.delete, "functionsAcl:WRITE")
        yield Route("GET", "/functions/limits", self.show_limits, "functionsAcl:READ")
        yield Route("GET", "/functions/status", self.status, "functionsAcl:READ")
        yield Route("POST", "/functions/status", self.activate, "functionsAcl:WRITE")
        yield Route("GET", "/functions/{functionId}", self.get, "functionsAcl:READ")

    async def list_functions(self, request: web.Request) -> web.Response:
        """List functions."""
        return await self._listed(FunctionFilter(), fields.from_query(request).limit())

    async def filter_functions(self, request: web.Request) -> web.Response:
        """List the functions that match a filter."""
        body = await fields.from_body(request)
        return await self._listed(FunctionFilter.read(body.object("filter")), body.limit())

    async def create(self, request: web.Request) -> web.Response:
        """Create a function from an uploaded file, and build it in the background."""
        (item,) = (await fields.from_body(request)).items(1)
        record = read_function(item, self.ids.take(), self.cloud)
        if len(await self.registry.functions()) >= MAX_FUNCTIONS:
            raise Problem(400, f"The project has {MAX_FUNCTIONS} functions, the limit: delete some first")
        files = await self.store.files([record.file_id])
        if not files:
            raise Problem(400, f"Unknown file id: {record.file_id}", missing=[{"id": record.file_id}])
        if not files[0].uploaded:
            item.refuse("fileId", "must be the id of a file with uploaded content")
        function = await self.registry.create(record)
        if function is None:
            duplicated = [{"externalId": record.external_id}]
            raise Problem(409, f"Another function has the external id {record.external_id!r}", duplicated=duplicated)
        return web.json_response({"items": [_shown(function, {})]}, status=201)

    async def delete(self, request: web.Request) -> web.Response:
        """Delete functions that were created through the API."""
        functions = await self._found(await fields.from_body(request))
        for function in functions:
            if not self.registry.is_created(function):
                raise Problem(400, f"Function {function.external_id!r} belongs to the served folder: delete it there")
        await self.registry.delete(functions)
        return web.json_response({})

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return functions by id or external id."""
        found = await self._found(await fields.from_body(request))
        called = await self.store.last_called()
        return web.json_response({"items": [_shown(function, called) for function in found]})

    async def get(self, request: web.Request) -> web.Response:
        """Return a function."""
        function = await self.registry.function(fields.from_path(request, "functionId"))
        return web.json_response(_shown(function, await self.store.last_called()))

    async def show_limits(self, _: web.Request) -> web.Response:
        """Return the limits of functions."""
        answer = {
            "timeoutMinutes": self.cloud.timeout_minutes,
            "cpuCores": attrs.asdict(self.cloud.cpu),
            "memoryGb": attrs.asdict(self.cloud.memory),
            "runtimes": list(RUNTIMES),
        }
        if self.cloud.shows_response_size:
            answer["responseSizeMb"] = max(1, self.limits.response_bytes // 1_000_000)
        return web.json_response(answer)

    async def status(self, _: web.Request) -> web.Response:
        """Return the activation status. The local server has functions always activated."""
        return web.json_response({"status": "activated"})

    async def activate(self, _: web.Request) -> web.Response:
        """Accept a request to activate functions."""
        return web.json_response({"status": "activated"}, status=202)

    async def _found(self, body: Fields) -> list[Function]:
        """Return the functions that a request names, in the order of the request."""
        wanted, ignore_unknown = [item.identifier() for item in body.items(MAX_BY_IDS)], body.flag("ignoreUnknownIds")
        functions = await self.registry.functions()
        by_external_id = {function.external_id: function for function in functions.values()}
        found = [functions.get(key) if isinstance(key, int) else by_external_id.get(key) for key in wanted]
        missing = [key for key, function in zip(wanted, found, strict=True) if function is None]
        if missing and not ignore_unknown:
            raise self._unknown(missing)
        return [function for function in found if function is not None]

    def _unknown(self, identifiers: Sequence[int | str]) -> Problem:
        """Return the error response for unknown functions."""
        missing: list[dict[str, Any]] = [
            {"id": key} if isinstance(key, int) else {self.missing_key: key} for key in identifiers
        ]
        return Problem(400, f"Unknown functions: {', '.join(map(str, identifiers))}", missing=missing)

    async def _listed(self, wanted: FunctionFilter, limit: int) -> web.Response:
        functions = (await self.registry.functions()).values()
        called = await self.store.last_called()
        shown = [_shown(function, called) for function in functions]
        return web.json_response({"items": [item for item in shown if wanted.matches(item)][:limit]})


@attrs.frozen(kw_only=True)
class FunctionFilter:
    """Selects the functions to list by their fields in the API."""

    exact: Mapping[str, Any] = {}
    prefix: str = ""
    created: TimeRange = ANY_TIME
    metadata: Mapping[str, str] = {}

    @classmethod
    def read(cls, wanted: Fields) -> FunctionFilter:
        """Return the filter of a request."""
        exact = {
            "name": wanted.optional_text("name", MAX_NAME),
            "owner": wanted.optional_text("owner", MAX_OWNER),
            "fileId": wanted.optional_id("fileId"),
            "status": wanted.choice("status", STATUSES),
        }
        return cls(
            exact={name: value for name, value in exact.items() if value is not None},
            prefix=wanted.optional_text("externalIdPrefix", fields.MAX_EXTERNAL_ID) or "",
            created=wanted.time_range("createdTime"),
            metadata=wanted.texts("metadata"),
        )

    def matches(self, shown: Mapping[str, Any]) -> bool:
        """Return whether a function matches the filter."""
        metadata = shown.get("metadata", {})
        return (
            all(shown.get(name) == value for name, value in self.exact.items())
            and shown.get("externalId", "").startswith(self.prefix)
            and shown["createdTime"] in self.created
            and all(metadata.get(name) == value for name, value in self.metadata.items())
        )


def status_of(function: Function) -> str:
    """Return the status of a function: `Ready` if it accepts calls."""
    return function.build.status


def _end(error: str) -> str:
    """Return the reason and the last part of the traceback or build log, at most as long as the service allows."""
    reason, _, rest = error.partition("\n")
    return error if len(error) <= TRACE_LENGTH else f"{reason[:499]}\n{rest[500 - TRACE_LENGTH :]}"


def _shown(function: Function, called: Mapping[int, int]) -> dict[str, Any]:
    """Return a function as JSON values of the API, without empty fields."""
    deployment, version, error = function.deployment, function.build.runtime_version, function.build.error
    shown = {
        "id": function.id,
        "createdTime": function.created_time,
        "status": status_of(function),
        "name": deployment.name,
        "externalId": function.external_id,
        "fileId": function.id if function.record is None else function.record.file_id,
        "functionPath": deployment.function_path,
        "owner": deployment.owner,
        "description": deployment.description,
        "metadata": dict(deployment.metadata),
        "secrets": dict.fromkeys(deployment.secrets, "***"),
        "envVars": dict(deployment.env_vars),
        "cpu": deployment.cpu,
        "memory": deployment.memory,
        "runtime": deployment.runtime or RUNTIME,
        "runtimeVersion": version and f"Python {version}",
        "lastCalled": called.get(function.id),
    }
    if error is not None:
        shown["error"] = {"message": "Function deployment failed.", "trace": _end(error)}
    return {name: value for name, value in shown.items() if value or name in {"metadata", "secrets", "envVars"}}
