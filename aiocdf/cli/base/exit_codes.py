"""What the exit codes of the commands mean, and which errors have which."""

from __future__ import annotations

from enum import IntEnum

from aiocdf.errors import (
    AiocdfError,
    AuthError,
    CallLost,
    ConfigError,
    NotFound,
    PermissionDenied,
    RateLimited,
    ServerError,
    SubmissionUncertain,
    TransportError,
    Unauthorized,
    UsageError,
)

__all__ = ["ExitCode", "exit_code_of"]


class ExitCode(IntEnum):
    """How a command ended. One that a signal ended has 128 plus the signal's number: 130 after Ctrl-C."""

    #: It did what it should; a call completed.
    OK = 0
    #: A call or a deployment failed, the service refused the request, or anything else went wrong.
    FAILED = 1
    #: An argument, an option, a setting or an environment variable is missing or not valid. Nothing was sent.
    USAGE = 2
    #: The service does not know the function, call or schedule.
    NOT_FOUND = 3
    #: There is no valid access token, or it lacks a capability.
    DENIED = 4
    #: The service or the identity provider did not answer, or was out of order: the same command may succeed later.
    UNAVAILABLE = 5
    #: The end of a call is not known: `--timeout` passed, or the answers were lost. The call may still run.
    UNKNOWN_END = 6


_CODES: tuple[tuple[type[AiocdfError], ExitCode], ...] = (
    (UsageError, ExitCode.USAGE),
    (ConfigError, ExitCode.USAGE),
    (NotFound, ExitCode.NOT_FOUND),
    (AuthError, ExitCode.DENIED),
    (Unauthorized, ExitCode.DENIED),
    (PermissionDenied, ExitCode.DENIED),
    (TransportError, ExitCode.UNAVAILABLE),
    (ServerError, ExitCode.UNAVAILABLE),
    (RateLimited, ExitCode.UNAVAILABLE),
    (CallLost, ExitCode.UNKNOWN_END),
    (SubmissionUncertain, ExitCode.UNKNOWN_END),
)


def exit_code_of(error: AiocdfError) -> ExitCode:
    """Return the exit code of a command that an error ended."""
    if isinstance(error, AuthError) and error.passing:
        return ExitCode.UNAVAILABLE
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
