"""The exit codes of the commands, and the errors that lead to each."""

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
    """The exit codes. A command that a signal ended has 128 plus the signal's number, such as 130 after Ctrl-C."""

    #: The command succeeded; a call completed.
    OK = 0
    #: A call or a deployment failed, the service rejected the request, or there was an unexpected error.
    FAILED = 1
    #: An argument, an option, a setting or an environment variable is missing or not valid. No request was sent.
    USAGE = 2
    #: The service does not know the function, call or schedule.
    NOT_FOUND = 3
    #: No valid access token is available, or it lacks a capability.
    DENIED = 4
    #: The service or the identity provider did not answer or had an error. The same command may succeed later.
    UNAVAILABLE = 5
    #: The outcome of a call is unknown: `--timeout` passed, or answers were lost. The call may still be running.
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
    """Return the exit code for the error that ended a command."""
    if isinstance(error, AuthError) and error.passing:
        return ExitCode.UNAVAILABLE
    return next((code for kind, code in _CODES if isinstance(error, kind)), ExitCode.FAILED)
