"""Everything aiocdf raises, as one tree.

AiocdfError
├── UsageError                  you asked for something that cannot be; nothing was sent
│   ├── InvalidArgument         ... with a bad value (also a ValueError)
│   ├── InvalidType             ... with a value of the wrong kind (also a TypeError)
│   └── WrongState              ... at the wrong moment or on the wrong loop (also a RuntimeError)
├── ConfigError                 a setting or environment variable is missing or wrong
├── AuthError                   no usable access token
│   ├── OAuthError              the identity provider refused
│   └── LoginRequired           a person has to sign in again
├── TransportError              no HTTP answer
│   ├── ConnectError            no byte of the request left, so it did not reach the service
│   ├── TransportTimeout        the answer took too long (also a TimeoutError)
│   └── ProtocolError           the connection broke, or what came is not HTTP we can use
├── ApiError                    the service answered with an error status
│   ├── BadRequest              400, 422 and other 4xx
│   │   └── FunctionNotReady    the function exists but cannot be called now
│   ├── Unauthorized            401
│   ├── PermissionDenied        403
│   ├── NotFound                404, or 4xx with a list of what is missing
│   ├── Conflict                409
│   ├── RateLimited             429
│   └── ServerError             5xx
├── DecodeError                 the service answered with something we cannot read
├── CallError                   a call did not complete
│   ├── CallFailed              the function raised
│   ├── CallTimedOut            the service stopped it at its time limit
│   ├── CallLost                we stopped following it before its end was seen
│   │   └── WaitExpired         ... because the caller's own `timeout` passed (also a TimeoutError)
│   └── SubmissionUncertain     the POST may or may not have started it
└── ClientClosed                the client was closed while, or before, this was asked

Warnings: SecretInDataWarning (a UserWarning).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.calls import FunctionCall

__all__ = [
    "AiocdfError",
    "ApiError",
    "AuthError",
    "BadRequest",
    "CallError",
    "CallFailed",
    "CallLost",
    "CallTimedOut",
    "ClientClosed",
    "ConfigError",
    "Conflict",
    "ConnectError",
    "DecodeError",
    "FunctionNotReady",
    "InvalidArgument",
    "InvalidType",
    "LoginRequired",
    "NotFound",
    "OAuthError",
    "PermissionDenied",
    "ProtocolError",
    "RateLimited",
    "SecretInDataWarning",
    "ServerError",
    "SubmissionUncertain",
    "TransportError",
    "TransportTimeout",
    "Unauthorized",
    "UsageError",
    "WaitExpired",
    "WrongState",
]


class AiocdfError(Exception):
    """The base of everything aiocdf raises."""

    def __reduce__(
        self,
    ) -> tuple[Callable[..., AiocdfError], tuple[type[AiocdfError], tuple[Any, ...], dict[str, Any]]]:
        """Survive pickle and copy, which would call `__init__` without its keyword arguments."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[AiocdfError], args: tuple[Any, ...], state: dict[str, Any]) -> AiocdfError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    if "__notes__" in state:
        error.__notes__ = list(state["__notes__"])  # a note on one of several copies is not for all
    return error


class UsageError(AiocdfError):
    """You asked for something that cannot be; nothing was sent."""


class InvalidArgument(UsageError, ValueError):
    """An argument has a value that cannot be used."""


class InvalidType(UsageError, TypeError):
    """An argument is of the wrong kind."""


class WrongState(UsageError, RuntimeError):
    """The right request at the wrong moment: before start, outside a running loop, on another loop."""


class ConfigError(AiocdfError):
    """A setting or environment variable is missing or wrong."""


