from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.schedule import Demand, Schedule
from aiocdf.config import Polling

DEMAND = Demand(10, awaited=False, jitter=1.0)


def poll_all(schedule, now):
    """Poll what is due, with nothing new said of the calls."""
    functions = schedule.due(now)
    for function in functions:
        schedule.watches[function].sent_at = now
        schedule.polled(function, now + 0.05, DEMAND)
    return functions


class TestDue:
    def test_attached_at_once_accepted_later(self) -> None:
        """A call that was attached to is polled at once, one that was just accepted when it is worth it."""
        schedule = Schedule(Polling())
        schedule.follow(1, 10, 100.0, 100.0, None)
        schedule.follow(2, 20, 100.0, 100.0, DEMAND)

        assert schedule.due(100.0) == [1]
        assert schedule.due_at() == pytest.approx(100.18)
        assert schedule.due(100.18) == [2]
        assert schedule.due_at() is None

    def test_a_function_has_one_poll_under_way(self) -> None:
        """A function that is being polled is not due, whatever call of it is followed meanwhile."""
        schedule = Schedule(Polling())
        schedule.follow(1, 10, 0.0, 0.0, None)
        assert schedule.due(0.0) == [1]
        schedule.follow(1, 11, 0.0, 0.0, None)
        assert schedule.due(9.0) == []
        schedule.polled(1, 9.0, DEMAND)
        assert schedule.due_at() is not None

    def test_some_are_polled_a_little_early(self) -> None:
        """Functions that would be due in a moment are polled together, eight at most."""
        schedule = Schedule(Polling())
        for function in range(12):
            schedule.follow(function, 10, 0.0, function / 1000, None)

        assert len(schedule.due(0.0)) == 8

    def test_within_the_budget(self) -> None:
        """No more polls are due than the budget has."""
        schedule = Schedule(Polling(budget=10.0))
        for function in range(200):
            schedule.follow(function, 10, 0.0, 0.0, None)

        polled = sum(len(schedule.due(moment / 10)) for moment in range(50))
        assert 49 <= polled <= 61
        assert schedule.due_at() == pytest.approx(5.0, abs=0.2)

    def test_forgotten_functions_are_not_polled(self) -> None:
        """A function without running calls is not due, and forgotten."""
        schedule = Schedule(Polling())
        schedule.follow(1, 10, 0.0, 0.0, None)
        schedule.forget(1, 10)

        assert (schedule.due(9.0), schedule.due_at(), schedule.watches) == ([], None, {})

    def test_calls_that_end_during_a_poll(self) -> None:
        """A function whose last call ended is forgotten when its poll is over, with what was expected of it."""
        schedule = Schedule(Polling())
        schedule.follow(1, 10, 0.0, 0.0, None)
        poll_all(schedule, 0.0)
        assert schedule.ends > 0
        schedule.due(60.0)
        schedule.forget(1, 10)
        schedule.polled(1, 60.0, DEMAND)
        assert (schedule.watches, schedule.ends) == ({}, pytest.approx(0.0))


def test_after_an_outage_all_are_polled_soon() -> None:
    """The first answer after a time without any brings the next polls of all functions that had none forward."""
    schedule = Schedule(Polling())
    for function in range(10):
        schedule.follow(function, 10, 0.0, 0.0, None)
    for moment in range(200):
        now = moment / 10
        for function in schedule.due(now):
            schedule.watches[function].failures += 1
            schedule.budget.failed(now)
            schedule.watches[function].sent_at = now
            schedule.polled(function, now, DEMAND)
    assert schedule.budget.failing

    assert schedule.answered(0.05, 20.0)
    assert not schedule.answered(0.05, 20.0)
    assert schedule.due_at() <= 20.3
    assert sum(len(schedule.due(20.0 + moment / 10)) for moment in range(30)) == 10


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 3), st.booleans(), st.floats(0.0, 3.0)), max_size=60))
def test_what_is_followed_is_polled(steps) -> None:
    """Whatever is followed and forgotten, each function with running calls has a poll planned, and no other has."""
    schedule, now, calls = Schedule(Polling()), 0.0, set()
    for function, call, follow, seconds in steps:
        now += seconds
        if follow:
            schedule.follow(function, call, now, now, DEMAND)
            calls.add((function, call))
        else:
            schedule.forget(function, call)
            calls.discard((function, call))
        poll_all(schedule, now)
        assert set(schedule.watches) == {function for function, _ in calls}
        assert (schedule.due_at() is None) == (not calls)
    polled = set()
    for moment in range(120):
        polled |= set(poll_all(schedule, now + moment / 10))
    assert polled == {function for function, _ in calls}
