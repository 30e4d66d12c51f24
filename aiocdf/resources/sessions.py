"""Sessions (API: Sessions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, get_args
from urllib.parse import urlencode

from aiocdf._chunks import in_chunks, in_order
from aiocdf._listing import Listing
from aiocdf._wire.arguments import secret_fault
from aiocdf._wire.filters import known_status
from aiocdf._wire.identifiers import check_ids
from aiocdf._wire.json import json_request, read_items, read_json
from aiocdf._wire.new_session import new_session_request, read_new_session
from aiocdf._wire.pages import read_page
from aiocdf.config import SessionGrant
from aiocdf.errors import BadRequest, InvalidArgument, InvalidType
from aiocdf.models.html import ItemList
from aiocdf.models.sessions import Session, SessionStatus
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from aiocdf._http.sender import Sender
    from aiocdf._wire.pages import Page

__all__ = ["Sessions"]

_LIST = "sessionsAcl:LIST"
_MOST_BY_IDS = 1000


class Sessions:
    """Creates, reads and revokes sessions.

    Args:
        sender: Sends the requests.
        project_url: The address of the project, without a trailing slash.
        grants: Returns the bodies to request a session with, the best first, for a grant or for None.
    """

    def __init__(
        self,
        sender: Sender,
        project_url: str,
        *,
        grants: Callable[[SessionGrant | None], Sequence[Mapping[str, Any]]],
    ) -> None:
        self._sender = sender
        self._url = f"{project_url}/sessions"
        self._grants = grants

    async def create(
        self,
        *,
        grant: SessionGrant | None = None,
        client_id: str | None = None,
        client_secret: str | Secret | None = None,
    ) -> Session:
        """Create a session. Its nonce must be used within about a minute, or the session ends.

        Args:
            grant: How the session is created; None for the way that the client's calls use.
            client_id: The id of a client at the identity provider; the session acts as that client. None: it acts as this
                client.
            client_secret: The secret of *client_id*.

        Raises:
            UsageError: Only one of *client_id* and *client_secret* is given, both are given with *grant*, or an argument
                is not valid.
            ConfigError: The grant needs a client secret, and the client's credentials have none.
            PermissionDenied: The caller lacks sessionsAcl:CREATE.
        """
        if fault := secret_fault(client_secret, "client_secret"):
            del client_secret  # a secret in bytes must not be among the locals of a traceback
            raise fault
        secret = client_secret = None if client_secret is None else Secret(client_secret)
        if not isinstance(client_id, str | None):
            raise InvalidType(f"client_id must be text, not {type(client_id).__name__}")
        if grant not in (None, *get_args(SessionGrant)):
            raise InvalidArgument(f"grant is {grant!r}; it must be one of {', '.join(get_args(SessionGrant))}")
        if (client_id is None) != (secret is None) or None not in (client_id, grant):
            raise InvalidArgument("give both client_id and client_secret, and no grant with them")
        if client_id is not None:
            return await self._create({"clientId": client_id, "clientSecret": secret})
        *others, last = self._grants(grant)
        for item in others:
            try:
                return await self._create(item)
            except BadRequest:
                continue
        return await self._create(last)

    def list(self, *, status: SessionStatus | str | None = None, limit: int | None = None) -> Listing[Session]:
        """List the project's sessions.

        Args:
            status: Only sessions with this status, such as `READY`.
            limit: The maximum number of sessions; None for all.

        Raises:
            UsageError: An argument is not valid.
        """
        wanted = known_status(status, SessionStatus)
        query = {} if wanted is None else {"status": wanted.lower()}

        async def read(size: int, cursor: str | None) -> Page[Session]:
            parameters = urlencode({**query, "limit": size, **({} if cursor is None else {"cursor": cursor})})
            request = json_request("list sessions", "GET", f"{self._url}?{parameters}", capability=_LIST)
            return read_page(request, await self._sender.send(request), Session)

        return Listing(read, limit=limit)

    async def retrieve(self, session_id: int) -> Session:
        """Return a session as the service describes it now.

        Raises:
            NotFound: The project has no such session.
        """
        (session,) = await self.retrieve_many([session_id])
        return session

    async def retrieve_many(self, session_ids: Iterable[int]) -> ItemList[Session]:
        """Return several sessions, in the order of their ids.

        Args:
            session_ids: Any number of ids. One request reads at most 1,000.

        Raises:
            NotFound: The service does not know one of them; `missing` has the unknown ids of one request.
        """
        ids = check_ids(session_ids, "session")
        found = {session.id: session for session in await in_chunks(ids, _MOST_BY_IDS, self._by_ids)}
        return ItemList(in_order(ids, found, what="session", ignore_unknown=False))

    async def revoke(self, session_ids: int | Iterable[int]) -> None:
        """End sessions. Calls and schedules that use them may work for up to an hour longer.

        Args:
            session_ids: One id or several. Sessions that are already revoked are accepted.

        Raises:
            NotFound: The service does not know one of them.
        """
        await in_chunks(check_ids(session_ids, "session"), _MOST_BY_IDS, self._revoke)

    async def _create(self, item: Mapping[str, Any]) -> Session:
        request = new_session_request(self._url, item)
        return read_new_session(request, await self._sender.send(request))

    async def _by_ids(self, session_ids: Sequence[int]) -> Sequence[Session]:
        name, body = "read sessions", {"items": [{"id": number} for number in session_ids]}
        request = json_request(name, "POST", f"{self._url}/byids", body, capability=_LIST)
        return read_items(request, await self._sender.send(request), Session)

    async def _revoke(self, session_ids: Sequence[int]) -> Sequence[None]:
        name, body = "revoke sessions", {"items": [{"id": number} for number in session_ids]}
        request = json_request(name, "POST", f"{self._url}/revoke", body, capability="sessionsAcl:DELETE")
        read_json(request, await self._sender.send(request))
        return ()