class AuthError(AiocdfError):
    """There is no usable access token.

    Args:
        message: What failed, where, and what to do.
        passing: The next request may get one though nothing is changed here, as after an outage of the identity provider.
        retry_after: Seconds the identity provider asks to wait, if it does.
    """

    def __init__(self, message: str, *, passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after = retry_after


class OAuthError(AuthError):
    """The identity provider refused to give a token.

    Args:
        message: What failed, where, and what to do.
        error: The provider's error code (RFC 6749 section 5.2), such as `invalid_client`; None when it gave none.
        description: The provider's own words, cut and cleaned.
        status: The HTTP status, if there was an answer.
    """

    def __init__(
        self, message: str, *, error: str | None = None, description: str | None = None, status: int | None = None
    ) -> None:
        super().__init__(message, passing=status is not None and (status in (408, 429) or status >= 500))
        self.error = error
        self.description = description
        self.status = status


class LoginRequired(AuthError):
    """The sign-in is gone or was never made; a person has to sign in."""


class TransportError(AiocdfError):
    """There was no HTTP answer.

    Args:
        message: What failed, which one, and what to do next.
        passing: The same request may succeed later though nothing is changed here; false for an untrusted certificate.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class ConnectError(TransportError):
    """No byte of the request left: no connection was made or free in time, or it was refused here."""


class TransportTimeout(TransportError, TimeoutError):
    """The answer took too long; the request may have reached the service."""


class ProtocolError(TransportError):
    """The connection broke or the answer is not HTTP we can use; the request may have reached the service."""


class ApiError(AiocdfError):
    """The service answered with an error status.

    Args:
        message: What failed, which one, and what to do next.
        status: The HTTP status.
        code: The `error.code` of the answer's body, if it has one.
        detail: The service's own message.
        missing: The identifiers that the service does not know.
        duplicated: The identifiers that are taken already.
        request_id: The `x-request-id` header, to quote to support.
        retryable: What the service itself says about sending the same request again; None when it says nothing.
        retry_after: Seconds the service asks to wait, if it does.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: int | None = None,
        detail: str = "",
        missing: Sequence[Mapping[str, Any]] = (),
        duplicated: Sequence[Mapping[str, Any]] = (),
        request_id: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.detail = detail
        self.missing: tuple[Mapping[str, Any], ...] = tuple(missing)
        self.duplicated: tuple[Mapping[str, Any], ...] = tuple(duplicated)
        self.request_id = request_id
        self.retryable = retryable
        self.retry_after = retry_after


class BadRequest(ApiError):
    """The service refused the request as it stands."""


class FunctionNotReady(BadRequest):
    """The function exists but cannot be called now: it is being deployed, or its deployment failed."""


class Unauthorized(ApiError):
    """The service does not accept the access token, or the token has no access to the project."""


class PermissionDenied(ApiError):
    """The token lacks a capability; the message names it."""


class NotFound(ApiError):
    """The service does not know what was asked for; `missing` names it."""


class Conflict(ApiError):
    """Something by that identifier exists already; `duplicated` names it."""


class RateLimited(ApiError):
    """The service asks for fewer requests, or for fewer running calls."""


class ServerError(ApiError):
    """The service failed."""


class DecodeError(AiocdfError):
    """The service answered with something that cannot be read.

    Args:
        message: What was read, and at which JSON path it went wrong. It quotes no values, which may be secret.
        path: The JSON path, such as `$.items[3].id`.
        found: The type that was found there, such as `str`; "nothing" for a member that is missing. None when the
            answer is not JSON at all.
        wanted: The type that was wanted, such as `int`.
    """

    def __init__(self, message: str, *, path: str = "$", found: str | None = None, wanted: str | None = None) -> None:
        super().__init__(message)
        self.path = path
        self.found = found
        self.wanted = wanted


class CallError(AiocdfError):
    """A call did not complete.

    Args:
        message: What happened to which call, and what to do next.
        call: The last that the service said of it, if it said anything.
        ref: Where to find it again with `client.attach(ref)`, if it has an id.
    """

    def __init__(self, message: str, *, call: FunctionCall | None = None, ref: CallRef | None = None) -> None:
        super().__init__(message)
        self.call = call
        self.ref = ref


class CallFailed(CallError):
    """The function raised, or its process died; the remote traceback is shown under the local one."""


class CallTimedOut(CallError):
    """The service stopped the call at the function's time limit."""


class CallLost(CallError):
    """We stopped following the call before its end was seen; it may still run, and `ref` attaches to it again."""


class WaitExpired(CallLost, TimeoutError):
    """The `timeout` given to `call` passed; the call runs on, and `ref` attaches to it again."""


class SubmissionUncertain(CallError):
    """The POST may or may not have started the call, and sending it again could start it twice.

    Args:
        message: Which call, why it is not known, and what to do next.
        candidates: Calls of the function that may be this one: look at them, and attach to the right one.
    """

    def __init__(self, message: str, *, candidates: Sequence[FunctionCall] = ()) -> None:
        super().__init__(message)
        self.candidates: tuple[FunctionCall, ...] = tuple(candidates)


class ClientClosed(AiocdfError):
    """The client is closed, or its event loop ended; calls that were running go on at the service."""


class SecretInDataWarning(UserWarning):
    """The data of a call looks as if it held a secret, and everyone who may read calls can read data."""
