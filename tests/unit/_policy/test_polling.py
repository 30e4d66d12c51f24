from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.polling import Budget, gap, lost_after_misses
from aiocdf.config import Polling

ages = st.lists(st.floats(-5.0, 1e5), min_size=1, max_size=300)
jitters = st.floats(0.9, 1.1)


@given(ages, st.integers(1, 500), jitters)
def test_gap_within_floor_and_cap(some, functions, jitter) -> None:
    """Whatever the ages, even ones before the call's start, a poll comes not before the floor nor after the cap."""
    polling = Polling()
    floor = max(polling.floor, functions / polling.budget)
    seconds = gap(some, functions=functions, polling=polling, jitter=jitter)

    assert floor * jitter <= seconds <= max(polling.cap, floor) * jitter


@given(ages, st.data(), st.floats(0.0, 1e4))
def test_gap_grows_with_age(some, data, older) -> None:
    """Older calls are never asked after sooner."""
    index = data.draw(st.integers(0, len(some) - 1))
    aged = [age + older * (number == index) for number, age in enumerate(some)]
    polling = Polling()

    assert gap(some, functions=1, polling=polling, jitter=1.0) <= gap(aged, functions=1, polling=polling, jitter=1.0)


@given(ages, st.floats(0.0, 1e4))
def test_gap_shrinks_with_each_further_call(some, age) -> None:
    """One more call makes the next poll sooner or leaves it: its news is worth something, too."""
    polling = Polling()

    assert gap([*some, age], functions=1, polling=polling, jitter=1.0) <= gap(
        some, functions=1, polling=polling, jitter=1.0
    )


@pytest.mark.parametrize(
    ("some", "seconds"),
    [
        ([0.0], 0.25),  # a call that has just begun: the floor
        ([10.0], 1.0),  # a tenth of the age
        ([400.0], 5.0),  # the cap
        ([40.0] * 100, math.sqrt(0.4)),  # a hundred calls: the square-root law
        ([40.0] * 100 + [1.0], 0.25),  # and a young one
    ],
)
def test_gap_by_hand(some, seconds) -> None:
    """The law of the derivation, worked out by hand."""
    assert gap(some, functions=1, polling=Polling(), jitter=1.0) == pytest.approx(seconds)


def lag(runtime: float, jitter: float) -> tuple[float, int]:
    """Follow one call by itself: how late its end is seen, and after how many polls."""
    polling = Polling()
    now, polls = polling.floor * jitter, 1
    while now < runtime:
        now += gap([now], functions=1, polling=polling, jitter=jitter)
        polls += 1
    return now - runtime, polls


@given(st.floats(0.1, 600.0), jitters)
def test_lag_is_bounded(runtime, jitter) -> None:
    """The end of any call is seen late by a tenth of its runtime, the floor or the cap, and the jitter, at the most."""
    polling = Polling()
    late, polls = lag(runtime, jitter)

    assert late <= max(polling.floor, min(polling.rho * runtime, polling.cap)) * 1.1 + 1e-9
    assert polls <= 1.2 * (9 + 32 + max(0.0, runtime - 50) / 5) + 2


def test_lag_over_all_runtimes() -> None:
    """On average the end is seen late by a twentieth of the runtime, over four decades of runtimes."""
    runtimes = [2.5 * 1.01**n for n in range(550)]
    shares = [lag(runtime, 1.0)[0] / runtime for runtime in runtimes]

    assert 0.02 < sum(shares) / len(shares) < 0.06


@pytest.mark.parametrize(
    ("misses", "age", "lost"), [(1, 60.0, False), (2, 60.0, False), (3, 4.9, False), (3, 5.0, True), (99, 0.0, False)]
)
def test_lost_after_misses(misses, age, lost) -> None:
    """A call is gone when three polls do not find it, and not before it had time to show."""
    assert lost_after_misses(misses, age) is lost


class TestBudget:
    @given(
        st.lists(st.floats(0.0, 2.0), min_size=1, max_size=60),
        st.sets(st.integers(0, 59)),
        st.floats(0.1, 80.0),
        st.floats(0.0, 1e6),
    )
    def test_never_above_the_rate(self, pauses, throttles, rate, start) -> None:
        """Over any span, there are no more polls than its seconds times the rate, and a second's worth saved."""
        budget, now, sent = Budget(rate=rate), start, []
        for number, pause in enumerate(pauses):
            now += pause
            if number in throttles:
                budget.throttled(now, None)
            sent.append(now + budget.wait(now))

        assert sent == pytest.approx(sorted(sent)), "first come, first served"
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                assert last - first <= rate * (sent[last] - sent[first] + 1.0) + 1e-3

    @pytest.mark.parametrize("start", [0.0, 5e5])
    def test_spends_what_it_has(self, start) -> None:
        """A steady demand below the rate never waits, from the loop's first moment on; one above it gets the rate."""
        budget = Budget(rate=10.0)
        assert [budget.wait(start + n / 10) for n in range(1000)] == [0.0] * 1000

        burst = [budget.wait(start + 200.0) for _ in range(111)]
        assert burst[:11] == [0.0] * 11
        assert burst[-1] == pytest.approx(10.0)

    def test_slow_rate_still_polls(self) -> None:
        """A budget of less than one poll a second lets the first one through at once."""
        budget = Budget(rate=0.1)

        assert [budget.wait(0.0), budget.wait(0.0)] == [0.0, pytest.approx(9.0)]

    @given(st.floats(0.0, 100.0), st.lists(st.floats(0.0, 30.0), max_size=40), st.integers(1, 20))
    def test_left_alone_as_long_as_asked(self, retry_after, pauses, answers) -> None:
        """After a 429 with Retry-After no poll is sent before that time, nor much after it however many answers came."""
        budget = Budget(rate=50.0)
        for _ in range(answers):
            budget.throttled(10.0, retry_after)
        waits, now = [], 10.0
        for pause in [0.0, *pauses]:
            waits.append((now, budget.wait(now)))
            now += pause

        assert all(at + wait >= 10.0 + retry_after for at, wait in waits)
        assert waits[0][1] == pytest.approx(retry_after)

    def test_rate_halves_and_recovers(self) -> None:
        """A 429 halves the rate; five seconds later it is as before."""
        budget = Budget(rate=10.0)
        budget.throttled(0.0, None)
        slowed = [budget.wait(0.0) for _ in range(6)]
        assert slowed == pytest.approx([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])

        later = [budget.wait(10.0) for _ in range(21)]
        assert later[-1] - later[-2] == pytest.approx(0.1)

    def test_never_stops_altogether(self) -> None:
        """A thousand 429s in a row leave a sixty-fourth of the rate."""
        budget = Budget(rate=64.0)
        for _ in range(1000):
            budget.throttled(0.0, None)

        assert [budget.wait(0.0), budget.wait(0.0)] == [0.0, pytest.approx(1.0)]
