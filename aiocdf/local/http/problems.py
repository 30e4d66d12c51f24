"""The one shape of all error answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from aiohttp import hdrs, web

from aiocdf.local.http.one_line import one_line

if TYPE_CHECKING:
    import logging
    from collections.abc import Awaitable, Callable, Mapping, Sequence

__all__ = ["REQUEST_ID", "Problem", "TooManyCalls", "Unauthorized", "answering"]

#: In each answer; clients put it into their errors.
REQUEST_ID = "x-request-id"
#: At a limit, and while the server stops: these are no mistakes of the caller.
_LATER = frozenset({429, 503})
#: What a device hears until its user has answered (RFC 8628, section 3.5).
_USUAL = frozenset({"authorization_pending", "slow_down"})


class Problem(Exception):
    """An error answer of the service's API.

    Args:
        status: The HTTP status.
        message: What is wrong, in words for the caller.
        missing: The identifiers that are unknown.
        duplicated: The identifiers that were given twice.
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
        """Return the answer."""
        return web.json_response({"error": self.error}, status=self.status, headers=self.headers)


class Unauthorized(Problem):
    """There is no valid token for the project; the answer does not say which of the two it is."""

    def __init__(self) -> None:
        super().__init__(401, "Unauthorized")


class TooManyCalls(Problem):
    """A limit of running calls is reached; nothing was bound or started, so the same request may be sent again."""

    def __init__(self, message: str) -> None:
        super().__init__(429, message)
        # Clients read either of the two, according to their age.
        self.headers["cdf-is-auto-retryable"] = "true"
        self.error["isAutoRetryable"] = True


def answering(log: logging.Logger) -> Callable[..., Awaitable[web.StreamResponse]]:
    """Return the middleware that turns every exception into an answer and gives each answer its request id."""

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
    """Return the answer, and log it in one line, unless the caller only has to wait."""
    if problem.status >= 400 and problem.status not in _LATER and problem.error.get("error") not in _USUAL:
        log.warning(
            "refused %s %s: %d %s", request.method, one_line(request.path), problem.status, one_line(str(problem))
        )
    return problem.response()


def _of_http(error: web.HTTPException, request: web.Request) -> Problem:
    """Return what aiohttp found wrong with a request, in the service's shape."""
    if isinstance(error, web.HTTPRequestEntityTooLarge):
        return Problem(400, "The request body is too large")
    problem = Problem(error.status, f"{error.reason}: {request.method} {request.path}")
    if isinstance(error, web.HTTPMethodNotAllowed):
        problem.headers[hdrs.ALLOW] = error.headers[hdrs.ALLOW]
    return problem
