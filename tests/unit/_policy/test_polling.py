from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.polling import Budget, lost_after_misses, plan
from aiocdf._policy.runtimes import Outlook, Runtimes
from aiocdf.config import Polling

POLLING = Polling(max_relative_lag=0.10, floor=0.18, cap=5.0, poll_cost=0.125, budget=100.0)
#: Neither floor nor cap shows, nor does the budget.
UNBOUND = attrs.evolve(POLLING, floor=1e-9, cap=1e9, budget=1e9)

ages = st.lists(st.floats(-5.0, 1e5), min_size=1, max_size=100)
hazards = st.floats(1e-3, 10.0)
experience = st.lists(st.floats(-1.0, 1e4), max_size=30)
counts = st.integers(1, 10_000)
jitters = st.floats(0.9, 1.1)


@attrs.frozen
class Known:
    """Stands for the runtimes of a function of which as much is known as is said here."""

    calls: list[Outlook]

    def outlook(self, _):
        return self.calls


def known(*hazards, evidence=99.0):
    return Known([Outlook(hazard, evidence) for hazard in hazards])


def planned(some, runtimes=None, *, functions=1, calls=None, awaited=False, polling=POLLING, jitter=1.0):
    """Plan for calls that are all the client has, unless it says otherwise."""
    return plan(
        some,
        runtimes or Runtimes(),
        functions=functions,
        calls=len(some) if calls is None else calls,
        awaited=awaited,
        polling=polling,
        jitter=jitter,
    )


def after(learned):
    runtimes = Runtimes()
    for runtime in learned:
        runtimes.learn(runtime)
    return runtimes


@given(
    some=ages, learned=experience, functions=st.integers(1, 500), others=counts, awaited=st.booleans(), jitter=jitters
)
def test_gap_within_floor_and_cap(some, learned, *, functions, others, awaited, jitter) -> None:
    """Whatever the ages, even ones before the call's start, a poll comes not before the floor nor after the cap."""
    floor = max(POLLING.floor * (0.7 if awaited else 1), functions / POLLING.budget)
    calls = len(some) + others
    gap = planned(some, after(learned), functions=functions, calls=calls, awaited=awaited, jitter=jitter).gap

    assert floor * jitter <= gap <= max(POLLING.cap, floor) * jitter


@given(ages, experience, counts, counts)
def test_gap_within_a_part_of_the_youngest_unknown_age(some, learned, others, awaited) -> None:
    """The gap is not more than a tenth of the youngest age among the calls of which little is known, or the floor."""
    runtimes = after(learned)
    thin = [age for age, call in zip(some, runtimes.outlook(some), strict=True) if call.evidence < 3]
    gap = planned(some, runtimes, calls=len(some) + others, awaited=awaited).gap

    assert gap <= max(POLLING.floor, 0.1 * min(thin, default=math.inf))


@given(ages, experience, counts, counts)
def test_ends_are_the_hazards_of_all_calls(some, learned, others, awaited) -> None:
    """The ends that are expected are the sum of the calls' hazards as they are, whatever news of them is worth."""
    runtimes = after(learned)
    ends = planned(some, runtimes, calls=len(some) + others, awaited=awaited).ends

    assert ends == pytest.approx(sum(call.hazard for call in runtimes.outlook(some)))
    assert 0 < ends < math.inf


@given(st.floats(0.0, 1e5), st.floats(0.0, 1e4))
def test_gap_grows_with_the_age_of_an_unknown_call(age, older) -> None:
    """Of a call by itself that nothing is known of, an older one is not asked after sooner, but for edges of classes."""
    assert planned([age]).gap * 0.98 <= planned([age + older]).gap


@given(st.lists(hazards, min_size=1, max_size=20), st.data())
def test_gap_shrinks_with_hazard(some, data) -> None:
    """The likelier an end, the sooner the next poll."""
    index = data.draw(st.integers(0, len(some) - 1))
    likelier = [hazard * (1 + 9 * (number == index)) for number, hazard in enumerate(some)]
    gaps = [planned([1e3] * len(some), known(*each), polling=UNBOUND).gap for each in (some, likelier)]

    assert gaps[1] < gaps[0]


@given(st.lists(st.tuples(st.floats(0.1, 1e3), hazards), min_size=1, max_size=20), st.floats(1.0, 1e3), st.data())
def test_gap_grows_with_age(calls, older, data) -> None:
    """Calls that end as likely as others, but are older, are asked after more rarely: who waits for them is used to it."""
    index = data.draw(st.integers(0, len(calls) - 1))
    some, each = zip(*calls, strict=True)
    aged = [age + older * (number == index) for number, age in enumerate(some)]
    gaps = [planned(ages, known(*each), polling=UNBOUND).gap for ages in (some, aged)]

    assert gaps[0] < gaps[1]


