"""The HTTP application: its routes, and the check of the token that a route needs."""

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

#: Returns what the token of a request allows, or raises `Unauthorized`.
Authenticator = Callable[[web.Request], Awaitable[Access]]


@attrs.frozen
class Route:
    """An endpoint.

    Args:
        method: Its HTTP method.
        path: Its path below the project's, or from the root if `capability` is None.
        handler: What answers.
        capability: What the caller's token must allow, as `acl:ACTION`; None for an endpoint open to all.
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
        routes: What to serve.
        hosts: The hosts for which requests are answered.
        project: The one project there is.
        authenticate: Called with each request that needs a capability.
        body_bytes: The largest request body to read, after decompression.
        faults: What goes wrong on purpose.
        log: Where crashes of handlers are logged.
    """
    middlewares = [answering(log), *([faults] if faults else []), hosts.check]
    app = web.Application(client_max_size=body_bytes, middlewares=middlewares)
    for route, path in _told_apart(tuple(routes)):
        if route.capability is None:
            app.router.add_route(route.method, path, route.handler)
        else:
            handler = _guarded(route.handler, route.capability, project, authenticate)
            app.router.add_route(route.method, f"/api/v1/projects/{{project}}{path}", handler)
    return app


def _told_apart(routes: Sequence[Route]) -> Iterable[tuple[Route, str]]:
    """Yield each route with its path, in which parameters match no segment that is a word of another path.

    So `GET /functions/list` is a wrong method (405) and not a function whose id is `list`.
    """
    words = {segment for route in routes for segment in route.path.split("/") if segment and "{" not in segment}
    pattern = f"(?!(?:{'|'.join(map(re.escape, sorted(words)))})(?:/|$))[^/]+"
    for route in routes:
        yield route, re.sub(r"\{(\w+)\}", lambda found: f"{{{found[1]}:{pattern}}}", route.path)


def _guarded(handler: Handler, capability: str, project: str, authenticate: Authenticator) -> Handler:
    """Return the handler behind a check of token, project and capability."""

    async def guarded(request: web.Request) -> web.StreamResponse:
        access = await authenticate(request)
        if request.match_info["project"] != project:
            raise Unauthorized
        if capability not in access.capabilities:
            raise Problem(403, f"Missing capability {capability}")
        return await handler(request)

    return guarded
