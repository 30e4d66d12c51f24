"""Makes exceptions of error answers of the service and of calls that did not complete."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin, urlsplit

from aiocdf._wire.converter import camel
from aiocdf._wire.http import StorageRequest, is_html, one_line, retry_after
from aiocdf.config import is_loopback
from aiocdf.errors import (
    ApiError,
    BadRequest,
    CallError,
    CallFailed,
    CallTimedOut,
    Conflict,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    Unauthorized,
)
from aiocdf.models.calls import CallStatus

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf._wire.http import Request, Response
    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.calls import FunctionCall
    from aiocdf.models.functions import FunctionError

__all__ = ["RESTARTED", "api_error", "call_error", "note_trace"]

_DETAIL_SHOWN = 1000

_ADVICE: dict[type[ApiError], str] = {
    Unauthorized: "Check the project's name and that the credentials belong to it.",
    NotFound: "Check the id.",
    RateLimited: "Send fewer requests, or run fewer calls at once.",
    ServerError: "The service failed: try again later.",
    Conflict: "The identifier already exists: use another one.",
    BadRequest: "Correct the request.",
}
#: The advice for a 401 on a loopback address. A restart ends access tokens, and the client does not replace a token
#: that is less than 30 s old.
RESTARTED = (
    "Was `aiocdf serve` started again? Then try again in half a minute; after --fresh, or for another folder, read its "
    "variables again."
)
#: The path of a request that names a function; one that creates a function names a file.
_FUNCTION_PATH = re.compile(r"/functions/(?!schedules\b)")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_PAGE_ADVICE = "A web site or a gateway answered instead of the API: check base_url or CDF_URL."


def api_error(request: Request, response: Response) -> ApiError:
    """Build the exception for an answer with an error status.

    It reads all observed forms: `{"error": {...}}`, `{"error": "text"}`, and bodies that are not JSON.
    """
    body = _body(response)
    said = str(body.get("message") or "")
    is_page = not said and is_html(response)
    detail = one_line(said or _excerpt(response, is_page=is_page))
    missing, duplicated = _objects(body.get("missing")), _objects(body.get("duplicated"))
    kind = _kind(response.status, missing=bool(missing), duplicated=bool(duplicated))
    request_id = response.headers.get("x-request-id")
    todo = _redirected(request, response) or (_PAGE_ADVICE if is_page else _advice(kind, request, request_id))
    parts = [
        f"{request.name}: the service answered {response.status}: {detail.rstrip('.') or 'without a message'}.",
        one_line(_named("Unknown:", missing) or _named("Already exists:", duplicated)),
        todo,
        one_line(f"[request {request_id}]") if request_id else "",
    ]
    code = body.get("code")
    return kind(
        " ".join(part for part in parts if part),
        status=response.status,
        code=code if isinstance(code, int) else None,
        detail=detail,
        missing=missing,
        duplicated=duplicated,
        request_id=request_id,
        retryable=_retryable(response, body),
        retry_after=retry_after(response),
    )


def call_error(call: FunctionCall, ref: CallRef, name: str) -> CallError | None:
    """Return what awaiting an ended call raises; None if it completed.

    Args:
        call: The call, which has ended.
        ref: Its reference.
        name: The function, as the caller named it.
    """
    if call.status is CallStatus.Completed:
        return None
    said = call.error.message if call.error else "the service gave no reason"
    which = f"call {call.id} of function {name}"
    after = f" after {call.runtime:.1f} s" if call.runtime is not None else ""
    if call.status is CallStatus.Timeout:
        return CallTimedOut(f"{which} was stopped at its time limit{after}: {said}", call=call, ref=ref)
    verb = "failed" if call.status is CallStatus.Failed else f"ended as {call.status}"
    error = CallFailed(f"{which} {verb}{after}: {said}", call=call, ref=ref)
    note_trace(error, f"the function, {which}", call.error)
    return error


def note_trace(error: Exception, where: str, cause: FunctionError | None) -> None:
    """Show the service's trace below the traceback of an error.

    Args:
        error: The exception.
        where: The source of the trace, for its heading.
        cause: The error that the service described.
    """
    if cause and cause.trace:
        error.add_note(f"\nIn {where}:\n{cause.trace.rstrip()}")


def _body(response: Response) -> Mapping[str, Any]:
    """Return the error object of an answer; an empty one without it."""
    try:
        error = json.loads(response.body)["error"]
    except (ValueError, LookupError, TypeError, RecursionError):
        return {}
    return error if isinstance(error, Mapping) else {"message": error}


def _excerpt(response: Response, *, is_page: bool) -> str:
    """Return what came instead of an error object, as text."""
    if is_page:
        return f"an HTML page of {len(response.body)} bytes came instead of JSON"
    return response.body[:_DETAIL_SHOWN].decode(errors="replace")


def _kind(status: int, *, missing: bool, duplicated: bool) -> type[ApiError]:
    """Return the class: missing or duplicated ids take precedence over the status."""
    if status in (400, 404, 422) and missing:
        return NotFound
    if duplicated:
        return Conflict
    named: dict[int, type[ApiError]] = {
        401: Unauthorized,
        403: PermissionDenied,
        404: NotFound,
        409: Conflict,
        429: RateLimited,
    }
    return named.get(status, ServerError if status >= 500 else BadRequest)


def _named(what: str, items: Sequence[Mapping[str, Any]]) -> str:
    """Return the first few missing or duplicated ids, as text."""
    shown = [f"{key} {value!r}" for item in items[:5] for key, value in item.items()]
    return f"{what} {', '.join(shown)}{' and more' * (len(items) > 5)}." if shown else ""


def _advice(kind: type[ApiError], request: Request, request_id: str | None) -> str:
    """Return what to do next."""
    if kind is PermissionDenied and isinstance(request, StorageRequest):
        return "The storage rejected the address that the service gave: try again."
    if kind is PermissionDenied:
        return f"Add the capability {request.capability or 'named above'} to a group of the caller."
    if kind is Unauthorized and is_loopback(urlsplit(request.url).hostname or ""):
        return f"{_ADVICE[kind]} {RESTARTED}"
    if kind is NotFound and _FUNCTION_PATH.search(urlsplit(request.url).path):
        return "Check the id; a function that was deployed again has a new one."
    if kind is ServerError and request_id:
        return "The service failed; report the request id to its support."
    return _ADVICE[kind]


def _redirected(request: Request, response: Response) -> str:
    """Return the target of a redirect as text, without its query; empty for other answers."""
    location = response.headers.get("location")
    if response.status not in _REDIRECTS or not location:
        return ""
    try:
        parts = urlsplit(urljoin(request.url, location))
        target = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
    except ValueError:
        target = "an invalid address"
    return one_line(
        f"It redirects to {target}. Redirects are not followed, because they would receive the token. "
        "Set base_url or CDF_URL to the address of the service itself."
    )


def _objects(value: object) -> tuple[Mapping[str, Any], ...]:
    """Read the identifiers in a list; of functions the service has sent `external_id` for `externalId`."""
    items = value if isinstance(value, list) else []
    return tuple({camel(str(key)): name for key, name in item.items()} for item in items if isinstance(item, Mapping))


def _retryable(response: Response, body: Mapping[str, Any]) -> bool | None:
    """Return whether the service says to retry: newer answers have a header, older ones a field."""
    said = response.headers.get("cdf-is-auto-retryable")
    if said is not None:
        return said.strip().lower() == "true"
    field = body.get("isAutoRetryable")
    return field if isinstance(field, bool) else None