@given(ages, hazards, counts)
def test_gap_with_calls_left_and_calls_queued(some, hazard, others) -> None:
    """Less while calls queue; and 1 + 4 / calls of the gap's square is the same however many calls are left."""
    runtimes, calls = known(*[hazard] * len(some)), len(some)
    gap = planned(some, runtimes, polling=UNBOUND).gap
    among_others = planned(some, runtimes, calls=calls + others, polling=UNBOUND).gap
    with_a_queue = planned(some, runtimes, awaited=True, polling=UNBOUND).gap

    assert with_a_queue < gap
    assert among_others**2 * (1 + 4 / (calls + others)) == pytest.approx(gap**2 * (1 + 4 / calls))


@given(ages, st.integers(1, 400), st.integers(1, 100))
def test_gap_grows_with_the_functions_that_share_the_budget(some, functions, more) -> None:
    """More functions with running calls make no function's polls more frequent, and leave the ends as they are."""
    few, many = planned(some, functions=functions), planned(some, functions=functions + more)

    assert few.gap <= many.gap
    assert few.ends == many.ends


#: Ends a second of a call of 4 s that, with surprise, come to 0.1. News of it is worth half that of a call of 1 s.
OF_4 = 0.1 - 0.05 / 4


@pytest.mark.parametrize(
    ("some", "hazard", "calls", "awaited", "gap"),
    [
        ([4.0], OF_4, 1, False, 1.0),  # the square-root law: 5 times half of 0.1 is 2 * 0.125 / 1²
        ([4.0], OF_4, 4, False, math.sqrt(5 / 2)),  # one of the last few
        ([4.0], OF_4, 100, False, math.sqrt(5 / 1.04)),  # one of many
        ([4.0], OF_4, 100, True, math.sqrt(2.5 / 1.04)),  # and others wait for its place: a half more
        ([4.0] * 4, 0.1 - 0.05 / 16, 4, False, math.sqrt(5 / 8)),  # hazards add up, surprise is one for all
        ([16.0], 0.1 - 0.05 / 16, 1, False, math.sqrt(2)),  # of a call of 16 s, news is worth a fourth
        ([-1.0], 0.1 - 0.05 / 0.18, 1, False, math.sqrt(math.sqrt(0.18) / 2)),  # one that begins soon: as at the floor
        ([4.0], 0.0, 1, False, math.sqrt(0.25 / (5 / 2 * 0.05 / 4))),  # surprise alone
        ([0.0], 0.0, 1, False, math.sqrt(0.25 / (5 * 0.05 / 0.18**1.5))),  # and of a new call
        ([4.0, 16.0], 0.0, 2, False, math.sqrt(0.25 / (3 * (0.05 / 4 / 2 + 0.05 / 16 / 4) / 2))),  # each by its age
        ([4.0] * 100, 6.0, 100, False, 0.18),  # the floor
        ([4.0] * 100, 6.0, 100, True, 0.7 * 0.18),  # and that while others wait
        ([120.0], 0.0, 1, False, 5.0),  # the cap
    ],
)
def test_gap_by_hand(some, hazard, calls, awaited, gap) -> None:
    """The law of the derivation, what news is worth, and the bounds, worked out by hand."""
    runtimes = known(*[hazard] * len(some))

    assert planned(some, runtimes, calls=calls, awaited=awaited).gap == pytest.approx(gap)
    assert planned(some, runtimes, calls=calls, awaited=awaited, jitter=1.1).gap == pytest.approx(1.1 * gap)
    assert planned(some, runtimes, calls=calls, awaited=awaited).ends == pytest.approx(len(some) * hazard)


@pytest.mark.parametrize(
    ("some", "evidence", "gap"),
    [
        ([15.0, 36.0], [2.9, 2.9], 1.5),
        ([36.0, 15.0], [2.9, 2.9], 1.5),
        ([15.0, 36.0], [3.0, 2.9], 3.6),  # the younger is known
        ([15.0, 60.0], [3.0, 2.9], 5.0),
        ([1.0, 36.0], [2.9, 3.0], 0.18),
    ],
)
def test_gap_where_experience_is_thin(some, evidence, gap) -> None:
    """Of the calls of which less than three calls' worth is known, the youngest's age bounds the gap to a tenth."""
    thin = Known([Outlook(0.0, each) for each in evidence])

    assert planned(some, thin, calls=100).gap == pytest.approx(gap)
    assert planned(some, known(0.0, 0.0), calls=100).gap >= gap


