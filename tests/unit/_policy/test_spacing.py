from __future__ import annotations

import pytest

from aiocdf._policy.spacing import Spacing

#: Seconds that each answer takes, and from one POST to the next while POSTs are kept apart: two answers, and the clock's error.
ANSWER, APART = 0.05, 0.15


def answered(spacing, function=1, times=1):
    for _ in range(times):
        spacing.began(function)
        spacing.sends(function)
        spacing.answered(function, ANSWER)
        spacing.ended(function, posted=True)


def kept_apart(spacing, function=1):
    """Seconds between two POSTs without an answer; 0 where POSTs are not kept apart."""
    now = 1e6
    while spacing.wait(function, now) > 0.0:
        now += 1.0
    return spacing.wait(function, now)


@pytest.fixture
def spacing():
    """Of a client whose functions 1 and 2 have been called often."""
    spacing = Spacing()
    answered(spacing, 1, 50)
    answered(spacing, 2, 50)
    return spacing


def test_free_as_long_as_answers_arrive(spacing):
    """Without doubt POSTs go when they like."""
    assert kept_apart(spacing) == kept_apart(spacing, 7) == 0.0
    assert spacing.permits(1, 1000)
    assert spacing.opens_at(1) is None


def test_new_functions_begin_with_few():
    """A function without answers has two attempts under way, then two for each answer, and any number after twenty."""
    spacing, most = Spacing(), []
    for _ in range(21):
        most.append(next((n for n in range(99) if not spacing.permits(1, n)), 99))
        answered(spacing)
    assert most == [2, *range(2, 40, 2), 99]


def test_apart_after_a_start(spacing):
    """After a POST that started its call, they are kept apart, and half as far with each twenty answers."""
    spacing.started(1)
    seen = []
    for _ in range(5):
        seen.append(kept_apart(spacing))
        answered(spacing, 1, 20)
    assert seen == pytest.approx([APART, APART / 2, APART / 4, APART / 8, APART / 16])
    assert kept_apart(spacing) == kept_apart(spacing, 2) == 0.0


def test_apart_while_it_is_not_known(spacing):
    """A POST in doubt keeps the next ones apart until its session was looked at, and no longer if it started nothing."""
    spacing.doubted(1)
    assert (kept_apart(spacing, 1), kept_apart(spacing, 2)) == (pytest.approx(APART), 0.0)
    spacing.looked(1)
    assert kept_apart(spacing, 1) == 0.0


def test_a_clean_answer_lets_the_next_go(spacing):
    """A POST is sent as soon as the one before has its answer, unless an earlier one has none."""
    spacing.started(1)
    for _ in range(2):
        spacing.began(1)
    assert spacing.wait(1, 100.0) == 0.0
    spacing.sends(1)
    assert spacing.wait(1, 100.01) > 0.0
    spacing.answered(1, ANSWER)
    spacing.ended(1, posted=True)
    assert spacing.wait(1, 100.01) == 0.0


def test_a_hung_post_keeps_the_next_apart(spacing):
    """While a POST has no answer, the answers to others say nothing of when it started its call."""
    spacing.started(1)
    for at in (100.0, 200.0):
        spacing.began(1)
        assert spacing.wait(1, at) == 0.0
        spacing.sends(1)
    spacing.answered(1, ANSWER)
    assert spacing.wait(1, 200.06) == pytest.approx(APART - 0.06)
    assert spacing.opens_at(1) == pytest.approx(200.0 + APART)


def test_few_get_ready(spacing):
    """While POSTs are kept apart, two attempts get ready at a time."""
    spacing.started(1)
    spacing.began(1)
    assert spacing.permits(1, 50)
    spacing.began(1)
    assert not spacing.permits(1, 50)
    spacing.ended(1, posted=False)
    assert spacing.permits(1, 50)


def test_longer_each_time(spacing):
    """Each further doubt asks for twice as many answers; several of the same time count as one."""
    for _ in range(3):
        for _ in range(5):
            spacing.started(1)
        answered(spacing)
    answers = 0
    while kept_apart(spacing) > APART * 0.9:
        answered(spacing)
        answers += 1
    assert answers == 79


def test_new_functions_are_careful_too(spacing):
    """While answers get lost elsewhere, a function that has not shown that its own arrive keeps its POSTs apart."""
    spacing.started(1)
    assert (kept_apart(spacing, 2), kept_apart(spacing, 7)) == (0.0, pytest.approx(APART))
    fresh = Spacing()
    fresh.started(1)
    answered(fresh, 2, 100)
    assert kept_apart(fresh, 7) == 0.0


def test_before_any_answer():
    """As long as it is not known how long answers take, half a second lies between two POSTs."""
    spacing = Spacing()
    spacing.started(1)
    assert kept_apart(spacing) == 0.5
