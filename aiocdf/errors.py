"""The exceptions of aiocdf.

AiocdfError
├── UsageError                  an argument or operation is not valid; no request was sent
│   ├── InvalidArgument         ... a value (also a ValueError)
│   ├── InvalidType             ... a type (also a TypeError)
│   └── WrongState              ... the wrong time or event loop (also a RuntimeError)
├── ConfigError                 a setting or environment variable is missing or not valid
├── AuthError                   no access token is available
│   ├── OAuthError              the identity provider refused
│   └── LoginRequired           the user has to sign in again
├── TransportError              no HTTP answer
│   ├── ConnectError            no byte of the request was sent, so it did not reach the service
│   ├── TransportTimeout        the answer took too long (also a TimeoutError)
│   └── ProtocolError           the connection broke, or the answer is not valid HTTP
├── ApiError                    the service answered with an error status
│   ├── BadRequest              400, 422 and other 4xx
│   │   └── FunctionNotReady    the function exists but is not ready
│   ├── Unauthorized            401
│   ├── PermissionDenied        403
│   ├── NotFound                404, or 4xx with a list of missing ids
│   ├── Conflict                409
│   ├── RateLimited             429
│   └── ServerError             5xx
├── DecodeError                 an answer does not have the expected form
├── CallError                   a call did not complete
│   ├── CallFailed              the function raised an exception
│   ├── CallTimedOut            the service stopped it at its time limit
│   ├── CallLost                the client stopped tracking it before its end was seen
│   │   └── WaitExpired         ... because the `timeout` of the call passed (also a TimeoutError)
│   └── SubmissionUncertain     the POST may or may not have started it
├── ReplacementFailed           a function was deleted, and what followed failed
└── ClientClosed                the client is closed

Warnings: SecretInDataWarning (a UserWarning).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from aiocdf.models.call_ref import CallRef
    from aiocdf.models.calls import FunctionCall
    from aiocdf.models.functions import Function
    from aiocdf.models.kept_schedule import KeptSchedule

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
    "ReplacementFailed",
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
    """The base class of all exceptions of aiocdf."""

    def __reduce__(
        self,
    ) -> tuple[Callable[..., AiocdfError], tuple[type[AiocdfError], tuple[Any, ...], dict[str, Any]]]:
        """Support pickle and copy, which would call `__init__` without its keyword arguments."""
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(kind: type[AiocdfError], args: tuple[Any, ...], state: dict[str, Any]) -> AiocdfError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    if "__notes__" in state:
        error.__notes__ = list(state["__notes__"])  # a note on one copy must not appear on the others
    return error


class UsageError(AiocdfError):
    """An argument or operation is not valid; no request was sent."""


class InvalidArgument(UsageError, ValueError):
    """An argument has an invalid value."""


class InvalidType(UsageError, TypeError):
    """An argument has the wrong type."""


class WrongState(UsageError, RuntimeError):
    """A valid operation at the wrong time or place: before start, outside a running loop, on another loop."""


class ConfigError(AiocdfError):
    """A setting or environment variable is missing or not valid."""


class AuthError(AiocdfError):
    """No access token is available.

    Args:
        message: What failed, where, and what to do.
        passing: The next request may succeed without any change on this side, as after an outage of the identity
            provider.
        retry_after: Seconds that the identity provider requests to wait; None if it does not.
    """

    def __init__(self, message: str, *, passing: bool = False, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.passing = passing
        self.retry_after = retry_after


class OAuthError(AuthError):
    """The identity provider refused to issue a token.

    Args:
        message: What failed, where, and what to do.
        error: The provider's error code (RFC 6749 section 5.2), such as `invalid_client`; None without one.
        description: The provider's text, shortened and cleaned.
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
    """There is no valid sign-in: the user has to sign in."""


