from __future__ import annotations

import pytest

from aiocdf.local.identity.attempts import FORGOTTEN_SECONDS, MOST_NAMES, Attempts, TooManyAttempts


def wait(attempts, name, now) -> int:
    """Return the seconds until the next attempt is allowed."""
    try:
        attempts.check(name, now)
    except TooManyAttempts as error:
        return error.seconds
    return 0


def guess(attempts, name, seconds) -> int:
    """Make all wrong guesses that are allowed from time 0. Return how many were checked."""
    checked, now = 0, 0.0
    while now < seconds:
        if waiting := wait(attempts, name, now):
            now += waiting
        else:
            attempts.failed(name, now)
            checked += 1
    return checked


def test_waits_grow():
    """The first failures cause no wait. Then the waits double up to the maximum."""
    attempts, waits, now = Attempts(3, 10.0), [], 0.0
    for _ in range(8):
        attempts.failed("demo", now)
        waits.append(waiting := wait(attempts, "demo", now))
        now += waiting
    assert waits == [0, 0, 1, 2, 4, 8, 10, 10]


def test_guesses_of_one_name():
    """An attacker gets about one guess per longest wait."""
    assert guess(Attempts(5, 10.0), "demo", 3600) < 380


def test_guesses_of_many_names():
    """An attacker who takes another name for each guess gets about one guess a second."""
    attempts, checked = Attempts(5, 10.0), 0
    for now in range(600):
        for name in range(20):
            if not wait(attempts, f"{now} {name}", now):
                attempts.failed(f"{now} {name}", now)
                checked += 1
    assert checked < 700


def test_owner_after_an_attack():
    """An attack of one hour delays the owner by at most the longest wait, or by a second if it is on other names."""
    attempts = Attempts(5, 10.0)
    guess(attempts, "demo", 3600)
    assert wait(attempts, "demo", 3600) <= 10
    assert wait(attempts, "other", 3600) <= 1
    assert wait(attempts, "demo", 3611) == 0


def test_many_failures():
    """The wait stays at the maximum for any number of failures."""
    attempts = Attempts(5, 10.0)
    for _ in range(5000):
        attempts.failed("demo", 0.0)
    assert wait(attempts, "demo", 0.0) == 10


def test_success():
    """A success resets only the failures of its own name."""
    attempts = Attempts(2, 10.0)
    for name in ("demo", "other") * 3:
        attempts.failed(name, 0.0)
    attempts.succeeded("demo")
    assert (wait(attempts, "demo", 0.0), wait(attempts, "other", 0.0)) == (0, 2)


def test_failures_are_forgotten():
    """Failures from some minutes ago do not count."""
    attempts = Attempts(2, 10.0)
    for _ in range(9):
        attempts.failed("demo", 0.0)
    attempts.failed("demo", FORGOTTEN_SECONDS)
    assert wait(attempts, "demo", FORGOTTEN_SECONDS) == 0


def test_memory():
    """Invented names are removed, the oldest first."""
    attempts = Attempts(1, 10.0)
    for number in range(3 * MOST_NAMES):
        attempts.failed(str(number), float(number))
    assert [*map(int, attempts._by_name)] == [*range(2 * MOST_NAMES, 3 * MOST_NAMES)]


@pytest.mark.parametrize(("seconds", "shown"), [(0.01, 1), (1.0, 1), (9.5, 10)])
def test_seconds_are_rounded_up(seconds, shown):
    """After the whole seconds of the error, an attempt is allowed."""
    assert TooManyAttempts(seconds).seconds == shown
