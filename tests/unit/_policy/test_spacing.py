from __future__ import annotations

import pytest

from aiocdf._policy.spacing import Spacing


def allowed(spacing, function=1, now=0.0):
    """How many POSTs may be under way; 99 for any number."""
    spacing.began(function, now)
    return next((n for n in range(99) if not spacing.permits(function, n, now)), 99)


@pytest.fixture
def spacing():
    """Of a client whose functions 1 and 2 have been called often."""
    spacing = Spacing()
    for _ in range(50):
        spacing.answered(1)
        spacing.answered(2)
    return spacing


def test_free_as_long_as_answers_arrive(spacing):
    """Without doubt there is no bound, of functions that are known or new."""
    assert allowed(spacing) == allowed(spacing, 7) == 99


def test_none_before_the_session_was_looked_at(spacing):
    """A POST in doubt holds back those of its function until its window is closed, and no longer if it started nothing."""
    spacing.hold(1)
    assert (allowed(spacing, 1), allowed(spacing, 2)) == (0, 99)
    spacing.looked(1)
    assert allowed(spacing, 1) == 99


def test_one_at_a_time_after_a_start(spacing):
    """After one that started its call, they go one by one, and twice as many with each twenty answers."""
    spacing.started(1)
    seen = []
    for _ in range(100):
        seen.append(allowed(spacing, 1))
        spacing.answered(1)
    assert seen == [1] * 20 + [2] * 20 + [4] * 20 + [8] * 20 + [16] * 20
    assert allowed(spacing, 1) == 99
    assert allowed(spacing, 2) == 99


def test_longer_each_time(spacing):
    """Each further doubt asks for twice as many answers; several of the same time count as one."""
    for _ in range(3):
        for _ in range(5):
            spacing.started(1)
        spacing.answered(1)
    answers = 0
    while allowed(spacing, 1) == 1:
        spacing.answered(1)
        answers += 1
    assert answers == 79


def test_new_functions_are_careful_too(spacing):
    """While answers get lost elsewhere, a function that has not shown that its own arrive begins with one."""
    spacing.started(1)
    assert (allowed(spacing, 2), allowed(spacing, 7)) == (99, 1)
    fresh = Spacing()
    fresh.started(1)
    for _ in range(100):
        fresh.answered(2)
    assert allowed(fresh, 7) == 99


def test_a_hung_post_holds_back_no_other(spacing):
    """Half a second after a POST began the next may, though it has no answer, and that is when to look again."""
    spacing.started(1)
    spacing.began(1, 10.0)
    assert not spacing.permits(1, 1, 10.4)
    assert spacing.permits(1, 1, 10.5)
    assert spacing.opens_at(1) == 10.5
    assert spacing.opens_at(2) is None
