"""Filters of lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf import CallStatus, InvalidArgument, InvalidType
from aiocdf._wire.filters import filter_body, known_status, time_range

EARLY = datetime(2026, 1, 1, tzinfo=UTC)


def test_conditions_have_the_names_of_the_service() -> None:
    """None sets no condition."""
    assert filter_body(schedule_id=5, start_time=None, name="n") == {"scheduleId": 5, "name": "n"}


def test_known_statuses() -> None:
    """Text and members are read; None sets no condition."""
    assert known_status("Failed", CallStatus) is CallStatus.Failed
    assert known_status(CallStatus.Failed, CallStatus) is CallStatus.Failed
    assert known_status(None, CallStatus) is None


@pytest.mark.parametrize("span", [None, (None, None)])
def test_no_bounds(span) -> None:
    """A span without bounds sets no condition."""
    assert time_range(span, "start_time") is None


def test_bounds_are_epoch_milliseconds() -> None:
    """Times of any zone are read, to the millisecond; a time before 1970 stands for its beginning."""
    elsewhere = EARLY.astimezone(timezone(timedelta(hours=5)))
    late = EARLY + timedelta(milliseconds=1, microseconds=999)

    assert time_range((elsewhere, late), "t") == {"min": 1_767_225_600_000, "max": 1_767_225_600_001}
    assert time_range((datetime(1960, 1, 1, tzinfo=UTC), None), "t") == {"min": 0}


@given(st.datetimes(min_value=datetime(1970, 1, 2), timezones=st.timezones()))  # noqa: DTZ001 - hypothesis adds the zone
def test_any_time_goes_there_and_back(time) -> None:
    """No more than a millisecond is lost."""
    span = time_range((time, None), "t")

    assert span is not None
    assert timedelta(0) <= time - datetime.fromtimestamp(0, UTC) - timedelta(milliseconds=span["min"])
    assert time - datetime.fromtimestamp(0, UTC) - timedelta(milliseconds=span["min"]) < timedelta(milliseconds=1)


@pytest.mark.parametrize("span", [EARLY, (EARLY,), (EARLY, 5), "2026", [EARLY, EARLY, EARLY]])
def test_what_is_not_a_pair_of_times(span) -> None:
    """It raises, and the message names the argument."""
    with pytest.raises(InvalidType, match="created_time"):
        time_range(span, "created_time")


@pytest.mark.parametrize("span", [(datetime(2026, 1, 1), None), (EARLY, EARLY - timedelta(seconds=1))])  # noqa: DTZ001
def test_times_that_cannot_bound(span) -> None:
    """A time without a zone could be any, and a span that ends before it begins holds none."""
    with pytest.raises(InvalidArgument, match="created_time"):
        time_range(span, "created_time")
