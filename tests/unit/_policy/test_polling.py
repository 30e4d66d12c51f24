from __future__ import annotations

import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.polling import Budget, lost_after_misses, plan
from aiocdf._policy.runtimes import Outlook, Runtimes
from aiocdf.config import Polling

POLLING = Polling(rho=0.10, floor=0.15, cap=5.0, kappa=0.3, budget=50.0)

ages = st.lists(st.floats(-5.0, 1e5), min_size=1, max_size=100)
experience = st.lists(st.floats(-1.0, 1e4), max_size=30)
jitters = st.floats(0.9, 1.1)


@attrs.frozen
class Known:
    """Stands for the runtimes of a function of which all is known."""

    calls: list[Outlook]

    def outlook(self, _):
        return self.calls


def planned(some, runtimes=None, *, functions=1, jitter=1.0):
    return plan(some, runtimes or Runtimes(), functions=functions, polling=POLLING, jitter=jitter)


def after(learned):
    runtimes = Runtimes()
    for runtime in learned:
        runtimes.learn(runtime)
    return runtimes


@given(ages, experience, st.integers(1, 500), jitters)
def test_gap_within_floor_and_cap(some, learned, functions, jitter) -> None:
    """Whatever the ages, even ones before the call's start, a poll comes not before the floor nor after the cap."""
    floor = max(POLLING.floor, functions / POLLING.budget)
    gap = planned(some, after(learned), functions=functions, jitter=jitter).gap

    assert floor * jitter <= gap <= max(POLLING.cap, floor) * jitter


@given(ages, experience)
def test_gap_within_a_part_of_the_mean_age(some, learned) -> None:
    """However much is known, the gap is not more than a tenth of the calls' mean age, above the floor."""
    mean = sum(some) / len(some)

    assert planned(some, after(learned)).gap <= max(POLLING.floor, 0.1 * mean) * (1 + 1e-9)


@given(ages, experience)
def test_ends_are_the_hazards_of_all_calls(some, learned) -> None:
    """The ends that are expected are the sum of the calls' hazards: some, and not without bound."""
    runtimes = after(learned)
    ends = planned(some, runtimes).ends

    assert ends == pytest.approx(sum(call.hazard for call in runtimes.outlook(some)))
    assert 0 < ends < math.inf


@given(st.floats(0.0, 1e5), st.floats(0.0, 1e4))
def test_gap_grows_with_the_age_of_an_unknown_call(age, older) -> None:
    """Of a call by itself that nothing is known of, an older one is never asked after sooner."""
    assert planned([age]).gap <= planned([age + older]).gap


@given(st.lists(st.floats(1e-3, 10.0), min_size=1, max_size=20), st.data())
def test_gap_shrinks_with_hazard(hazards, data) -> None:
    """The likelier an end, the sooner the next poll."""
    index = data.draw(st.integers(0, len(hazards) - 1))
    likelier = [hazard * (1 + 9 * (number == index)) for number, hazard in enumerate(hazards)]
    gaps = [
        planned([1e3] * len(some), Known([Outlook(hazard, 99.0) for hazard in some])).gap
        for some in (hazards, likelier)
    ]

    assert gaps[1] <= gaps[0]


@given(ages, st.integers(1, 400), st.integers(1, 100))
def test_gap_grows_with_the_functions_that_share_the_budget(some, functions, more) -> None:
    """More functions with running calls make no function's polls more frequent, and leave the ends as they are."""
    few, many = planned(some, functions=functions), planned(some, functions=functions + more)

    assert few.gap <= many.gap
    assert few.ends == many.ends


@pytest.mark.parametrize(
    ("some", "hazard", "evidence", "gap"),
    [
        ([1e3], 0.06, 99.0, math.sqrt(10.0)),  # the square-root law
        ([1e3] * 100, 0.06, 99.0, math.sqrt(0.1)),  # in which hazards add up
        ([1e3] * 100, 6.0, 99.0, 0.15),  # the floor
        ([1e3], 1e-9, 99.0, 5.0),  # the cap
        ([1.0, 39.0], 1e-9, 99.0, 2.0),  # a tenth of the mean age
        ([4.0, 36.0], 1e-9, 2.9, 0.4),  # a tenth of the youngest's, while little is known
        ([4.0, 36.0], 1e-9, 3.0, 2.0),
    ],
)
def test_gap_by_hand(some, hazard, evidence, gap) -> None:
    """The law of the derivation and its bounds, worked out by hand."""
    known = Known([Outlook(hazard, evidence)] * len(some))

    assert planned(some, known).gap == pytest.approx(gap)
    assert planned(some, known, jitter=1.1).gap == pytest.approx(1.1 * gap)
    assert planned(some, known).ends == pytest.approx(len(some) * hazard)


def test_gap_of_a_known_and_an_unknown_call() -> None:
    """Only the age of the call that little is known of bounds the gap, beside the mean age."""
    known, unknown = Outlook(1e-9, 99.0), Outlook(1e-9, 0.0)

    assert planned([1.0, 24.0], Known([known, unknown])).gap == pytest.approx(1.25)
    assert planned([10.0, 40.0], Known([unknown, known])).gap == pytest.approx(1.0)


def test_gap_of_many_functions() -> None:
    """200 functions of young calls poll every 4 s each, which is the budget of 50 polls a second."""
    assert planned([0.0], functions=200).gap == pytest.approx(4.0)


@pytest.mark.parametrize(("age", "gap"), [(0.0, 0.15), (1.5, 0.15), (10.0, 1.0), (400.0, 5.0)])
def test_gap_of_an_unknown_call(age, gap) -> None:
    """Of a call by itself that nothing is known of: the floor, then a tenth of its age, then the cap."""
    assert planned([age]).gap == pytest.approx(gap)


def test_experience_makes_polls_rarer() -> None:
    """Young calls that are known to run long are asked after more rarely than unknown ones: old ones are there too."""
    some = [2.0, 20.0, 30.0, 40.0]

    assert planned(some).gap == pytest.approx(0.2)
    assert planned(some, after([60.0] * 50)).gap > 1.0


def lag(runtime: float, jitter: float) -> tuple[float, int]:
    """Follow one call by itself: how late its end is seen, and after how many polls."""
    now, polls = POLLING.floor * jitter, 1
    while now < runtime:
        now += planned([now], jitter=jitter).gap
        polls += 1
    return now - runtime, polls


@given(st.floats(0.1, 600.0), jitters)
def test_lag_is_bounded(runtime, jitter) -> None:
    """The end of any call is seen late by a tenth of its runtime, the floor or the cap, and the jitter, at the most."""
    late, polls = lag(runtime, jitter)

    assert late <= max(POLLING.floor, min(POLLING.rho * runtime, POLLING.cap)) * 1.1 + 1e-9
    # Ten at the floor, up to the age of 1.5 s; a geometric series up to 50 s; then the cap.
    assert polls <= 1.2 * (10 + 37 + max(0.0, runtime - 50) / 5) + 2


def test_lag_over_all_runtimes() -> None:
    """On average the end is seen late by a twentieth of the runtime, over four decades of runtimes."""
    runtimes = [2.5 * 1.01**n for n in range(550)]
    shares = [lag(runtime, 1.0)[0] / runtime for runtime in runtimes]

    assert 0.02 < sum(shares) / len(shares) < 0.06


def test_defaults_are_those_of_the_tests() -> None:
    """What is worked out by hand here holds for the default settings."""
    assert Polling() == POLLING


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
