from __future__ import annotations

import pytest

from aiocdf._policy.spacing import Spacing

#: Seconds that each answer takes, and from one POST to the next while POSTs are kept apart: one and a half, and the clock's error.
ANSWER, APART = 0.05, 0.125


def answered(spacing, function=1, times=1):
    for _ in range(times):
        spacing.began(function)
        spacing.sends(function, 10.0)
        spacing.answered(function, 10.0, 10.0 + ANSWER)
        spacing.ended(function, 10.0)


def kept_apart(spacing, function=1):
    """Seconds between two POSTs without an answer; 0 where POSTs are not kept apart."""
    now = 1e4
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


@pytest.mark.parametrize(
    ("one_in", "seconds"), [(5, APART), (40, APART), (100, 0.02), (250, 0.0032), (1000, 0.0)], ids=str
)
def test_as_close_as_losses_allow(one_in, seconds):
    """POSTs are so close that one call in 2,000 may be uncertain at the given rate of POSTs in doubt."""
    spacing, seen = Spacing(), []
    for _ in range(8000 // one_in):
        spacing.started()
        for _ in range(one_in - 1):
            answered(spacing)
            seen.append(kept_apart(spacing))
    seen = sorted(seen[len(seen) // 2 :])
    assert seen[len(seen) // 2] == pytest.approx(seconds, rel=0.1, abs=0.0005)


def test_free_again(spacing):
    """Long after the last loss POSTs go when they like; a single loss among many changes little."""
    for _ in range(30):
        spacing.started()
    answered(spacing, 1, 2500)
    assert kept_apart(spacing) == 0.0
    spacing.started()
    assert kept_apart(spacing) < APART / 40


def test_apart_while_it_is_not_known(spacing):
    """A POST in doubt keeps the next ones apart until its session was looked at, and no longer if it started nothing."""
    spacing.doubted(1)
    assert (kept_apart(spacing, 1), kept_apart(spacing, 2)) == (pytest.approx(APART), 0.0)
    spacing.looked(1)
    assert kept_apart(spacing, 1) == 0.0


def test_a_clean_answer_lets_the_next_go(spacing):
    """A POST is sent as soon as the one before has its answer, unless an earlier one has none."""
    spacing.started()
    for _ in range(2):
        spacing.began(1)
    assert spacing.wait(1, 100.0) == 0.0
    spacing.sends(1, 100.0)
    assert spacing.wait(1, 100.01) > 0.0
    spacing.answered(1, 100.0, 100.05)
    spacing.ended(1, 100.0)
    assert spacing.wait(1, 100.05) == 0.0


@pytest.mark.parametrize(("before", "wait"), [(0.01, APART - 0.06), (10.0, 0.0)])
def test_a_hung_post(spacing, before, wait):
    """A POST without an answer counts until it has surely started its call: then the next may go with the answer to another."""
    for _ in range(20):
        spacing.started()
    for at in (200.0 - before, 200.0):
        spacing.began(1)
        spacing.wait(1, at)
        spacing.sends(1, at)
    spacing.answered(1, 200.0, 200.05)
    assert spacing.wait(1, 200.05) == pytest.approx(wait)


def test_few_get_ready(spacing):
    """While POSTs are kept apart, two attempts get ready at a time."""
    spacing.started()
    spacing.began(1)
    assert spacing.permits(1, 50)
    spacing.began(1)
    assert not spacing.permits(1, 50)
    spacing.ended(1, None)
    assert spacing.permits(1, 50)


def test_before_any_answer():
    """As long as it is not known how long answers take, half a second lies between two POSTs."""
    spacing = Spacing()
    spacing.started()
    assert kept_apart(spacing) == 0.5
