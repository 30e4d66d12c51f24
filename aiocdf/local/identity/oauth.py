"""Common parts of the identity provider's endpoints: URLs, forms, clients, scopes and errors."""

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

#: Limits the time and size of forms, because their senders are not authenticated yet.
FORM_BYTES, FORM_SECONDS = 64 * 1024, 10.0

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class OAuthProblem(Problem):
    """An error response in the format of RFC 6749, section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        # A description may contain only ASCII without quotes and backslashes, but it quotes text from the request.
        shown = description.translate({ord('"'): "'", ord("\\"): "/"}).encode("ascii", "replace").decode()
        self.error: dict[str, Any] = {"error": error, "error_description": shown}
        self.headers.update(NO_STORE)
        if status == 401:
            self.headers["WWW-Authenticate"] = "Basic"

    def response(self) -> web.Response:
        """Return the response."""
        return web.json_response(self.error, status=self.status, headers=self.headers)


async def read_form(request: web.Request) -> dict[str, str]:
    """Return the request's form, unless a page of another site sent it."""
    if not _sent_from_here(request):
        raise OAuthProblem(
            403, "invalid_request", "The form was sent by a page of another site: use this server's page"
        )
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthProblem(400, "invalid_request", "The body must be application/x-www-form-urlencoded")
    try:
        async with asyncio.timeout(FORM_SECONDS):
            body = await request.clone(client_max_size=FORM_BYTES).read()
    except TimeoutError:
        raise OAuthProblem(408, "invalid_request", f"The body did not arrive within {FORM_SECONDS:g} s") from None
    return read_parameters(body.decode(errors="replace"))


def read_parameters(text: str) -> dict[str, str]:
    """Return the parameters of a query or form without empty ones. A repeated parameter is an error (RFC 6749, 3.1)."""
    pairs = parse_qsl(text)
    parameters = dict(pairs)
    if len(parameters) != len(pairs):
        raise OAuthProblem(400, "invalid_request", "The request has a parameter twice: send it once")
    return parameters


def required(form: dict[str, str], name: str) -> str:
    """Return a required parameter."""
    if name not in form:
        raise OAuthProblem(400, "invalid_request", f"{name} is required")
    return form[name]


async def authenticate_bearer(request: web.Request, issuer: Issuer) -> Access:
    """Return the access of the request's bearer token (RFC 6750).

    Raises:
        Unauthorized: The request has no bearer token, or the token is unknown or has expired.
    """
    token = _bearer_token(request)
    access = await issuer.access(token) if token is not None else None
    if access is None:
        raise Unauthorized
    return access


async def expire_bearer(request: web.Request, issuer: Issuer) -> None:
    """Revoke the request's bearer token, if it has one."""
    if (token := _bearer_token(request)) is not None:
        await issuer.revoke(token)


def _bearer_token(request: web.Request) -> Secret | None:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return Secret(token.strip()) if scheme.lower() == "bearer" else None


def authenticate_client(request: web.Request, form: dict[str, str], issuer: Issuer) -> OAuthClient:
    """Return the authenticated client of a request. A public client needs only its id."""
    client_id, client_secret = _credentials(request, form)
    try:
        client = issuer.authenticate(client_id, client_secret)
    except TooManyAttempts as error:
        problem = OAuthProblem(429, "temporarily_unavailable", f"Too many wrong secrets: wait {error.seconds} s")
        problem.headers["Retry-After"] = str(error.seconds)
        raise problem from error
    if client is None:
        raise OAuthProblem(401, "invalid_client", f"Unknown client {client_id!r} or wrong secret: check both")
    return client


def read_scopes(requested: str | None, client: OAuthClient, url: str) -> tuple[str, ...]:
    """Return the requested scopes. The default is the scopes of the API. The client must be allowed to use each.

    Args:
        requested: The parameter `scope` of the request; None if the request has none.
        client: The client.
        url: The URL of the server.
    """
    scopes = tuple(dict.fromkeys((requested or f"{url}/.default").split()))
    unknown = [scope for scope in scopes if scope.removeprefix(f"{url}/") not in client.scopes]
    if unknown:
        allowed = " ".join(sorted(client.scopes))
        raise OAuthProblem(
            400, "invalid_scope", f"{client.client_id!r} may not use the scope {' '.join(unknown)}: use {allowed}"
        )
    return scopes


def grants_api_access(scopes: Sequence[str], url: str) -> bool:
    """Return whether a token with these scopes grants access to the API, not only to the user's identity."""
    return any(scope.removeprefix(f"{url}/") in API_SCOPES for scope in scopes)


def _sent_from_here(request: web.Request) -> bool:
    """Return whether a form comes from a page of this server or not from a browser. Browsers send the origin."""
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
        raise OAuthProblem(400, "invalid_request", "The client secret is in the header and in the body: send it once")
    try:
        client_id, _, client_secret = base64.b64decode(encoded, validate=True).decode().partition(":")
    except ValueError:
        raise OAuthProblem(
            401, "invalid_client", "The Authorization header is not valid: use Basic with client id and secret"
        ) from None
    return unquote_plus(client_id), Secret(unquote_plus(client_secret))
