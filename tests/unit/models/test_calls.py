from __future__ import annotations

from datetime import UTC, datetime, timedelta

import attrs
import pytest

from aiocdf.models import CallStatus, FunctionCall

START = datetime(2024, 5, 1, tzinfo=UTC)


def call(status: CallStatus, seconds: float | None = None) -> FunctionCall:
    end = None if seconds is None else START + timedelta(seconds=seconds)
    return FunctionCall(id=1, function_id=2, status=status, start_time=START, end_time=end)


@pytest.mark.parametrize(
    ("status", "seconds", "ended", "runtime"),
    [
        (CallStatus.Running, None, False, None),
        (CallStatus.Running, 5.0, False, None),
        (CallStatus.Completed, 5.0, True, 5.0),
        (CallStatus.Completed, None, True, None),
        (CallStatus.Failed, 0.0, True, 0.0),
        (CallStatus.Timeout, 600.0, True, 600.0),
        (CallStatus("Paused"), None, False, None),
        (CallStatus("Cancelled"), 1.0, True, 1.0),
    ],
)
def test_ended_and_runtime(status, seconds, ended, runtime) -> None:
    """A known status decides; an unknown one counts as over once there is an end time."""
    assert call(status, seconds).ended is ended
    assert call(status, seconds).runtime == runtime


def test_frozen() -> None:
    """What the service said stays said."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        call(CallStatus.Running).status = CallStatus.Failed
