from __future__ import annotations

import math
import random
from statistics import NormalDist, fmean

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.polling import BUSY, Budget, plan
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
round_trips = st.one_of(st.floats(0.001, 10.0), st.just(math.inf))


@attrs.frozen
class Known:
    """Stands for the runtimes of a function of which as much is known as is said here."""

    calls: list[Outlook]

    def outlook(self, _):
        return self.calls


def known(*hazards, evidence=99.0):
    return Known([Outlook(hazard, evidence) for hazard in hazards])


def planned(some, runtimes=None, *, polling=POLLING, **facts):
    """Plan for calls that are all the client has, after polls that had answers, unless it says otherwise."""
    usual = {
        "running": len(some),
        "functions": 1,
        "calls": len(some),
        "awaited": False,
        "round_trip": math.inf,
        "failures": 0,
        "jitter": 1.0,
    }
    return plan(some, runtimes or Runtimes(), polling=polling, **(usual | facts))


def after(learned):
    runtimes = Runtimes()
    for runtime in learned:
        runtimes.learn(runtime)
    return runtimes


@given(
    some=ages,
    learned=experience,
    functions=st.integers(1, 500),
    others=counts,
    awaited=st.booleans(),
    round_trip=round_trips,
    failures=st.integers(0, 2000),
    jitter=jitters,
)
def test_gap_within_floor_and_cap(some, learned, *, functions, others, awaited, round_trip, failures, jitter) -> None:
    """Whatever the ages, even ones before the call's start, a poll comes not before the floor nor after the cap.

    Where little is known, where many run or where calls queue, the floor is that of the settings.
    """
    runtimes, share = after(learned), functions / POLLING.budget
    thin = any(call.evidence < 3 for call in runtimes.outlook(some))
    floor = POLLING.floor * (0.7 if awaited else 1)
    if not thin and not awaited and len(some) < BUSY:
        floor = min(floor, max(round_trip, floor * len(some) / BUSY))
    gap = planned(
        some,
        runtimes,
        functions=functions,
        calls=len(some) + others,
        awaited=awaited,
        round_trip=round_trip,
        failures=failures,
        jitter=jitter,
    ).gap

    assert max(floor, share) * jitter <= gap <= max(POLLING.cap, share) * jitter


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
    """An older single call without known runtimes is not polled sooner, except at edges of classes."""
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
    """Of calls with the same probability to end, older ones are polled less often: a delay weighs less."""
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
    """A young call that is known to run long is polled less often than an unknown one, and later more often."""
    minutes = after([60.0] * 50)

    assert planned([2.0]).gap == pytest.approx(0.2)
    assert planned([2.0], minutes).gap > 1.0
    assert planned([20.0]).gap == pytest.approx(2.0)
    assert planned([20.0], minutes).gap > 4.0
    assert planned([59.0]).gap == pytest.approx(5.0)
    assert planned([59.0], minutes).gap < 2.5


def lag(runtime, runtimes=None, jitter=lambda: 1.0, round_trip=math.inf):
    """Follow one call by itself: how late its end is seen, and after how many polls."""
    now, polls = planned([0.0], runtimes, jitter=jitter(), round_trip=round_trip).gap, 1
    while now < runtime:
        now += planned([now], runtimes, jitter=jitter(), round_trip=round_trip).gap
        polls += 1
    return now - runtime, polls


@given(st.floats(0.1, 600.0), jitters)
def test_lag_is_bounded(runtime, jitter) -> None:
    """The delay of any end is at most a tenth of the runtime, the floor or the cap, and the jitter."""
    late, polls = lag(runtime, jitter=lambda: jitter)

    assert late <= max(POLLING.floor, min(POLLING.max_relative_lag * runtime, POLLING.cap)) * 1.1 + 1e-9
    # Ten at the floor, up to the age of 1.5 s; a geometric series up to 50 s; then the cap.
    assert polls <= 1.2 * (10 + 37 + max(0.0, runtime - 50) / 5) + 2


def test_lag_over_all_runtimes() -> None:
    """On average the end is seen late by a twentieth of the runtime or less, from 2.5 s to ten minutes."""
    runtimes = [2.5 * 1.01**n for n in range(550)]
    shares = [lag(runtime)[0] / runtime for runtime in runtimes]

    assert sum(shares) / len(shares) < 0.055


@pytest.mark.parametrize("seed", range(4))
def test_polls_and_lag_of_a_known_function(seed) -> None:
    """After 500 calls of about 30 s, by a factor, one takes at most 22.5 polls and is reported at most 2.83 s late."""
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


