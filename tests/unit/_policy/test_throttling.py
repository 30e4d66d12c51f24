from __future__ import annotations

import pytest

from aiocdf._policy.throttling import Cause, cause_of

VAGUE = ["", "maximum 100 concurrent jobs", "too many calls of a function in this project", "Too Many Requests."]


@pytest.mark.parametrize(
    ("message", "cause"),
    [
        ("Project exceeded maximum number='50' of concurrent requests. Please try again later.", Cause.RATE),
        ("Too many concurrent requests", Cause.RATE),
        ("Too many requests: 100 requests a second", Cause.RATE),
        ("Rate limit exceeded for project", Cause.RATE),
        ("rate-limited: slow down", Cause.RATE),
        ("Function 12 has too many running calls: 100 of 100", Cause.FUNCTION),
        ("This request was rejected: the function has reached 100 concurrent calls", Cause.FUNCTION),
        ("Too many requests! The function has reached its limit", Cause.FUNCTION),
        ("Project has too many running calls: 250 of 250", Cause.PROJECT),
        ("Maximum number of generated calls in project reached", Cause.PROJECT),
    ],
)
@pytest.mark.parametrize("alone", [False, True])
def test_the_service_says_which(message, cause, alone) -> None:
    """Where the service names what there is too much of, that decides, whatever we count ourselves."""
    assert cause_of(message, function_use=0.0, project_use=1.0, alone=alone) is cause
    assert cause_of(message, function_use=1.0, project_use=0.0, alone=alone) is cause
    assert cause_of(message, function_use=0.0, project_use=0.0, alone=alone) is cause


@pytest.mark.parametrize("message", VAGUE)
@pytest.mark.parametrize(
    ("function_use", "project_use", "cause"),
    [
        (0.9, 0.4, Cause.FUNCTION),
        (0.8, 0.8, Cause.FUNCTION),
        (0.4, 0.9, Cause.PROJECT),
        (0.9, 1.0, Cause.PROJECT),
        (0.79, 0.79, Cause.RATE),
        (0.0, 0.0, Cause.RATE),
    ],
)
def test_a_vague_answer(message, function_use, project_use, cause) -> None:
    """Where the service's words leave it open, it is the limit that we are nearest to, and far from both the rate."""
    assert cause_of(message, function_use=function_use, project_use=project_use, alone=False) is cause


@pytest.mark.parametrize("message", VAGUE)
@pytest.mark.parametrize(("function_use", "project_use"), [(0.0, 0.0), (0.1, 1.0), (1.0, 0.1)])
def test_a_vague_answer_to_one_function_alone(message, function_use, project_use) -> None:
    """Where only this function's calls are turned away, it is the function, however full anything is by our count."""
    assert cause_of(message, function_use=function_use, project_use=project_use, alone=True) is Cause.FUNCTION