def test_gap_of_many_functions() -> None:
    """400 functions of young calls poll every 4 s each, which is the budget of 100 polls a second."""
    assert planned([0.0], functions=400).gap == pytest.approx(4.0)


@pytest.mark.parametrize(("age", "gap"), [(0.0, 0.18), (1.7, 0.18), (10.0, 1.0), (25.0, 2.5), (400.0, 5.0)])
def test_gap_of_an_unknown_call(age, gap) -> None:
    """Of a call by itself that nothing is known of: the floor, then a tenth of its age, then the cap."""
    assert planned([age]).gap == pytest.approx(gap)


def test_experience_makes_polls_rarer() -> None:
    """A young call that is known to run long is asked after more rarely than an unknown one, and then more often."""
    minutes = after([60.0] * 50)

    assert planned([2.0]).gap == pytest.approx(0.2)
    assert planned([2.0], minutes).gap > 1.0
    assert planned([20.0]).gap == pytest.approx(2.0)
    assert planned([20.0], minutes).gap > 4.0
    assert planned([59.0]).gap == pytest.approx(5.0)
    assert planned([59.0], minutes).gap < 2.5


def lag(runtime, runtimes=None, jitter=lambda: 1.0):
    """Follow one call by itself: how late its end is seen, and after how many polls."""
    now, polls = POLLING.floor * jitter(), 1
    while now < runtime:
        now += planned([now], runtimes, jitter=jitter()).gap
        polls += 1
    return now - runtime, polls


@given(st.floats(0.1, 600.0), jitters)
def test_lag_is_bounded(runtime, jitter) -> None:
    """The end of any call is seen late by a tenth of its runtime, the floor or the cap, and the jitter, at the most."""
    late, polls = lag(runtime, jitter=lambda: jitter)

    assert late <= max(POLLING.floor, min(POLLING.max_relative_lag * runtime, POLLING.cap)) * 1.1 + 1e-9
    # Ten at the floor, up to the age of 1.5 s; a geometric series up to 50 s; then the cap.
    assert polls <= 1.2 * (10 + 37 + max(0.0, runtime - 50) / 5) + 2


def test_lag_over_all_runtimes() -> None:
    """On average the end is seen late by a twentieth of the runtime, over four decades of runtimes."""
    runtimes = [2.5 * 1.01**n for n in range(550)]
    shares = [lag(runtime)[0] / runtime for runtime in runtimes]

    assert 0.02 < sum(shares) / len(shares) < 0.06


@pytest.mark.parametrize("seed", range(4))
def test_polls_and_lag_of_a_known_function(seed) -> None:
    """After 500 calls of about 30 s, by a factor, one takes 22.5 polls and is reported 2.83 s late, at the most."""
    chance, about_30 = random.Random(seed), NormalDist(math.log(30.0), 1.0)
    runtimes = after(chance.lognormvariate(about_30.mean, about_30.stdev) for _ in range(500))
    drawn = [math.exp(about_30.inv_cdf((place + 0.5) / 200)) for place in range(200)]
    lags, polls = zip(*(lag(runtime, runtimes, lambda: chance.uniform(0.9, 1.1)) for runtime in drawn), strict=True)

    assert fmean(polls) <= 22.5
    assert fmean(lags) <= 2.83
    assert max(lags) <= 1.1 * POLLING.cap


@pytest.mark.parametrize(("runtime", "mean", "most"), [(0.5, 0.5, 1.3), (3.0, 1.5, 3.2)])
def test_lag_of_a_surprise(runtime, mean, most) -> None:
    """However sure it is that calls take 30 s, one that fails at once, or soon, is reported soon after that."""
    chance = random.Random(1)
    runtimes = after(chance.uniform(25.0, 35.0) for _ in range(4000))
    failures = [runtime * (0.5 + n / 400) for n in range(400)]
    lags = [lag(failure, runtimes, lambda: chance.uniform(0.9, 1.1))[0] for failure in failures]

    assert fmean(lags) <= mean
    assert max(lags) <= most


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
        """A 429 a second leaves some of the rate, however long it goes on."""
        budget = Budget(rate=64.0)
        for second in range(1000):
            budget.throttled(float(second), None)

        first, second = budget.wait(999.0), budget.wait(999.0)
        assert 0.05 < second - first < 0.5

    def test_burst_of_refusals_halves_the_rate_once(self) -> None:
        """Polls that were sent together and are all turned away are one piece of news."""
        budget = Budget(rate=10.0)
        for answer in range(8):
            budget.throttled(100.0 + answer / 100, None)

        _, first, second = (budget.wait(100.1) for _ in range(3))
        assert second - first == pytest.approx(0.2, rel=0.05)
