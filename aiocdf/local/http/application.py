"""The HTTP application: its routes, and the check of tokens."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

import attrs
from aiohttp import web

from aiocdf.local.http.problems import Problem, Unauthorized, answering
from aiocdf.local.state.records import Access

if TYPE_CHECKING:
    import logging
    from collections.abc import Iterable, Sequence

    from aiohttp.typedefs import Middleware

    from aiocdf.local.http.hosts import AllowedHosts

__all__ = ["Authenticator", "Handler", "Route", "application"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Returns the access of a request's token, or raises `Unauthorized`.
Authenticator = Callable[[web.Request], Awaitable[Access]]


@attrs.frozen
class Route:
    """An endpoint.

    Args:
        method: The HTTP method.
        path: The path below the project's, or from the root if `capability` is None.
        handler: Handles the requests.
        capability: The capability that a token needs, as `acl:ACTION`; None if the endpoint needs no token.
    """

    method: str
    path: str
    handler: Handler
    capability: str | None


def application(
    routes: Iterable[Route],
    *,
    hosts: AllowedHosts,
    project: str,
    authenticate: Authenticator,
    body_bytes: int,
    faults: Middleware | None,
    log: logging.Logger,
) -> web.Application:
    """Return the application that serves the routes.

    Args:
        routes: The endpoints to serve.
        hosts: The hosts that requests may be for.
        project: The name of the project.
        authenticate: Called with each request that needs a capability.
        body_bytes: The maximum size in bytes of a request body, after decompression.
        faults: The middleware that injects faults; None if there are none.
        log: The logger for errors of handlers.
    """
    middlewares = [answering(log), *([faults] if faults else []), hosts.check]
    app = web.Application(client_max_size=body_bytes, middlewares=middlewares)
    for route, path in _unambiguous(tuple(routes)):
        if route.capability is None:
            app.router.add_route(route.method, path, route.handler)
        else:
            handler = _guarded(route.handler, route.capability, project, authenticate)
            app.router.add_route(route.method, f"/api/v1/projects/{{project}}{path}", handler)
    return app


def _unambiguous(routes: Sequence[Route]) -> Iterable[tuple[Route, str]]:
    """Yield each route with its path. Parameters in it do not match the constant segments of other paths.

    So `GET /functions/list` is a wrong method (405) and not a function with the id `list`.
    """
    words = {segment for route in routes for segment in route.path.split("/") if segment and "{" not in segment}
    pattern = f"(?!(?:{'|'.join(map(re.escape, sorted(words)))})(?:/|$))[^/]+"
    for route in routes:
        yield route, re.sub(r"\{(\w+)\}", lambda found: f"{{{found[1]}:{pattern}}}", route.path)


def _guarded(handler: Handler, capability: str, project: str, authenticate: Authenticator) -> Handler:
    """Return a handler that first checks token, project and capability."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        access = await authenticate(request)
        if request.match_info["project"] != project:
            raise Unauthorized
        if capability not in access.capabilities:
            raise Problem(403, f"Missing capability {capability}")
        return await handler(request)

    return guarded
