"""The request for a new session, and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aiocdf._wire.json import json_request, read_items
from aiocdf.errors import DecodeError
from aiocdf.models.sessions import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiocdf._wire.http import Request, Response

__all__ = ["new_session_request", "read_new_session"]


def new_session_request(url: str, item: Mapping[str, Any], *, within: float | None = None) -> Request:
    """Build the request.

    Args:
        url: The address of the project's sessions.
        item: `{"clientId": ..., "clientSecret": Secret}`, `{"tokenExchange": True}` or `{"oneshotTokenExchange":
            True}`.
        within: The time limit for the answer in seconds; None for the setting.
    """
    return json_request(
        "create a session", "POST", url, {"items": [item]}, capability="sessionsAcl:CREATE", timeout=within
    )


def read_new_session(request: Request, response: Response) -> Session:
    """Return the session that the answer describes.

    Raises:
        DecodeError: The answer does not have exactly one session.
    """
    try:
        sessions = read_items(request, response, Session)
    except DecodeError as error:
        # The frames of the traceback have the answer with the nonce among their locals.
        raise error.with_traceback(None) from None
    if len(sessions) != 1:
        raise DecodeError(f"{request.name}: the answer has {len(sessions)} sessions", path="$.items")
    return sessions[0]
