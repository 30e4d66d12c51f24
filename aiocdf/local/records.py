"""What the local server remembers."""

from __future__ import annotations

import secrets
from typing import Literal

import attrs

from aiocdf.secret import Secret

__all__ = [
    "ALL_CAPABILITIES",
    "ANY_TIME",
    "Access",
    "Call",
    "CallQuery",
    "CallStatus",
    "LogLine",
    "OAuthClient",
    "Session",
    "SessionStatus",
    "SessionType",
    "TimeRange",
]

CallStatus = Literal["Running", "Completed", "Failed", "Timeout"]
SessionStatus = Literal["READY", "ACTIVE", "CANCELLED", "EXPIRED", "REVOKED", "ACCESS_LOST"]
SessionType = Literal["CLIENT_CREDENTIALS", "TOKEN_EXCHANGE", "ONESHOT_TOKEN_EXCHANGE"]

ALL_CAPABILITIES = frozenset(
    f"{acl}:{action}"
    for acl, actions in {
        "functionsAcl": ("READ", "WRITE", "RUN"),
        "sessionsAcl": ("LIST", "CREATE", "DELETE"),
    }.items()
    for action in actions
)


@attrs.frozen(kw_only=True)
class OAuthClient:
    """Someone who may ask the local server for tokens.

    Args:
        client_id: Its name.
        client_secret: Its secret; a random one if not given.
        capabilities: What its tokens allow, as `acl:ACTION`; everything if not given.
    """

    client_id: str
    client_secret: Secret = attrs.field(factory=lambda: Secret(secrets.token_urlsafe(24)), converter=Secret)
    capabilities: frozenset[str] = attrs.field(default=ALL_CAPABILITIES, converter=frozenset)


@attrs.frozen(kw_only=True)
class Access:
    """What an access token allows.

    Args:
        client_id: Who it acts as.
        capabilities: What it may do, as `acl:ACTION`.
        expires: When it ends, in epoch seconds.
        session_id: The session it belongs to, if it was made for a running call.
        depth: 0 for a token from the token endpoint, 1 inside a call, 2 inside a call started by a call.
    """

    client_id: str
    capabilities: frozenset[str]
    expires: float
    session_id: int | None = None
    depth: int = 0


@attrs.frozen(kw_only=True)
class Session:
    """A session; times in epoch milliseconds.

    Args:
        id: Its id.
        type: How it was made.
        status: READY until it is bound, then ACTIVE, until it is revoked.
        creation_time: When it was made.
        expiration_time: When its credentials end.
        nonce_expires: Until when it can be bound.
        client_id: Who it acts as.
        capabilities: What it may do.
        depth: What the tokens made from it have as their depth.
    """

    id: int
    type: SessionType
    status: SessionStatus
    creation_time: int
    expiration_time: int
    nonce_expires: int
    client_id: str
    capabilities: frozenset[str]
    depth: int


@attrs.frozen(kw_only=True)
class Call:
    """A call of a function; times in epoch milliseconds.

    Args:
        id: Its id; a later call has a higher one.
        function_id: The function called.
        status: What has become of it.
        start_time: When it was accepted.
        end_time: When it ended.
        response: The returned value as JSON text, or None when there is none.
        message: What went wrong, in a line.
        trace: The function's traceback.
        schedule_id: The schedule that started it.
        scheduled_time: The time it was scheduled for.
    """

    id: int
    function_id: int
    status: CallStatus
    start_time: int
    end_time: int | None = None
    response: bytes | None = None
    message: str | None = None
    trace: str | None = None
    schedule_id: int | None = None
    scheduled_time: int | None = None


@attrs.frozen
class LogLine:
    """A line that a call printed, and when, in epoch milliseconds."""

    timestamp: int
    message: str


@attrs.frozen
class TimeRange:
    """An inclusive range of epoch milliseconds, open where None."""

    low: int | None = None
    high: int | None = None

    def __contains__(self, time: int | None) -> bool:
        """Tell whether the time lies in the range; no time lies only in the range that is open at both ends."""
        if time is None:
            return self.low is None and self.high is None
        return (self.low is None or time >= self.low) and (self.high is None or time <= self.high)


ANY_TIME = TimeRange()


@attrs.frozen(kw_only=True)
class CallQuery:
    """Which calls of a function to list: newest first, older than `before`."""

    limit: int
    before: int | None = None
    status: str | None = None
    schedule_id: int | None = None
    start_time: TimeRange = ANY_TIME
    end_time: TimeRange = ANY_TIME

    def matches(self, call: Call) -> bool:
        """Tell whether the call is one of those asked for."""
        return (
            (self.before is None or call.id < self.before)
            and self.status in {None, call.status}
            and self.schedule_id in {None, call.schedule_id}
            and call.start_time in self.start_time
            and call.end_time in self.end_time
        )
