"""The records that the local server keeps, with their times and ids."""

from __future__ import annotations

import re
import secrets
import time
from typing import TYPE_CHECKING, Any, Literal

import attrs
from attrs.converters import optional

from aiocdf.errors import ConfigError
from aiocdf.secret import Secret, safe_to_show

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "ALL_CAPABILITIES",
    "ALL_SCOPES",
    "ANY_TIME",
    "API_SCOPES",
    "Access",
    "Call",
    "CallQuery",
    "CallStatus",
    "Consent",
    "Ids",
    "LogLine",
    "OAuthClient",
    "RefreshToken",
    "Session",
    "SessionStatus",
    "SessionType",
    "TimeRange",
    "User",
    "now_ms",
]

CallStatus = Literal["Running", "Completed", "Failed", "Timeout"]
SessionStatus = Literal["READY", "ACTIVE", "CANCELLED", "EXPIRED", "REVOKED", "ACCESS_LOST"]
SessionType = Literal["CLIENT_CREDENTIALS", "TOKEN_EXCHANGE", "ONESHOT_TOKEN_EXCHANGE"]

ALL_CAPABILITIES = frozenset(
    f"{acl}:{action}"
    for acl, actions in {
        "functionsAcl": ("READ", "WRITE", "RUN"),
        "filesAcl": ("READ", "WRITE"),
        "sessionsAcl": ("LIST", "CREATE", "DELETE"),
        "dataModelInstancesAcl": ("READ", "WRITE"),  # no endpoint here: Cognite Toolkit looks for it before it deploys
    }.items()
    for action in actions
)


API_SCOPES = frozenset({".default", "IDENTITY", "user_impersonation"})
ALL_SCOPES = API_SCOPES | {"openid", "profile", "offline_access"}

LOOPBACK_URIS = tuple(f"http://{host}{path}" for host in ("127.0.0.1", "localhost") for path in ("", "/", "/callback"))
_LOOPBACK_PORT = re.compile(r"^(http://(?:127\.0\.0\.1|localhost|\[::1\])):[0-9]+(?=/|\Z)")

# Ids a millisecond. Large enough to keep up, small enough for ids to stay below 2**53 until the year 2109.
PER_MILLISECOND = 2048


def _several(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):  # which is iterable, too
        raise ConfigError(f"{names!r} stands where several are to be given: write [{names!r}]")
    return tuple(names)


def _set(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_several(names))


def _known(_: object, field: attrs.Attribute[Any], names: frozenset[str]) -> None:
    if unknown := names - ALL_CAPABILITIES:
        known = ", ".join(sorted(ALL_CAPABILITIES))
        raise ConfigError(f"{field.name} has {', '.join(map(repr, unknown))}, and there are only {known}")


@safe_to_show
@attrs.frozen(kw_only=True)
class OAuthClient:
    """A program that may ask the local server for tokens.

    Args:
        client_id: Its name.
        client_secret: Its secret; a random one if not given; None for a public client, which can keep no secret and
            gets tokens only in the name of a user who signs in.
        capabilities: What its tokens allow at most, as `acl:ACTION`; everything if not given.
        scopes: What it may ask for; those of the API may also be spelt with the server's address and a slash in front.
        redirect_uris: Where a sign-in for it may end; an address on loopback without a port stands for all ports.
    """

    client_id: str
    client_secret: Secret | None = attrs.field(
        factory=lambda: Secret(secrets.token_urlsafe(24)), converter=optional(Secret)
    )
    capabilities: frozenset[str] = attrs.field(default=ALL_CAPABILITIES, converter=_set, validator=_known)
    scopes: frozenset[str] = attrs.field(default=ALL_SCOPES, converter=_set)
    redirect_uris: tuple[str, ...] = attrs.field(default=LOOPBACK_URIS, converter=_several)

    @property
    def public(self) -> bool:
        """Whether it has no secret to prove itself by."""
        return self.client_secret is None

    def may_return_to(self, uri: str) -> bool:
        """Tell whether a sign-in for it may end at this address (RFC 8252, section 7.3)."""
        return uri in self.redirect_uris or _LOOPBACK_PORT.sub(r"\1", uri) in self.redirect_uris