class TransportError(AiocdfError):
    """There was no HTTP answer.

    Args:
        message: What failed, which one, and what to do next.
        passing: The same request may succeed later without any change on this side; false for an untrusted certificate.
    """

    def __init__(self, message: str, *, passing: bool = True) -> None:
        super().__init__(message)
        self.passing = passing


class ConnectError(TransportError):
    """No byte of the request was sent: no connection was available in time, or the connection failed."""


class TransportTimeout(TransportError, TimeoutError):
    """The answer took too long; the request may have reached the service."""


class ProtocolError(TransportError):
    """The connection broke, or the answer is not valid HTTP; the request may have reached the service."""


class ApiError(AiocdfError):
    """The service answered with an error status.

    Args:
        message: What failed, which one, and what to do next.
        status: The HTTP status.
        code: The `error.code` of the answer's body, if it has one.
        detail: The message of the service.
        missing: The identifiers that the service does not know.
        duplicated: The identifiers that already exist.
        request_id: The `x-request-id` header, for support requests.
        retryable: Whether the service says that the same request may be sent again; None if it does not say.
        retry_after: Seconds that the service requests to wait; None if it does not.
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
    """The function exists but is not ready: it is being deployed, or its deployment failed."""


class Unauthorized(ApiError):
    """The service does not accept the access token, or the token has no access to the project."""


class PermissionDenied(ApiError):
    """The token lacks a capability; the message names it."""


class NotFound(ApiError):
    """The service does not know an id in the request; `missing` has it."""


class Conflict(ApiError):
    """An identifier already exists; `duplicated` has it."""


class RateLimited(ApiError):
    """Too many requests, or too many running calls."""


class ServerError(ApiError):
    """The service failed (5xx)."""


class DecodeError(AiocdfError):
    """An answer of the service does not have the expected form.

    Args:
        message: What was read, and the JSON path that does not fit. It quotes no values, which may be secret.
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
        call: The call as the service last described it; None if it never did.
        ref: The reference for `client.attach(ref)`; None if the call has no id.
    """

    def __init__(self, message: str, *, call: FunctionCall | None = None, ref: CallRef | None = None) -> None:
        super().__init__(message)
        self.call = call
        self.ref = ref


class CallFailed(CallError):
    """The function raised an exception, or its process died; the remote traceback is shown below the local one."""


class CallTimedOut(CallError):
    """The service stopped the call at the function's time limit."""


class CallLost(CallError):
    """The client stopped tracking the call before its end was seen; it may still run. Use `ref` to attach to it."""


class WaitExpired(CallLost, TimeoutError):
    """The `timeout` of the call passed; it continues on the service. Use `ref` to attach to it."""


class SubmissionUncertain(CallError):
    """The POST may or may not have started the call, and sending it again could start it twice.

    Args:
        message: Which call, why its start is unknown, and what to do next.
        candidates: Calls of the function that may be this one: check them, and attach to the right one.
    """

    def __init__(self, message: str, *, candidates: Sequence[FunctionCall] = ()) -> None:
        super().__init__(message)
        self.candidates: tuple[FunctionCall, ...] = tuple(candidates)


class ReplacementFailed(AiocdfError):
    """A function was deleted, or may have been, and the new function or its schedules were not created.

    The cause is the error's `__cause__`.

    Args:
        message: What was done, what failed, and what to do next.
        deleted: The function that was deleted.
        created: The new function; None if it was not created.
        schedules: The schedules that were not created again, each with its data.
    """

    def __init__(
        self, message: str, *, deleted: Function, created: Function | None, schedules: Sequence[KeptSchedule]
    ) -> None:
        super().__init__(message)
        self.deleted: Function = deleted
        self.created: Function | None = created
        self.schedules: tuple[KeptSchedule, ...] = tuple(schedules)


class ClientClosed(AiocdfError):
    """The client is closed, or its event loop ended; running calls continue on the service."""


class SecretInDataWarning(UserWarning):
    """The data of a call seems to hold a secret, and everyone who may read calls can read their data."""
