"""The common format of all error responses."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from aiocdf.local.http.one_line import one_line

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["REQUEST_ID", "Problem", "TooManyCalls", "Unauthorized", "answering"]

#: Each response has this header. Clients include it in their errors.
REQUEST_ID = "x-request-id"
#: The statuses at a limit and while the server stops. They are not errors of the client.
_LATER = frozenset({429, 503})
#: The errors of a device's polls until its user has answered (RFC 8628, section 3.5).
_USUAL = frozenset({"authorization_pending", "slow_down"})


class Problem(Exception):
    """An error response of the service's API.

    Args:
        status: The HTTP status.
        message: The error message for the client.
        missing: The unknown identifiers, such as `[{"id": 1}]`.
        duplicated: The duplicated identifiers, such as `[{"id": 1}]`.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        missing: Sequence[Mapping[str, Any]] = (),
        duplicated: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error: dict[str, Any] = {"code": status, "message": message}
        if missing:
            self.error["missing"] = list(missing)
        if duplicated:
            self.error["duplicated"] = list(duplicated)
        self.headers: dict[str, str] = {}

    def response(self) -> web.Response:
        """Return the response."""
        return web.json_response({"error": self.error}, status=self.status, headers=self.headers)


class Unauthorized(Problem):
    """The token or the project is not valid. The response does not say which one."""

    def __init__(self) -> None:
        super().__init__(401, "Unauthorized")


class TooManyCalls(Problem):
    """Too many calls run. The nonce was not used and no call was started, so the client may repeat the request."""

    def __init__(self, message: str) -> None:
        super().__init__(429, message)
        # Clients read one of the two, depending on their version.
        self.headers["cdf-is-auto-retryable"] = "true"
        self.error["isAutoRetryable"] = True


def answering(log: logging.Logger) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that turns exceptions into responses and adds a request id to each response."""

    @web.middleware
    async def answer(
        request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        request_id = str(uuid.uuid4())
        try:
            response = await handler(request)
        except Problem as problem:
            response = _refused(problem, request, log)
        except web.HTTPException as error:
            response = _refused(_of_http(error, request), request, log)
        except Exception:
            log.exception("%s %s failed, request id %s", request.method, request.path, request_id)
            response = Problem(500, "Internal server error").response()
        response.headers[REQUEST_ID] = request_id
        return response

    return answer


def _refused(problem: Problem, request: web.Request, log: logging.Logger) -> web.Response:
    """Return the error response. Log it in one line, unless the client only has to wait."""
    if problem.status >= 400 and problem.status not in _LATER and problem.error.get("error") not in _USUAL:
        log.warning(
            "rejected %s %s: %d %s", request.method, one_line(request.path), problem.status, one_line(str(problem))
        )
    return problem.response()


def _of_http(error: web.HTTPException, request: web.Request) -> Problem:
    """Return an error of aiohttp in the service's format."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Problem(400, "The request body is too large")
    problem = Problem(error.status, f"{error.reason}: {request.method} {request.path}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        problem.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return problem
