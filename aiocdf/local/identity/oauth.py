"""What all endpoints of the local identity provider share: addresses, forms, clients, scopes and errors."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

from aiohttp import web

from aiocdf.local.http.problems import Problem, Unauthorized
from aiocdf.local.identity.attempts import TooManyAttempts
from aiocdf.local.state.records import API_SCOPES
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Sequence

    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.records import Access, OAuthClient

__all__ = [
    "AUTHORIZE_PATH",
    "DEVICE_AUTHORIZATION_PATH",
    "DEVICE_PATH",
    "JWKS_PATH",
    "NO_STORE",
    "REVOKE_PATH",
    "TOKEN_PATH",
    "OAuthProblem",
    "authenticate_bearer",
    "authenticate_client",
    "expire_bearer",
    "grants_api_access",
    "read_form",
    "read_parameters",
    "read_scopes",
    "required",
]

AUTHORIZE_PATH = "/oauth2/authorize"
DEVICE_AUTHORIZATION_PATH = "/oauth2/device_authorization"
DEVICE_PATH = "/oauth2/device"
JWKS_PATH = "/oauth2/jwks"
REVOKE_PATH = "/oauth2/revoke"
TOKEN_PATH = "/oauth2/token"

#: Whoever sends a form has not yet proved anything.
FORM_BYTES, FORM_SECONDS = 64 * 1024, 10.0

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthProblem(Problem):
    """An error answer in the words of RFC 6749, section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        # The description may have ASCII without quotes and backslashes only, and quotes text of the request.
        shown = description.translate({ord('"'): "'", ord("\\"): "/"}).encode("ascii", "replace").decode()
        self.error: dict[str, Any] = {"error": error, "error_description": shown}
        self.headers.update(NO_STORE)
        if status == 401:
            self.headers["WWW-Authenticate"] = "Basic"

    def response(self) -> web.Response:
        """Return the answer."""
        return web.json_response(self.error, status=self.status, headers=self.headers)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the request's form, unless a page of another site sent it."""
    if not _sent_from_here(request):
        raise OAuthProblem(403, "invalid_request", "The form was sent by a page of another site")
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthProblem(400, "invalid_request", "The body must be application/x-www-form-urlencoded")
    try:
        async with asyncio.timeout(FORM_SECONDS):
            body = await request.clone(client_max_size=FORM_BYTES).read()
    except TimeoutError:
        raise OAuthProblem(408, "invalid_request", f"The body did not come within {FORM_SECONDS:g} s") from None
    return read_parameters(body.decode(errors="replace"))


def read_parameters(text: str) -> dict[str, str]:
    """Return what a query or form says; no parameter may come twice, and empty ones do not count (RFC 6749, 3.1)."""
    pairs = parse_qsl(text)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise OAuthProblem(400, "invalid_request", "A parameter was given twice")
    return parameters


def required(form: dict[str, str], name: str) -> str:
    """Return a parameter that must be there."""
    if name not in form:
        raise OAuthProblem(400, "invalid_request", f"{name} is required")
    return form[name]


async def authenticate_bearer(request: web.Request, issuer: Issuer) -> Access:
    """Return what the request's bearer token allows (RFC 6750).

    Raises:
        Unauthorized: The request has no bearer token, or one that is unknown or has expired.
    """
    token = _bearer_token(request)
    access = await issuer.access(token) if token is not None else None
    if access is None:
        raise Unauthorized
    return access


async def expire_bearer(request: web.Request, issuer: Issuer) -> None:
    """End the request's bearer token, if it has one."""
    if (token := _bearer_token(request)) is not None:
        await issuer.revoke(token)


def _bearer_token(request: web.Request) -> Secret | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" else None


def authenticate_client(request: web.Request, form: dict[str, str], issuer: Issuer) -> OAuthClient:
    """Return the client that the request proves to come from; of a public one its id is enough."""
    client_id, client_secret = _credentials(request, form)
    try:
        client = issuer.authenticate(client_id, client_secret)
    except TooManyAttempts as error:
        problem = OAuthProblem(429, "temporarily_unavailable", f"Too many wrong secrets; wait {error.seconds} s")
        problem.headers["Retry-After"] = str(error.seconds)
        raise problem from error
    if client is None:
        raise OAuthProblem(401, "invalid_client", f"Unknown client {client_id!r}, or not its secret")
    return client


def read_scopes(asked: str | None, client: OAuthClient, url: str) -> tuple[str, ...]:
    """Return the scopes asked for, those of the API if there are none, each of which the client must be allowed.

    Args:
        asked: The parameter `scope`.
        client: Who asks.
        url: The server's address.
    """
    scopes = tuple(dict.fromkeys((asked or f"{url}/.default").split()))
    unknown = [scope for scope in scopes if scope.removeprefix(f"{url}/") not in client.scopes]
    if unknown:
        allowed = " ".join(sorted(client.scopes))
        raise OAuthProblem(
            400, "invalid_scope", f"{client.client_id!r} may not ask for {' '.join(unknown)}, only for {allowed}"
        )
    return scopes


def grants_api_access(scopes: Sequence[str], url: str) -> bool:
    """Tell whether a token with these scopes is one for the API, not only one that tells who the user is."""
    return any(scope.removeprefix(f"{url}/") in API_SCOPES for scope in scopes)


def _sent_from_here(request: web.Request) -> bool:
    """Tell whether a form comes from a page of this server, or from no browser at all: those say where from."""
    site, origin = request.headers.get("Sec-Fetch-Site"), request.headers.get("Origin")
    if site is not None:
        return site == "same-origin"
    return origin in {None, f"{request.scheme}://{request.host}"}


def _credentials(request: web.Request, form: dict[str, str]) -> tuple[str, Secret]:
    """Return the client's id and secret from the header or from the form (RFC 6749, section 2.3.1)."""
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return form.get("client_id", ""), Secret(form.get("client_secret", ""))
    if "client_secret" in form:
        raise OAuthProblem(400, "invalid_request", "The client secret was given twice, in the header and in the body")
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise OAuthProblem(401, "invalid_client", "The Authorization header is not valid") from None
    return unquote_plus(client_id), Secret(unquote_plus(client_secret))
