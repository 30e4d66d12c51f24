"""Sessions, which let a function act on behalf of its caller (API: Sessions)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import attrs

from aiocdf.models.html import HtmlTable
from aiocdf.models.open_enum import OpenEnum
from aiocdf.secret import Secret

__all__ = ["Session", "SessionStatus", "SessionType"]


class SessionStatus(OpenEnum):
    """The status of a session: READY until its nonce is used, then ACTIVE."""

    READY = "READY"
    ACTIVE = "ACTIVE"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REVOKED = "REVOKED"
    ACCESS_LOST = "ACCESS_LOST"


class SessionType(OpenEnum):
    """How a session was created."""

    CLIENT_CREDENTIALS = "CLIENT_CREDENTIALS"
    TOKEN_EXCHANGE = "TOKEN_EXCHANGE"
    ONESHOT_TOKEN_EXCHANGE = "ONESHOT_TOKEN_EXCHANGE"


@attrs.frozen(kw_only=True)
class Session(HtmlTable):
    """A session. A new one has a nonce, which a call must use within about a minute."""

    id: int
    status: SessionStatus
    type: SessionType | None = None
    nonce: Secret | None = None
    client_id: str | None = None
    creation_time: datetime | None = None
    expiration_time: datetime | None = None
    extra: Mapping[str, Any] = attrs.field(factory=dict, repr=False)
