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
    """What the token endpoint, the revocation endpoint and `/api/v1/token/inspect` answer."""

    issuer: Issuer
    grants: GrantHandlers
    project: str

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", TOKEN_PATH, self.token, None)
        yield Route("POST", REVOKE_PATH, self.revoke, None)
        yield Route("GET", "/api/v1/token/inspect", self.inspect, None)

    async def token(self, request: web.Request) -> web.Response:
        """Give tokens to a client that proves itself, in its own name or in a user's (RFC 6749)."""
        form = await read_form(request)
        grant_type = required(form, "grant_type")
        client = authenticate_client(request, form, self.issuer)
        handler = GRANT_TYPES.get(grant_type)
        if handler is None:
            raise OAuthProblem(400, "unsupported_grant_type", f"grant_type must be one of {', '.join(GRANT_TYPES)}")
        return web.json_response(await handler(self.grants, client, form), headers=NO_STORE)

    async def revoke(self, request: web.Request) -> web.Response:
        """End a token of the client that asks (RFC 7009); with a refresh token, all tokens of its consent end."""
        form = await read_form(request)
        client = authenticate_client(request, form, self.issuer)
        token = Secret(required(form, "token"))
        access = await self.issuer.access(token)
        if access is not None and access.client_id == client.client_id and access.session_id is None:
            await self.issuer.revoke(token)
        elif consent := await self.issuer.consent_of(token, client):
            await self.issuer.end_consent(consent)
        # One that is not there is as the client wants it to be; and of others' tokens it learns nothing.
        return web.Response(headers=NO_STORE)

    async def inspect(self, request: web.Request) -> web.Response:
        """Tell what the caller's token allows."""
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
