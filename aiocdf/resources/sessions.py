"""Sessions (API: Sessions)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf._wire.json import json_request, read_items
from aiocdf.errors import DecodeError
from aiocdf.models.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from aiocdf._http.sender import Sender
    from aiocdf._wire.http import Response

__all__ = ["Sessions"]


class Sessions:
    """Makes and reads sessions.

    Args:
        sender: What sends the requests.
        project_url: Address of the project, up to and without the last slash.
    """

    def __init__(self, sender: Sender, project_url: str) -> None:
        self._sender = sender
        self._url = f"{project_url}/sessions"

    async def create(
        self, grant: Mapping[str, Any], *, attempts: int | None = None, within: float | None = None
    ) -> Session:
        """Make a session; one that nobody binds dies by itself within about a minute.

        Args:
            grant: `{"clientId": ..., "clientSecret": Secret}`, `{"tokenExchange": True}` or
                `{"oneshotTokenExchange": True}`.
            attempts: How often the request may be sent; None for the setting.
            within: Seconds until an answer must be there; None for the setting.

        Raises:
            PermissionDenied: The caller lacks sessionsAcl:CREATE.
        """
        request = json_request(
            "create a session",
            "POST",
            self._url,
            {"items": [grant]},
            capability="sessionsAcl:CREATE",
            timeout=within,
        )
        response = await self._sender.send(request, attempts=attempts)
        try:
            sessions = read_items(request, response, Session)
        except DecodeError as error:
            # The frames below hold the answer, and with it the nonce.
            raise error.with_traceback(None) from None
        if len(sessions) != 1:
            raise DecodeError(f"{request.name}: the answer has {len(sessions)} sessions", path="$.items")
        return sessions[0]

    async def by_ids(self, ids: Collection[int], *, within: float | None = None) -> tuple[list[Session], Response]:
        """Return sessions as they stand now, with one request, sent once.

        Args:
            ids: At most 1,000. If the service does not know one of them, it refuses to tell of any.
            within: Seconds until the answer must be there; None for the setting.

        Raises:
            PermissionDenied: The caller lacks sessionsAcl:LIST.
            ApiError: An id is unknown; `missing` names it.
        """
        request = json_request(
            f"read {len(ids)} sessions",
            "POST",
            f"{self._url}/byids",
            {"items": [{"id": session_id} for session_id in ids]},
            capability="sessionsAcl:LIST",
            timeout=within,
        )
        response = await self._sender.send(request, attempts=1)
        return read_items(request, response, Session), response
