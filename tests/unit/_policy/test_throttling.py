from __future__ import annotations

import pytest

from aiocdf._policy.throttling import Cause, cause_of


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Project exceeded maximum number='50' of concurrent requests. Please try again later.", Cause.RATE),
        ("Too many concurrent requests", Cause.RATE),
        ("Too Many Requests", Cause.RATE),
        ("Rate limit exceeded for project", Cause.RATE),
        ("rate-limited: slow down", Cause.RATE),
        ("Function 12 has too many running calls: 100 of 100", Cause.FUNCTION),
        ("This request was rejected: the function has reached 100 concurrent calls", Cause.FUNCTION),
        ("Project has too many running calls: 250 of 250", Cause.PROJECT),
        ("Maximum number of generated calls in project reached", Cause.PROJECT),
    ],
)
def test_the_service_says_which(message, cause) -> None:
    """Where the service names what there is too much of, that decides, whatever we count ourselves."""
    assert cause_of(message, function_use=0.0, project_use=1.0) is cause
    assert cause_of(message, function_use=1.0, project_use=0.0) is cause


@pytest.mark.parametrize("message", ["", "maximum 100 concurrent jobs", "too many calls of a function in this project"])
@pytest.mark.parametrize(
    ("function_use", "project_use", "cause"),
    [(0.9, 0.4, Cause.FUNCTION), (0.4, 0.9, Cause.PROJECT), (0.5, 0.5, Cause.FUNCTION)],
)
def test_the_nearer_limit_decides(message, function_use, project_use, cause) -> None:
    """Where the service's words leave it open, it is the limit that we are nearest to."""
    assert cause_of(message, function_use=function_use, project_use=project_use) is cause
