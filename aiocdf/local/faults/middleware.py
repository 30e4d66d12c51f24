"""Injects the drawn faults into requests."""

from __future__ import annotations

import asyncio
import socket
import struct
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from aiocdf.local.faults.draw import Draw
from aiocdf.local.http.problems import Problem

if TYPE_CHECKING:
    import logging

    from aiocdf.local.faults.draw import Trouble
    from aiocdf.local.faults.fault import Faults

__all__ = ["FaultInjector"]

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

#: Closing a socket with this linger time sends a reset (socket(7)).
_RESET = struct.pack("ii", 1, 0)
#: The statuses that a gateway sends instead of the service.
_GATEWAY = {502: "Bad Gateway", 503: "Service Unavailable", 504: "Gateway Timeout"}
_TOO_MANY = "Project exceeded maximum number='50' of concurrent requests. Please try again later."

#: Paths that the service does not have. They are never hit, and do not change which other requests are hit.
_OWN_PAGES = ("/openapi.json", "/page", "/reference")


class FaultInjector:
    """Injects faults into requests.

    Args:
        faults: The configured faults.
        base_path: The prefix of paths for the project.
        expire: Called to revoke the access token of a request.
        log: The logger for faults, one line each.
    """

    def __init__(
        self, faults: Faults, base_path: str, expire: Callable[[web.Request], Awaitable[None]], log: logging.Logger
    ) -> None:
        self._draw = Draw(faults)
        self._base_path = base_path
        self._expire = expire
        self._log = log
        self._began = time.monotonic()

    @web.middleware
    async def inject(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Handle a request with its faults."""
        if request.path.startswith(_OWN_PAGES):
            return await handler(request)
        path = request.path.removeprefix(self._base_path)
        trouble = self._draw.trouble(request.method, path, time.monotonic() - self._began)
        self._log_fault(request.method, path, trouble)
        if trouble.before:
            await asyncio.sleep(trouble.before)
        response = await self._answer(request, handler, trouble)
        if trouble.after:
            await asyncio.sleep(trouble.after)
        return response

    async def _answer(self, request: web.Request, handler: Handler, trouble: Trouble) -> web.StreamResponse:
        fault = trouble.fault
        if fault is None:
            return await handler(request)
        if fault.kind == "token-expiry":
            await self._expire(request)
            return await handler(request)
        if fault.kind == "half":
            return await _half(request, await _handled(request, handler))
        if fault.handled:
            await _handled(request, handler)
        if fault.kind == "reset":
            return _reset(request)
        return _error(trouble.status, fault.retry_after)

    def _log_fault(self, method: str, path: str, trouble: Trouble) -> None:
        """Log a fault. Latency alone is logged at DEBUG, because with a slow network every request has it."""
        late = trouble.before + trouble.after
        if trouble.fault is not None:
            kind = str(trouble.status) if trouble.status else trouble.fault.kind
            handled = ", handled" if trouble.fault.handled else ""
            self._log.info("fault: %s %s: %s%s", method, path, kind, handled)
        elif late:
            self._log.debug("fault: %s %s: %.3f s late", method, path, late)


async def _handled(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Return the response, also if it is an error."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()


def _error(status: int, retry_after: int | None) -> web.Response:
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    if status in _GATEWAY:
        page = f"<html><body><h1>{status} {_GATEWAY[status]}</h1></body></html>"
        return web.Response(text=page, status=status, headers=headers, content_type="text/html")
    problem = Problem(status, _TOO_MANY if status == 429 else "Injected fault")
    problem.headers.update(headers)
    return problem.response()


def _reset(request: web.Request) -> web.Response:
    """Reset the connection. The returned response is never sent."""
    transport = request.transport
    if transport is not None:
        connection: socket.socket = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        transport.abort()
    return web.Response()


async def _half(request: web.Request, whole: web.StreamResponse) -> web.StreamResponse:
    """Send the first half of a response, and close the connection."""
    body = whole.body if isinstance(whole, web.Response) else None
    if not isinstance(body, bytes) or not body:
        return _reset(request)
    half = web.StreamResponse(status=whole.status, headers={"Content-Type": whole.headers["Content-Type"]})
    half.content_length = len(body)
    await half.prepare(request)
    await half.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()
    return half
