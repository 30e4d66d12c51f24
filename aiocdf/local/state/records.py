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
        "dataModelInstancesAcl": (
            "READ",
            "WRITE",
        ),  # without an endpoint: Cognite Toolkit checks for it before it deploys
    }.items()
    for action in actions
)


API_SCOPES = frozenset({".default", "IDENTITY", "user_impersonation"})
ALL_SCOPES = API_SCOPES | {"openid", "profile", "offline_access"}

LOOPBACK_URIS = tuple(f"http://{host}{path}" for host in ("127.0.0.1", "localhost") for path in ("", "/", "/callback"))
_LOOPBACK_PORT = re.compile(r"^(http://(?:127\.0\.0\.1|localhost|\[::1\])):[0-9]+(?=/|\Z)")

# Ids per millisecond: enough for the rate of calls, and few enough that ids stay below 2**53 until the year 2109.
PER_MILLISECOND = 2048


def _several(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):  # a string is iterable too
        raise ConfigError(f"{names!r} must be a list: write [{names!r}]")
    return tuple(names)


def _set(names: Iterable[str]) -> frozenset[str]:
    return frozenset(_several(names))


def _known(_: object, field: attrs.Attribute[Any], names: frozenset[str]) -> None:
    if unknown := names - ALL_CAPABILITIES:
        known = ", ".join(sorted(ALL_CAPABILITIES))
        raise ConfigError(f"{field.name}: unknown {', '.join(map(repr, unknown))}; use {known}")


@safe_to_show
@attrs.frozen(kw_only=True)
class OAuthClient:
    """A program that may request tokens from the local server.

    Args:
        client_id: The client id.
        client_secret: The client secret. The default is a random one. None makes a public client, which cannot keep a
            secret: it gets tokens only for users who sign in.
        capabilities: The maximum capabilities of its tokens, as `acl:ACTION`. The default is all capabilities.
        scopes: The scopes that it may request. Scopes of the API may have the server's URL and a slash as a prefix.
        redirect_uris: The redirect URIs that a sign-in may use. A loopback address without a port allows all ports.
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
        """Whether the client has no secret."""
        return self.client_secret is None

    def may_return_to(self, uri: str) -> bool:
        """Return whether the client may use a redirect URI (RFC 8252, section 7.3)."""
        return uri in self.redirect_uris or _LOOPBACK_PORT.sub(r"\1", uri) in self.redirect_uris


@safe_to_show
@attrs.frozen(kw_only=True)
class User:
    """A user who may sign in to the local server.

    Args:
        name: The user name.
        password: The password. The default is a random one.
        capabilities: The maximum capabilities of the user's tokens, as `acl:ACTION`. The default is all capabilities.
    """

    name: str
    password: Secret = attrs.field(factory=lambda: Secret(secrets.token_urlsafe(9)), converter=Secret)
    capabilities: frozenset[str] = attrs.field(default=ALL_CAPABILITIES, converter=_set, validator=_known)


@attrs.frozen(kw_only=True)
class Consent:
    """A user's consent that a client may act for them. All tokens of a consent are revoked together.

    Args:
        id: The id of the consent.
        client_id: The client.
        user: The name of the user.
        capabilities: The capabilities that both the client and the user have.
        scopes: The scopes that the client requested.
        signed_in: When the user signed in, in epoch seconds.
        nonce: The value of `nonce` in the id token (OpenID Connect Core, section 3.1.2.1).
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
    """The data that a refresh token stands for.

    Args:
        consent: The consent whose access token it renews.
        expires: When it expires, in epoch seconds.
        used: Whether it was already used to get new tokens.
    """

    consent: Consent
    expires: float
    used: bool = False


@attrs.frozen(kw_only=True)
class Access:
    """The access that a token grants.

    Args:
        client_id: The client that the token was issued to.
        user: The user for whom the client acts; None if it acts for itself.
        capabilities: The capabilities, as `acl:ACTION`.
        expires: When the token expires, in epoch seconds.
        consent_id: The id of the user's consent; None if there is no user.
        session_id: The id of the session; None if the token was not issued for a running call.
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
        """The user, or the client if there is no user."""
        return self.user or self.client_id


@attrs.frozen(kw_only=True)
class Session:
    """A session; times in epoch milliseconds.

    Args:
        id: The id of the session.
        type: The type of credentials that created it.
        status: READY until it is bound, then ACTIVE until it is revoked.
        creation_time: When it was created.
        expiration_time: When its credentials expire.
        nonce_expires: When its nonce expires, with which it is bound.
        client_id: The user or client that it acts as.
        capabilities: The capabilities of its tokens.
        depth: The depth of its tokens; see `Access`.
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
        id: The id of the call. A later call has a higher id.
        function_id: The id of the function.
        status: The status of the call.
        start_time: When the function started to run. Until then, and if it started immediately, when it was accepted.
        end_time: When it ended; None while it is running.
        message: Why it failed; None if it did not fail.
        trace: The function's traceback, if there is one.
        schedule_id: The id of the schedule that started it; None for other calls.
        scheduled_time: When the schedule was due; None for other calls.
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
        """When the call was accepted. Its id contains this time."""
        return accepted_at(self.id)


@attrs.frozen
class LogLine:
    """A line that a call printed, with its time in epoch milliseconds."""

    timestamp: int
    message: str


@attrs.frozen
class TimeRange:
    """An inclusive range of times in epoch milliseconds. A bound of None is open."""

    low: int | None = None
    high: int | None = None

    def __contains__(self, time: int | None) -> bool:
        """Return whether a time is in the range. None is only in the range with two open bounds."""
        if time is None:
            return self.low is None and self.high is None
        return (self.low is None or time >= self.low) and (self.high is None or time <= self.high)


ANY_TIME = TimeRange()


@attrs.frozen(kw_only=True)
class CallQuery:
    """Which calls of a function to list: newest first, older than `before`.

    Calls are listed by the time at which they were accepted. The start time can move, which would hide a call from a
    client that looks for it by the time of the request.
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
    """Return when a call was accepted, in epoch milliseconds, from its id."""
    return call_id // PER_MILLISECOND


@attrs.define
class Ids:
    """Generates ids that increase with time, even across restarts, so that ids have the order of creation.

    Args:
        last: New ids are above this id, even if the clock was set back.
    """

    _last: int = 0

    def take(self) -> int:
        """Return the next id."""
        self._last = max(self._last + 1, now_ms() * PER_MILLISECOND)
        return self._last
