from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.retrying import Outcome, delay

outcomes = st.builds(
    Outcome,
    attempt=st.integers(1, 5000),
    repeatable=st.booleans(),
    status=st.none() | st.integers(100, 599),
    garbled=st.integers(0, 4),
    unsent=st.booleans(),
    retryable=st.none() | st.booleans(),
    retry_after=st.none() | st.floats(0.0, 1e9),
)


def again(**facts) -> bool:
    outcome = Outcome(**({"attempt": 1, "repeatable": True} | facts))
    return delay(outcome, attempts=6, base=0.5, cap=60.0, jitter=1.0) is not None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, None])
def test_transient(status) -> None:
    """No answer, and what passes by itself, is tried again if doing it twice does no more than once; else never."""
    assert again(status=status)
    assert not again(status=status, repeatable=False)


@pytest.mark.parametrize("status", [302, 400, 401, 403, 404, 409, 413, 422, 501])
def test_final(status) -> None:
    """What would come out the same is not tried again."""
    assert not again(status=status)


@pytest.mark.parametrize("repeatable", [True, False])
@pytest.mark.parametrize("status", [400, 429, 500, 503])
def test_the_service_knows_best(status, repeatable) -> None:
    """`cdf-is-auto-retryable` decides for itself, in both directions."""
    assert again(status=status, repeatable=repeatable, retryable=True)
    assert not again(status=status, repeatable=repeatable, retryable=False)


def test_garbled_answers() -> None:
    """A request with an answer of another server is sent again twice: after that, the address is probably wrong."""
    assert [again(attempt=4, garbled=garbled) for garbled in (1, 2, 3, 4)] == [True, True, False, False]
    assert not again(garbled=1, repeatable=False)


def test_what_was_never_sent() -> None:
    """Without a connection the service has seen nothing, so that anything may be sent again."""
    assert again(unsent=True, repeatable=False)


@given(outcomes, st.integers(1, 5000), st.floats(0.0, 10.0), st.floats(0.0, 300.0), st.floats(0.0, 1.0))
def test_bounds(outcome, attempts, base, cap, jitter) -> None:
    """A wait is never negative or endless, never shorter than requested, and never follows the last attempt."""
    wait = delay(outcome, attempts=attempts, base=base, cap=cap, jitter=jitter)
    if wait is None:
        return
    asked = outcome.retry_after or 0.0
    assert asked <= wait <= asked + cap
    assert asked <= cap
    assert outcome.attempt < attempts


def test_bounds_double() -> None:
    """The longest wait doubles from attempt to attempt, up to the cap."""
    waits = [
        delay(Outcome(attempt=attempt, repeatable=True), attempts=9, base=0.5, cap=10.0, jitter=1.0)
        for attempt in range(1, 10)
    ]

    assert waits == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0, None]


def test_jitter_spreads_from_zero() -> None:
    """Full jitter: a wait is anything from nothing to the bound."""
    assert delay(Outcome(attempt=3, repeatable=True), attempts=9, base=0.5, cap=10.0, jitter=0.0) == 0.0


@pytest.mark.parametrize(("jitter", "wait"), [(0.0, 1.0), (0.5, 1.5), (1.0, 2.0)])
def test_too_many_requests_wait_longer(jitter, wait) -> None:
    """After a 429 the wait is at least half of the bound, and the jitter spreads the other half."""
    outcome = Outcome(attempt=3, repeatable=True, status=429)

    assert delay(outcome, attempts=9, base=0.5, cap=10.0, jitter=jitter) == wait


def test_retry_after_is_exceeded_by_a_tenth_of_the_wait() -> None:
    """A pause that the service requests is obeyed, and a tenth of the usual wait is added."""
    outcome = Outcome(attempt=3, repeatable=True, status=503, retry_after=60.0)

    assert delay(outcome, attempts=9, base=0.5, cap=60.0, jitter=1.0) == 60.2


def test_retry_after_beyond_the_cap() -> None:
    """If the service requests a longer pause than the limit, the request fails instead of being sent too soon."""
    outcome = Outcome(attempt=1, repeatable=True, status=503, retry_after=61.0)

    assert delay(outcome, attempts=6, base=0.5, cap=60.0, jitter=0.5) is None
