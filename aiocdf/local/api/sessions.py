"""The sessions endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args

import attrs
from aiohttp import web

from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.paging import from_cursor, page
from aiocdf.local.http.problems import Problem
from aiocdf.local.identity.issuer import digest, random_secret
from aiocdf.local.identity.oauth import authenticate_bearer
from aiocdf.local.state.records import Session, SessionStatus, now_ms
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiocdf.local.http.fields import Fields
    from aiocdf.local.identity.issuer import Issuer
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Access, Ids, SessionType
    from aiocdf.local.state.store import Store

__all__ = ["SessionEndpoints"]

# A call may create a session to call another function. Calls of that function may not (sessions concept page).
MAX_DEPTH = 1


@attrs.frozen
class SessionEndpoints:
    """The endpoints of `/sessions`."""

    store: Store
    issuer: Issuer
    ids: Ids
    limits: Limits

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield Route("POST", "/sessions", self.create, "sessionsAcl:CREATE")
        yield Route("GET", "/sessions", self.list_sessions, "sessionsAcl:LIST")
        yield Route("POST", "/sessions/byids", self.by_ids, "sessionsAcl:LIST")
        yield Route("POST", "/sessions/revoke", self.revoke, "sessionsAcl:DELETE")

    async def create(self, request: web.Request) -> web.Response:
        """Create a session with a nonce that is valid once, for a short time."""
        (item,) = (await fields.from_body(request)).items(1)
        kind, client_id, capabilities, depth = self._principal(item, await authenticate_bearer(request, self.issuer))
        now, nonce = now_ms(), random_secret()
        session = Session(
            id=self.ids.take(),
            type=kind,
            status="READY",
            creation_time=now,
            expiration_time=now + int(self.limits.token_seconds * 1000),
            nonce_expires=now + int(self.limits.nonce_seconds * 1000),
            client_id=client_id,
            capabilities=capabilities,
            depth=depth,
        )
        await self.store.add_session(session, digest(nonce))
        shown = _shown(session)
        answer = {key: shown[key] for key in ("id", "type", "status", "clientId") if key in shown}
        return web.json_response({"items": [{**answer, "nonce": nonce.reveal()}]})

    async def list_sessions(self, request: web.Request) -> web.Response:
        """List sessions, newest first."""
        query = fields.from_query(request)
        status = query.optional_text("status")
        if status is not None and status.upper() not in get_args(SessionStatus):
            raise Problem(400, f"status must be one of {', '.join(get_args(SessionStatus)).lower()}")
        limit = query.limit(default=25, high=1000)
        found = await self.store.list_sessions(
            status=status and status.upper(), before=from_cursor(query), limit=limit + 1
        )
        return web.json_response(page(found, limit, _shown))

    async def by_ids(self, request: web.Request) -> web.Response:
        """Return sessions by id. Unknown ids are an error."""
        found = await self._known((await fields.from_body(request)).items(1000))
        return web.json_response({"items": [_shown(session) for session in found]})

    async def revoke(self, request: web.Request) -> web.Response:
        """Revoke sessions. Return the ids only, unless the client may list sessions."""
        found = await self._known((await fields.from_body(request)).items(fields.MAX_LIMIT))
        ids = [session.id for session in found]
        await self.store.revoke_sessions(ids)
        await self.issuer.end_sessions(ids)
        access = await authenticate_bearer(request, self.issuer)
        if "sessionsAcl:LIST" not in access.capabilities:
            return web.json_response({"items": [{"id": session_id} for session_id in ids]})
        return web.json_response({"items": [_shown(session) for session in await self.store.sessions(ids)]})

    async def _known(self, items: list[Fields]) -> list[Session]:
        ids = [item.id() for item in items]
        found = await self.store.sessions(ids)
        known = {session.id for session in found}
        if missing := [{"id": session_id} for session_id in ids if session_id not in known]:
            raise Problem(
                400, f"Unknown session ids: {', '.join(str(item['id']) for item in missing)}", missing=missing
            )
        return found

    def _principal(self, item: Fields, access: Access) -> tuple[SessionType, str, frozenset[str], int]:
        """Return the type of the requested session, its client id, its capabilities and its depth."""
        if (kind := _kind(item)) == "CLIENT_CREDENTIALS":
            client = self.issuer.authenticate(item.text("clientId"), Secret(item.text("clientSecret")))
            if client is None:
                raise Problem(
                    400,
                    f"Invalid client credentials for clientId {item.text('clientId')!r}: check the secret too",
                )
            return kind, client.client_id, client.capabilities, 1
        if access.depth > MAX_DEPTH:
            raise Problem(
                400, "This token belongs to a chained session, which may not create sessions: the limit is one level"
            )
        if kind == "TOKEN_EXCHANGE" and not self.limits.token_exchange:
            raise Problem(
                400, "The identity provider of this project does not exchange tokens: use oneshotTokenExchange"
            )
        return kind, access.subject, access.capabilities, access.depth + 1


def _kind(item: Fields) -> SessionType:
    """Return the type of the requested session."""
    requested: dict[SessionType, bool] = {
        "CLIENT_CREDENTIALS": "clientId" in item or "clientSecret" in item,
        "TOKEN_EXCHANGE": item.flag("tokenExchange"),
        "ONESHOT_TOKEN_EXCHANGE": item.flag("oneshotTokenExchange"),
    }
    kinds = [kind for kind, is_requested in requested.items() if is_requested]
    if len(kinds) != 1:
        item.refuse_all(
            "must have exactly one of: clientId and clientSecret; tokenExchange: true; oneshotTokenExchange: true"
        )
    return kinds[0]


def _shown(session: Session) -> dict[str, Any]:
    """Return a session as JSON values of the API."""
    shown: dict[str, Any] = {
        "id": session.id,
        "type": session.type,
        "status": session.status,
        "creationTime": session.creation_time,
        "expirationTime": session.expiration_time,
    }
    if session.type == "CLIENT_CREDENTIALS":
        shown["clientId"] = session.client_id
    return shown
