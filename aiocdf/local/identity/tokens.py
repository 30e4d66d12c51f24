"""The endpoints that issue, revoke and inspect tokens."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import attrs
from aiohttp import web

from aiocdf.local.http.application import Route
from aiocdf.local.identity.grants import GRANT_TYPES
from aiocdf.local.identity.oauth import (
    NO_STORE,
    REVOKE_PATH,
    TOKEN_PATH,
    OAuthProblem,
    authenticate_bearer,
    authenticate_client,
    read_form,
    required,
)
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.identity.grants import GrantHandlers
    from aiocdf.local.identity.issuer import Issuer

__all__ = ["TokenEndpoints"]


@attrs.frozen(kw_only=True)
class TokenEndpoints:
    """The token endpoint, the revocation endpoint and `/api/v1/token/inspect`."""

    issuer: Issuer
    grants: GrantHandlers
    project: str

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", TOKEN_PATH, self.token, None)
        yield Route("POST", REVOKE_PATH, self.revoke, None)
        yield Route("GET", "/api/v1/token/inspect", self.inspect, None)

    async def token(self, request: web.Request) -> web.Response:
        """Issue tokens to an authenticated client, for itself or for a user (RFC 6749)."""
        form = await read_form(request)
        grant_type = required(form, "grant_type")
        client = authenticate_client(request, form, self.issuer)
        handler = GRANT_TYPES.get(grant_type)
        if handler is None:
            raise OAuthProblem(400, "unsupported_grant_type", f"grant_type must be one of {', '.join(GRANT_TYPES)}")
        return web.json_response(await handler(self.grants, client, form), headers=NO_STORE)

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke a token of the client (RFC 7009). For a refresh token, revoke all tokens of its consent."""
        form = await read_form(request)
        client = authenticate_client(request, form, self.issuer)
        token = Secret(required(form, "token"))
        access = await self.issuer.access(token)
        if access is not None and access.client_id == client.client_id and access.session_id is None:
            await self.issuer.revoke(token)
        elif consent := await self.issuer.consent_of(token, client):
            await self.issuer.end_consent(consent)
        # An unknown token is a success for the client, and the response reveals nothing about tokens of other clients.
        return web.Response(headers=NO_STORE)

    async def inspect(self, request: web.Request) -> web.Response:
        """Return the projects and capabilities of the request's token."""
        access = await authenticate_bearer(request, self.issuer)
        actions: defaultdict[str, list[str]] = defaultdict(list)
        for capability in sorted(access.capabilities):
            acl, _, action = capability.partition(":")
            actions[acl].append(action)
        answer = {
            "subject": access.subject,
            "projects": [{"projectUrlName": self.project, "groups": [1]}],
            "capabilities": [self._capability(acl, names) for acl, names in actions.items()],
        }
        return web.json_response(answer)

    def _capability(self, acl: str, actions: list[str]) -> dict[str, Any]:
        return {
            acl: {"version": 1, "actions": actions, "scope": {"all": {}}},
            "projectScope": {"projects": [self.project]},
        }
