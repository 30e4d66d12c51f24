"""Connections that limit the wait for a request, and that answer requests that are not HTTP in the service's format."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import web

from aiocdf.local.http.problems import REQUEST_ID, Problem

if TYPE_CHECKING:
    from aiohttp.web_request import BaseRequest

__all__ = ["Runner"]

#: Seconds to wait for the head of the first request, and after a response for the head of the next one.
FIRST_HEAD, NEXT_HEAD = 20.0, 75.0


class Connection(web.RequestHandler):
    """A connection with a client."""

    __slots__ = ()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start waiting for the first request. aiohttp limits only the waits after it."""
        super().connection_made(transport)
        asyncio.get_running_loop().call_later(FIRST_HEAD, self._close_without_request)

    def _close_without_request(self) -> None:
        if self._request_count == 0:
            self.force_close()

    def handle_error(
        self,
        request: BaseRequest,  # noqa: ARG002 - aiohttp's signature
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to a request that reached no handler."""
        if status >= 500:
            self.log_exception("handling a request failed", exc_info=exc)
        response = Problem(status, message or "The request is not valid HTTP").response()
        response.headers[REQUEST_ID] = str(uuid.uuid4())
        response.force_close()
        return response

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log errors of the server, but not those of bodies that a client encoded wrongly."""
        if not isinstance(kw.get("exc_info"), web.RequestPayloadError):
            super().log_exception(*args, **kw)


class Server(web.Server):
    """Creates the connections."""

    def __call__(self) -> web.RequestHandler:
        """Return the handler of a new connection."""
        connection = super().__call__()
        connection.__class__ = Connection  # aiohttp has no argument for the class
        return connection


class Runner(web.AppRunner):
    """Runs an application with these connections.

    Args:
        app: The application.
        shutdown_timeout: Seconds for running requests to end at the shutdown.
    """

    def __init__(self, app: web.Application, *, shutdown_timeout: float) -> None:
        super().__init__(app, access_log=None, shutdown_timeout=shutdown_timeout, keepalive_timeout=NEXT_HEAD)

    async def _make_server(self) -> web.Server:
        server = await super()._make_server()
        server.__class__ = Server
        return server