class TestFloorOfFewCalls:
    """Few calls of a known function may be polled more often than the floor of the settings."""

    @pytest.mark.parametrize(
        ("running", "round_trip", "gap"),
        [
            (1, 0.05, 0.05),  # as fast as answers come
            (2, 0.001, 0.018),  # but a twentieth of the floor for each call that runs
            (10, 0.001, 0.09),
            (10, 0.12, 0.12),
            (19, 0.001, 0.171),
            (20, 0.001, 0.18),  # many share a poll: the floor holds
            (100, 0.001, 0.18),
            (1, 0.5, 0.18),  # a slow service makes no gap longer
            (1, math.inf, 0.18),  # before the first answer
        ],
    )
    def test_by_hand(self, running, round_trip, gap) -> None:
        """The floor falls with the calls that run, as far as the round trip of a poll."""
        sure = known(*[1e9] * running)

        assert planned([1.0] * running, sure, round_trip=round_trip).gap == pytest.approx(gap)

    def test_not_of_an_unknown_function(self) -> None:
        """Where little is known of one of the calls, the floor of the settings holds."""
        unsure = Known([Outlook(1e9, 99.0), Outlook(1e9, 2.9)])

        assert planned([1.0, 1.0], unsure, round_trip=0.01).gap == pytest.approx(0.18)

    def test_not_while_calls_queue(self) -> None:
        """While calls queue, polls are many anyway: the floor falls by three tenths, and no further."""
        assert planned([1.0], known(1e9), round_trip=0.01, awaited=True).gap == pytest.approx(0.7 * 0.18)

    def test_not_beyond_the_budget(self) -> None:
        """However few calls each of many functions has, all polls together stay within the budget."""
        assert planned([1.0], known(1e9), round_trip=0.01, functions=40).gap == pytest.approx(0.4)

    def test_a_new_call_is_planned_among_those_that_run(self) -> None:
        """A call that was just accepted is planned for alone, but what others run of its function sets the floor."""
        alone = planned([0.0], known(1e9), running=1, round_trip=0.01).gap
        among = planned([0.0], known(1e9), running=50, round_trip=0.01).gap

        assert (alone, among) == (pytest.approx(0.01), pytest.approx(0.18))

    def test_short_calls_of_a_known_function(self) -> None:
        """After 500 calls of about 0.3 s, the end of another is seen in half the time that it took with the usual floor."""
        chance = random.Random(7)
        runtimes = after(chance.lognormvariate(math.log(0.3), 0.5) for _ in range(500))
        drawn = [chance.lognormvariate(math.log(0.3), 0.5) for _ in range(300)]
        quick, usual = ([lag(runtime, runtimes, round_trip=time) for runtime in drawn] for time in (0.05, math.inf))

        assert fmean(late for late, _ in quick) < 0.6 * fmean(late for late, _ in usual)
        assert fmean(polls for _, polls in quick) < 1.5 * fmean(polls for _, polls in usual)


class TestWithoutNews:
    def test_gap_doubles_with_failures(self) -> None:
        """Each poll that fails doubles the gap to the next, up to the cap."""
        gaps = [planned([1.0], failures=failures).gap for failures in range(8)]

        assert gaps == pytest.approx([0.18 * 2**n for n in range(5)] + [5.0] * 3)

    def test_six_times(self) -> None:
        """It doubles at most six times, even if the cap is far; the number of failures has no bound."""
        far = attrs.evolve(POLLING, cap=1e9, max_relative_lag=1e9, poll_cost=1e-9)

        assert planned([1.0], polling=far, failures=6).gap == pytest.approx(0.18 * 64)
        assert planned([1.0], polling=far, failures=10**6).gap == pytest.approx(0.18 * 64)

    def test_cap_of_many_functions(self) -> None:
        """If the budget requires more than the cap, failures add nothing to it."""
        assert planned([0.0], functions=800, failures=9).gap == pytest.approx(8.0)

    def test_ends_stay_as_they_are(self) -> None:
        """Calls end whether or not a poll sees it."""
        assert planned([1.0], failures=9).ends == planned([1.0]).ends


def send(budget, now):
    """Send the next poll as soon as it may be; return when."""
    at = max(now, budget.ready_at())
    budget.take(at)
    return at