@safe_to_show
@attrs.frozen(kw_only=True)
class User:
    """Someone who may sign in to the local server.

    Args:
        name: What they sign in as.
        password: Their password; a random one if not given.
        capabilities: What is allowed in their name at most, as `acl:ACTION`; everything if not given.
    """

    name: str
    password: Secret = attrs.field(factory=lambda: Secret(secrets.token_urlsafe(9)), converter=Secret)
    capabilities: frozenset[str] = attrs.field(default=ALL_CAPABILITIES, converter=_set, validator=_known)


@attrs.frozen(kw_only=True)
class Consent:
    """A user's consent that a client may act for them. All tokens that come from one consent end together.

    Args:
        id: Its id.
        client_id: The client.
        user: The user's name.
        capabilities: What both the client and the user may do.
        scopes: What the client asked for.
        signed_in: When the user signed in, in epoch seconds.
        nonce: What the client wants to find in its id token (OpenID Connect Core, section 3.1.2.1).
    """

    id: str = attrs.field(factory=lambda: secrets.token_hex(8))
    client_id: str
    user: str
    capabilities: frozenset[str]
    scopes: tuple[str, ...]
    signed_in: int
    nonce: str | None = None


@attrs.frozen(kw_only=True)
class RefreshToken:
    """What is behind a refresh token.

    Args:
        consent: The consent whose access token it renews.
        expires: When it ends, in epoch seconds.
        used: Whether it was exchanged for another one already.
    """

    consent: Consent
    expires: float
    used: bool = False


@attrs.frozen(kw_only=True)
class Access:
    """What an access token allows.

    Args:
        client_id: The client it was given to.
        user: In whose name; None for the client's own.
        capabilities: What it may do, as `acl:ACTION`.
        expires: When it ends, in epoch seconds.
        consent_id: The consent it comes from, if it is a user's.
        session_id: The session it belongs to, if it was made for a running call.
        depth: 0 for a token from the token endpoint, 1 inside a call, 2 inside a call started by a call.
    """

    client_id: str
    capabilities: frozenset[str]
    expires: float
    user: str | None = None
    consent_id: str | None = None
    session_id: int | None = None
    depth: int = 0

    @property
    def subject(self) -> str:
        """Who it acts as."""
        return self.user or self.client_id


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
    capabilities: frozenset[str] = attrs.field(converter=_set)
    depth: int


@attrs.frozen(kw_only=True)
class Call:
    """A call of a function; times in epoch milliseconds.

    Args:
        id: Its id; a later call has a higher one.
        function_id: The function called.
        status: What has become of it.
        start_time: When it began to work; until then, and if it did so at once, when it was accepted.
        end_time: When it ended.
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
    message: str | None = None
    trace: str | None = None
    schedule_id: int | None = None
    scheduled_time: int | None = None

    @property
    def accepted(self) -> int:
        """When it was accepted, which its id has."""
        return accepted_at(self.id)


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
    """Which calls of a function to list: newest first, older than `before`.

    Calls are listed by the time at which they were accepted. A start time that moves while a client looks for a call by
    the time of its request would hide that call, or show another in its place.
    """

    limit: int
    before: int | None = None
    status: str | None = None
    schedule_id: int | None = None
    accepted: TimeRange = ANY_TIME
    end_time: TimeRange = ANY_TIME


def now_ms() -> int:
    """Return the time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def accepted_at(call_id: int) -> int:
    """Return when a call was accepted, in epoch milliseconds: its id has it."""
    return call_id // PER_MILLISECOND


@attrs.define
class Ids:
    """Ids that rise with time, also over restarts, so that the order of ids is the order of creation.

    Args:
        last: An id below all that it gives, whatever the clock says.
    """

    _last: int = 0

    def take(self) -> int:
        """Return the next id."""
        self._last = max(self._last + 1, now_ms() * PER_MILLISECOND)
        return self._last
