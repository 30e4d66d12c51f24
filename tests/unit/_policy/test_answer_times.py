from __future__ import annotations

import pytest

from aiocdf._policy.answer_times import AnswerTimes


def test_before_the_first_answer():
    """With nothing known, ten seconds are waited for, or what the setting says."""
    assert (AnswerTimes(60.0).limit(), AnswerTimes(5.0).limit()) == (10.0, 5.0)


@pytest.mark.parametrize(("seconds", "limit"), [(0.01, 2.0), (0.5, 2.0), (1.0, 4.0), (20.0, 60.0)])
def test_follows_the_longest_answer(seconds, limit):
    """The limit is four times the longest recent answer, at least two seconds, and at most the setting."""
    times = AnswerTimes(60.0)
    for each in (0.01, seconds, 0.01):
        times.answered(each)
    assert times.limit() == pytest.approx(limit, rel=0.02)


def test_a_long_answer_is_forgotten():
    """What an answer took once counts less with each that took less."""
    times = AnswerTimes(60.0)
    times.answered(5.0)
    for _ in range(500):
        times.answered(0.1)
    assert times.limit() == 2.0


def test_doubles_without_answers():
    """Each request without an answer doubles the wait for the next; an answer ends that."""
    times = AnswerTimes(60.0)
    times.answered(0.1)
    seen = []
    for _ in range(7):
        seen.append(times.limit())
        times.unanswered()
    assert seen == [2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    times.answered(0.1)
    assert times.limit() == 2.0


def test_large_requests_have_longer():
    """A large request takes its time to be sent."""
    times = AnswerTimes(60.0)
    times.answered(0.1)
    assert times.limit(1_000_000) == 12.0
