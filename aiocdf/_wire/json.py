"""JSON requests and answers."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, TypeVar

from aiocdf._wire.converter import structure
from aiocdf._wire.http import Request, http_date, is_html
from aiocdf.errors import DecodeError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from aiocdf._wire.http import Response

__all__ = ["api_headers", "items_in", "json_request", "member", "read_items", "read_json", "read_value", "server_date"]

T = TypeVar("T")


_API_VERSION = "20230101"


def api_headers(app: str, version: str) -> dict[str, str]:
    """Return the headers of each request to the service, without the token.

    Args:
        app: The program's name.
        version: The version of aiocdf.
    """
    return {
        "accept": "application/json",
        "content-type": "application/json",
        "cdf-version": _API_VERSION,
        "x-cdp-app": app,
        "x-cdp-sdk": f"aiocdf:{version}",
    }


def json_request(
    name: str,
    method: str,
    url: str,
    body: object = None,
    *,
    encoded: bytes | None = None,
    secrets: tuple[Secret, ...] = (),
    repeatable: bool = True,
    capability: str | None = None,
    timeout: float | None = None,
) -> Request:
    """Build a request with a JSON body.

    Args:
        name: The request's name in messages.
        method: GET or POST.
        url: The absolute address.
        body: The object to encode; its `Secret` values are revealed. None for no body.
        encoded: The body as JSON text, instead of *body*.
        secrets: The secrets in *encoded*, which are removed from errors.
        repeatable: Whether the request has the same effect if it is sent twice.
        capability: The capability that the service requires.
        timeout: The time limit for the whole answer in seconds; None for the transport's limit.
    """
    found = list(secrets)

    def reveal(secret: Secret) -> str:
        found.append(secret)
        return Secret.reveal(secret)

    if body is not None:
        encoded = json.dumps(body, separators=(",", ":"), default=reveal).encode()
    return Request(
        name=name,
        method=method,
        url=url,
        body=encoded,
        repeatable=repeatable,
        capability=capability,
        timeout=timeout,
        secrets=tuple(found),
    )


def read_json(request: Request, response: Response) -> Any:
    """Return the JSON values of an answer's body.

    Raises:
        DecodeError: The body is not valid JSON. The message says whether it is an HTML page.
    """
    try:
        return json.loads(response.body)
    except (json.JSONDecodeError, UnicodeDecodeError):
        kind = response.headers.get("content-type", "no content type")
        page = "an HTML page, so this is probably not the address of the API"
        fault = f"is {page if is_html(response) else f'not JSON ({kind})'}: check base_url or CDF_URL"
    except ValueError:  # the only other cause
        fault = (
            f"has a whole number of more than {sys.get_int_max_str_digits()} digits, which Python does not read:"
            " return it as text, or raise the limit with sys.set_int_max_str_digits"
        )
    except RecursionError:
        fault = "has lists or objects that are nested too deeply for Python"
    raise DecodeError(f"{request.name}: the answer of {len(response.body)} bytes {fault}.")


def member(request: Request, body: object, name: str, kind: type[Any]) -> Any:
    """Return a member of an answer's object.

    Raises:
        DecodeError: The answer is not an object, or the member is missing or not a *kind*.
    """
    value = body.get(name) if isinstance(body, dict) else None
    if isinstance(value, kind):
        return value
    raise DecodeError(f"{request.name}: the answer has no {kind.__name__} at $.{name}", path=f"$.{name}")


def read_value(request: Request, response: Response, kind: type[T]) -> T:
    """Return an answer as a *kind*."""
    return structure(read_json(request, response), kind, what=request.name)


def read_items(request: Request, response: Response, kind: type[T]) -> list[T]:
    """Return the `items` of an answer, each a *kind*."""
    return items_in(request, read_json(request, response), kind)


def items_in(request: Request, body: object, kind: type[T]) -> list[T]:
    """Return the `items` of an answer's object, each a *kind*."""
    items = member(request, body, "items", list)
    return [structure(item, kind, what=request.name, path=f"$.items[{index}]") for index, item in enumerate(items)]


def server_date(response: Response) -> float | None:
    """Return the answer's `Date` header in whole seconds since 1970; None if it is missing or not valid."""
    moment = http_date(response.headers.get("date"))
    return moment.timestamp() if moment else None
