"""The functions endpoints."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.problems import Problem
from aiocdf.local.state.records import ANY_TIME

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from aiocdf.local.http.fields import Fields
    from aiocdf.local.runtime.catalogue import Catalogue, Function
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import TimeRange
    from aiocdf.local.state.store import Store

__all__ = ["FunctionEndpoints", "known_function", "status_of"]

MAX_BY_IDS = 10
STATUSES = ("Queued", "Deploying", "Ready", "Failed")
TIMEOUT_MINUTES = 9
TRACE_LENGTH = 2000
RUNTIME = f"py{sys.version_info.major}{sys.version_info.minor}"


@attrs.frozen
class FunctionEndpoints:
    """What `/functions` answers."""

    catalogue: Catalogue
    store: Store
    limits: Limits

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("GET", "/functions", self.list_functions, "functionsAcl:READ")
        yield Route("POST", "/functions/list", self.filter_functions, "functionsAcl:READ")
        yield Route("POST", "/functions/byids", self.by_ids, "functionsAcl:READ")
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

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return functions by id or external id."""
        body = await fields.from_body(request)
        items, ignore_unknown = body.items(MAX_BY_IDS), body.flag("ignoreUnknownIds")
        wanted = [_identifier(item) for item in items]
        functions = await self.catalogue.functions()
        by_external_id = {function.deployment.external_id: function for function in functions.values()}
        found = [functions.get(key) if isinstance(key, int) else by_external_id.get(key) for key in wanted]
        missing = [item.values for item, function in zip(items, found, strict=True) if function is None]
        if missing and not ignore_unknown:
            raise Problem(
                400,
                f"Unknown functions: {', '.join(str(value) for item in missing for value in item.values())}",
                missing=missing,
            )
        called = await self.store.last_called()
        return web.json_response({"items": [_shown(function, called) for function in found if function]})

    async def get(self, request: web.Request) -> web.Response:
        """Return a function."""
        function = await known_function(self.catalogue, fields.from_path(request, "functionId"))
        return web.json_response(_shown(function, await self.store.last_called()))

    async def show_limits(self, _: web.Request) -> web.Response:
        """Tell the limits of functions."""
        answer = {
            "timeoutMinutes": TIMEOUT_MINUTES,
            "cpuCores": {"min": 1.0, "max": 1.0, "default": 1.0},
            "memoryGb": {"min": 1.5, "max": 1.5, "default": 1.5},
            "runtimes": [RUNTIME],
            "responseSizeMb": max(1, self.limits.response_bytes // 1_000_000),
        }
        return web.json_response(answer)

    async def status(self, _: web.Request) -> web.Response:
        """Tell that functions are activated: here they always are."""
        return web.json_response({"status": "activated"})

    async def activate(self, _: web.Request) -> web.Response:
        """Accept a request to activate functions."""
        return web.json_response({"status": "activated"}, status=202)

    async def _listed(self, wanted: FunctionFilter, limit: int) -> web.Response:
        functions = (await self.catalogue.functions()).values()
        called = await self.store.last_called()
        shown = [_shown(function, called) for function in functions]
        return web.json_response({"items": [item for item in shown if wanted.matches(item)][:limit]})


@attrs.frozen(kw_only=True)
class FunctionFilter:
    """Which functions to list, by what the API shows of them."""

    exact: Mapping[str, Any] = {}
    prefix: str = ""
    created: TimeRange = ANY_TIME
    metadata: Mapping[str, Any] = {}

    @classmethod
    def read(cls, wanted: Fields) -> FunctionFilter:
        """Return the filter of a request."""
        exact = {
            "name": wanted.optional_text("name"),
            "owner": wanted.optional_text("owner"),
            "fileId": wanted.optional_id("fileId"),
            "status": wanted.choice("status", STATUSES),
        }
        return cls(
            exact={name: value for name, value in exact.items() if value is not None},
            prefix=wanted.optional_text("externalIdPrefix") or "",
            created=wanted.time_range("createdTime"),
            metadata=wanted.object("metadata").values,
        )

    def matches(self, shown: Mapping[str, Any]) -> bool:
        """Tell whether the function is one of those asked for."""
        metadata = shown.get("metadata", {})
        return (
            all(shown.get(name) == value for name, value in self.exact.items())
            and shown["externalId"].startswith(self.prefix)
            and shown["createdTime"] in self.created
            and all(metadata.get(name) == value for name, value in self.metadata.items())
        )


async def known_function(catalogue: Catalogue, function_id: int) -> Function:
    """Return the function as it is on disk now, or refuse the request."""
    function = (await catalogue.functions()).get(function_id)
    if function is None:
        raise Problem(400, f"Unknown function id: {function_id}", missing=[{"id": function_id}])
    return function


def status_of(function: Function) -> str:
    """Return whether the function can be called."""
    return function.build.status


def _identifier(item: Fields) -> int | str:
    """Return the id or external id of an item, which has exactly one of the two."""
    if ("id" in item) == ("externalId" in item):
        raise Problem(400, f"{item.where.removesuffix('.')} must have either id or externalId")
    return item.id() if "id" in item else item.text("externalId")


def _end(error: str) -> str:
    """Return the reason, and the end of the traceback or build log below it, within the service's length."""
    reason, _, rest = error.partition("\n")
    return error if len(error) <= TRACE_LENGTH else f"{reason[:499]}\n{rest[500 - TRACE_LENGTH :]}"


def _shown(function: Function, called: Mapping[int, int]) -> dict[str, Any]:
    """Return a function as the API shows it: what is empty is left out."""
    deployment, version, error = function.deployment, function.build.runtime_version, function.build.error
    shown = {
        "id": function.id,
        "createdTime": function.created_time,
        "status": status_of(function),
        "name": deployment.name,
        "externalId": deployment.external_id,
        "fileId": function.id,
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