def send_many(budget, now, count):
    """Send polls as soon as each may be; return when, as seconds after *now*."""
    return [send(budget, now) - now for _ in range(count)]


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
            sent.append(send(budget, now))

        assert sent == pytest.approx(sorted(sent)), "first come, first served"
        for first in range(len(sent)):
            for last in range(first, len(sent)):
                assert last - first <= rate * (sent[last] - sent[first] + 1.0) + 1e-3

    @pytest.mark.parametrize("start", [0.0, 5e5])
    def test_spends_what_it_has(self, start) -> None:
        """A steady demand below the rate never waits, from the loop's first moment on; one above it gets the rate."""
        budget = Budget(rate=10.0)
        assert all(send(budget, start + n / 10) == start + n / 10 for n in range(1000))

        burst = send_many(budget, start + 200.0, 111)
        assert burst[:11] == [0.0] * 11
        assert burst[-1] == pytest.approx(10.0)

    def test_slow_rate_still_polls(self) -> None:
        """A budget of less than one poll a second lets the first one through at once."""
        budget = Budget(rate=0.1)

        assert send_many(budget, 0.0, 2) == [0.0, pytest.approx(9.0)]

    @given(st.floats(0.0, 100.0), st.lists(st.floats(0.0, 30.0), max_size=40), st.integers(1, 20))
    def test_left_alone_as_long_as_asked(self, retry_after, pauses, answers) -> None:
        """After a 429 with Retry-After no poll is sent before that time, nor much after it however many answers came."""
        budget = Budget(rate=50.0)
        for _ in range(answers):
            budget.throttled(10.0, retry_after)
        sent, now = [], 10.0
        for pause in [0.0, *pauses]:
            sent.append(send(budget, now))
            now += pause

        assert min(sent) >= 10.0 + retry_after
        assert sent[0] == pytest.approx(10.0 + retry_after)

    def test_rate_halves_and_recovers(self) -> None:
        """A 429 halves the rate; five seconds later it is as before."""
        budget = Budget(rate=10.0)
        budget.throttled(0.0, None)
        slowed = [send(budget, 0.0) for _ in range(6)]
        assert slowed[:2] == pytest.approx([0.0, 0.2])
        assert slowed == pytest.approx([0.2 * n for n in range(6)], abs=0.08), "it recovers meanwhile"

        later = send_many(budget, 30.0, 21)
        assert later[-1] - later[-2] == pytest.approx(0.1)

    def test_never_stops_altogether(self) -> None:
        """A 429 a second leaves at least one poll a second, however long it goes on."""
        budget = Budget(rate=64.0)
        for second in range(1000):
            budget.throttled(float(second), None)

        first, second = send_many(budget, 999.0, 2)
        assert second - first <= 1.0

    def test_burst_of_refusals_halves_the_rate_once(self) -> None:
        """Polls that were sent together and are all turned away are one piece of news."""
        budget = Budget(rate=10.0)
        for answer in range(8):
            budget.throttled(100.0 + answer / 100, None)

        _, first, second = send_many(budget, 100.1, 3)
        assert second - first == pytest.approx(0.2, rel=0.1)

    def test_polls_that_fail_are_few(self) -> None:
        """After five polls without an answer four a second are sent, whatever was saved, until one has an answer."""
        budget = Budget(rate=100.0)
        for number in range(4):
            budget.failed(number / 100)
        assert send_many(budget, 10.0, 100)[-1] == 0.0, "a few failures change nothing"

        budget.failed(20.0)
        assert send_many(budget, 20.0, 5) == pytest.approx([0.0, 0.25, 0.5, 0.75, 1.0])
        assert send_many(budget, 60.0, 3) == pytest.approx([0.0, 0.25, 0.5]), "nothing is saved meanwhile"

    def test_an_answer_ends_that(self) -> None:
        """With the first answer the rate is as before, and failures count from the beginning."""
        budget = Budget(rate=100.0)
        for number in range(50):
            budget.failed(number / 100)
        send_many(budget, 1.0, 3)
        budget.answered()
        assert send_many(budget, 2.0, 3)[-1] <= 0.02

        for number in range(4):
            budget.failed(3.0 + number / 100)
        assert send_many(budget, 4.0, 50)[-1] == 0.0

    def test_a_small_budget_stays_small(self) -> None:
        """A budget of less than four polls a second does not rise because polls fail."""
        budget = Budget(rate=0.5)
        for number in range(9):
            budget.failed(number / 100)

        assert send_many(budget, 10.0, 3) == pytest.approx([0.0, 2.0, 4.0])

    def test_looking_takes_nothing(self) -> None:
        """Who asks when a poll may be sent, and sends none, leaves the turn to others."""
        budget = Budget(rate=10.0)
        send_many(budget, 0.0, 12)

        assert budget.ready_at() == budget.ready_at() == pytest.approx(0.2)
