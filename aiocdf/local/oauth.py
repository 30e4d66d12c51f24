"""The token endpoint (RFC 6749, section 4.4), and what a token says of itself."""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote_plus

import attrs
from aiohttp import web

from aiocdf.local.app import Route, authenticate
from aiocdf.local.problems import Problem
from aiocdf.local.records import Access
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.issuer import Issuer

__all__ = ["TOKEN_PATH", "OAuthEndpoints"]

TOKEN_PATH = "/oauth2/token"


class OAuthProblem(Problem):
    """An error answer in the words of RFC 6749, section 5.2."""

    def __init__(self, status: int, error: str, description: str) -> None:
        super().__init__(status, description)
        self.error = {"error": error, "error_description": description}
        self.headers["Cache-Control"] = "no-store"
        if status == 401:
            self.headers["WWW-Authenticate"] = "Basic"

    def response(self) -> web.Response:
        """Return the answer."""
        return web.json_response(self.error, status=self.status, headers=self.headers)


@attrs.frozen
class OAuthEndpoints:
    """What the local identity provider answers.

    Args:
        issuer: Who gives the tokens.
        project: The one project there is.
        token_seconds: The life of a token.
    """

    issuer: Issuer
    project: str
    token_seconds: float

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", TOKEN_PATH, self.token, None)
        yield Route("GET", "/api/v1/token/inspect", self.inspect, None)

    async def token(self, request: web.Request) -> web.Response:
        """Give a token to a client that proves itself."""
        form = await _form(request)
        client_id, client_secret = _credentials(request, form)
        client = self.issuer.authenticate(client_id, client_secret)
        if client is None:
            raise OAuthProblem(401, "invalid_client", f"Unknown client {client_id!r}, or not its secret")
        if form.get("grant_type") != "client_credentials":
            raise OAuthProblem(400, "unsupported_grant_type", "grant_type must be client_credentials")
        expires = time.time() + self.token_seconds
        token = await self.issuer.issue(
            Access(client_id=client.client_id, capabilities=client.capabilities, expires=expires)
        )
        answer = {"access_token": token.reveal(), "token_type": "Bearer", "expires_in": int(self.token_seconds)}
        return web.json_response(answer, headers={"Cache-Control": "no-store", "Pragma": "no-cache"})

    async def inspect(self, request: web.Request) -> web.Response:
        """Tell what the caller's token allows."""
        access = await authenticate(request, self.issuer)
        actions: defaultdict[str, list[str]] = defaultdict(list)
        for capability in sorted(access.capabilities):
            acl, _, action = capability.partition(":")
            actions[acl].append(action)
        answer = {
            "subject": access.client_id,
            "projects": [{"projectUrlName": self.project, "groups": [1]}],
            "capabilities": [self._capability(acl, names) for acl, names in actions.items()],
        }
        return web.json_response(answer)

    def _capability(self, acl: str, actions: list[str]) -> dict[str, Any]:
        return {
            acl: {"version": 1, "actions": actions, "scope": {"all": {}}},
            "projectScope": {"projects": [self.project]},
        }


async def _form(request: web.Request) -> dict[str, str]:
    """Return the request's form, in which no parameter may come twice."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise OAuthProblem(400, "invalid_request", "The body must be application/x-www-form-urlencoded")
    pairs = parse_qsl((await request.read()).decode(errors="replace"), keep_blank_values=True)
    form = dict(pairs)
    if len(form) != len(pairs):
        raise OAuthProblem(400, "invalid_request", "A parameter was given twice")
    if "grant_type" not in form:
        raise OAuthProblem(400, "invalid_request", "grant_type is required")
    return form


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
