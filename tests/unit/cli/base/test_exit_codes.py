from __future__ import annotations

import pytest

from aiocdf import errors
from aiocdf.cli.base.exit_codes import ExitCode, exit_code_of


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidArgument("x"), ExitCode.USAGE),
        (errors.ConfigError("x"), ExitCode.USAGE),
        (errors.NotFound("x", status=400), ExitCode.NOT_FOUND),
        (errors.LoginRequired("x"), ExitCode.DENIED),
        (errors.PermissionDenied("x", status=403), ExitCode.DENIED),
        (errors.AuthError("x", passing=True), ExitCode.UNAVAILABLE),
        (errors.ConnectError("x"), ExitCode.UNAVAILABLE),
        (errors.ServerError("x", status=503), ExitCode.UNAVAILABLE),
        (errors.WaitExpired("x"), ExitCode.UNKNOWN_END),
        (errors.SubmissionUncertain("x"), ExitCode.UNKNOWN_END),
        (errors.CallFailed("x"), ExitCode.FAILED),
        (errors.CallTimedOut("x"), ExitCode.FAILED),
        (errors.FunctionNotReady("x", status=400), ExitCode.FAILED),
    ],
)
def test_each_kind_of_error_has_its_code(error, code):
    """Programs can tell what to do next: correct the command, sign in, or try again."""
    assert exit_code_of(error) is code
