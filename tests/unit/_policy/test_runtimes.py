from __future__ import annotations

import functools
import itertools
import math
import random
import time
from statistics import NormalDist, fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.polling import plan
from aiocdf._policy.runtimes import Runtimes
from aiocdf.config import Polling

any_age = st.one_of(st.floats(-1e9, 1e9), st.floats(-1e300, 1e300), st.sampled_from([0.0, -0.0, 0.05, 5e-324]))


def after(learned):
    runtimes = Runtimes()
    for runtime in learned:
        runtimes.learn(runtime)
    return runtimes


def hazard(runtimes, age, running=()):
    """What is expected of one more call of that age."""
    return runtimes.outlook([*running, age])[-1].hazard


class Exponential:
    """Ends at the same rate at any age."""

    ages = (1.0, 5.0, 10.0, 25.0)

    def draw(self, chance):
        return chance.expovariate(0.1)

    def survival(self, age):
        return math.exp(-0.1 * age)


class Uniform:
    """Ends ever more surely between 25 and 45 s, and never before."""

    ages = (30.0, 35.0, 40.0)

    def draw(self, chance):
        return chance.uniform(25.0, 45.0)

    def survival(self, age):
        return min(1.0, max(0.0, (45.0 - age) / 20.0))


class LogNormal:
    """Ends about 30 s, by a factor."""

    ages = (8.0, 15.0, 30.0, 60.0, 120.0)

    def draw(self, chance):
        return chance.lognormvariate(math.log(30.0), 1.0)

    def survival(self, age):
        return 1.0 - NormalDist(math.log(30.0), 1.0).cdf(math.log(age))


class Bimodal:
    """Ends at once, as when there is nothing to do, or after a minute."""

    ages = (0.8, 1.0, 55.0, 60.0)

    def draw(self, chance):
        return chance.choice([chance.gauss(1.0, 0.1), chance.gauss(60.0, 5.0)])

    def survival(self, age):
        return 1.0 - (NormalDist(1.0, 0.1).cdf(age) + NormalDist(60.0, 5.0).cdf(age)) / 2


def smoothed(runtimes, age):
    """The hazard about an age: the ends from a tenth below to a tenth above it, over the seconds watched there."""
    step = 1.07
    place = math.floor(math.log(age / 0.05, step))
    low, high = 0.05 * step ** (place - 1), 0.05 * step ** (place + 2)
    points = [low + (high - low) * (n + 0.5) / 1000 for n in range(1000)]
    watched = sum(runtimes.survival(point) for point in points) * (high - low) / 1000
    return (runtimes.survival(low) - runtimes.survival(high)) / watched


@functools.cache
def histories(kind):
    """What may be known after 4,000 calls: twenty times, for each by itself is off by chance."""
    return [after(kind.draw(chance) for _ in range(4000)) for chance in map(random.Random, range(20))]


KINDS = [Exponential(), Uniform(), LogNormal(), Bimodal()]
CASES = [pytest.param(kind, age, id=f"{type(kind).__name__}-{age:g}") for kind in KINDS for age in kind.ages]


class TestCold:
    @pytest.mark.parametrize("age", [0.2, 1.0, 30.0, 600.0, 1e6])
    def test_one_over_age(self, age):
        """Of an unknown function's call the hazard is 1 / age, but for the short while that we have watched it."""
        (call,) = Runtimes().outlook([age])

        assert 1 / (1.4 * age) <= call.hazard <= 1 / age
        assert call.evidence < 0.4

    @pytest.mark.parametrize("age", [-1.0, 0.0, 0.01])
    def test_just_begun(self, age):
        """A call that has just begun, or by this clock will begin, is not more likely to end than one of 20 ms."""
        assert hazard(Runtimes(), age) == pytest.approx(50.0, rel=0.5)

    def test_survivors_count(self):
        """A hundred calls that have run for 10 s without an end make a call of 10 s less likely to end."""
        assert hazard(Runtimes(), 10.0, [10.0] * 100) < hazard(Runtimes(), 10.0) / 10

    def test_the_scale_is_not_known(self):
        """Ten times the age is a tenth of the hazard, whichever the age."""
        ages = [0.5 * 1.15**n for n in range(40)]
        products = [age * hazard(Runtimes(), age) for age in ages]

        assert max(products) / min(products) < 1.4


class TestLearned:
    @pytest.mark.parametrize(("kind", "age"), CASES)
    def test_converges(self, kind, age):
        """After 4,000 calls the hazard is the distribution's about that age: to 4 % on average, and always to 25 %."""
        found, right = [hazard(runtimes, age) for runtimes in histories(kind)], smoothed(kind, age)

        assert fmean(found) == pytest.approx(right, rel=0.04)
        assert found == pytest.approx([right] * len(found), rel=0.25)

    @pytest.mark.parametrize("age", [1.0, 3.0, 9.0, 27.0])
    def test_exponential_is_flat(self, age):
        """Of runtimes without memory the hazard is the rate at every age, not only about it."""
        assert fmean(hazard(runtimes, age) for runtimes in histories(KINDS[0])) == pytest.approx(0.1, rel=0.04)

    @pytest.mark.parametrize(
        ("count", "below", "above"), [(1, 2, 4), (49, 2, 4), (50, 1, 2), (199, 1, 2), (200, 1, 1), (4000, 1, 1)]
    )
    def test_neighbours(self, count, below, above):
        """The more calls have ended, the fewer ages near theirs are taken for theirs; of all others they are survivors."""
        runtimes = after([10.0] * count)
        steps = [step for step in range(-9, 10) if hazard(runtimes, 10.0 * 1.07**step) > 1 / (10.0 * 1.07**step)]

        assert steps == list(range(-below, above + 1))

    def test_between_two_modes(self):
        """Where no call ever ends, there is next to no hazard; where all do, a thousand times as much."""
        chance = random.Random(9)
        runtimes = after(Bimodal().draw(chance) for _ in range(1000))

        assert hazard(runtimes, 10.0) < 1e-3
        assert hazard(runtimes, 60.0) > 0.05

    def test_few_are_enough_to_see_the_scale(self):
        """After ten calls of 60 s a call of 2 s is not expected to end soon."""
        # Each of the ten was watched from 1.473 to 2.365 s, which is about 2 s, and the call itself from there to 2 s.
        assert hazard(after([60.0] * 10), 2.0) == pytest.approx(1 / (2.0 + 10 * 0.892 + 0.527), rel=1e-3)
        assert hazard(Runtimes(), 2.0) == pytest.approx(1 / (2.0 + 0.527), rel=1e-3)

    def test_longer_than_ever_before(self):
        """Of a call that has outrun all others nothing is known: 1 / age again."""
        call = after([1.0] * 500).outlook([300.0])[0]

        assert call.hazard == pytest.approx(1 / 300, rel=0.3)
        assert call.evidence < 1

    def test_running_calls_are_survivors(self):
        """Of 2,000 calls watched for 5 s only those that ended are learned; those that run make the rate right."""
        chance = random.Random(10)
        drawn = [chance.expovariate(0.1) for _ in range(2000)]
        runtimes = after(runtime for runtime in drawn if runtime <= 5.0)
        running = [5.0 for runtime in drawn if runtime > 5.0]

        for age in (1.0, 3.0, 4.9):
            assert hazard(runtimes, age, running) == pytest.approx(0.1, rel=0.2)
        assert hazard(runtimes, 4.0) > 0.3, "without the survivors all calls seem to end by then"

    def test_staggered_running_calls(self):
        """The same holds while calls of all ages run, as in a fan-out, where the short ones are learned first."""
        chance, runtimes = random.Random(11), Runtimes()
        calls = [(start, chance.expovariate(0.1)) for start in (n / 10 for n in range(1000))]
        for start, runtime in calls:
            if start + runtime <= 100.0:
                runtimes.learn(runtime)

        ages = [100.0 - start for start, runtime in calls if start + runtime > 100.0]
        assert sum(call.hazard for call in runtimes.outlook(ages)) == pytest.approx(0.1 * len(ages), rel=0.2)

    def test_order_of_ages(self):
        """What is expected of a call does not hang on its place among the others."""
        runtimes, ages = after([1.0, 2.0, 30.0]), [0.5, 3.0, 40.0]
        by_age = dict(zip(ages, runtimes.outlook(ages), strict=True))

        for order in itertools.permutations(ages):
            assert runtimes.outlook(order) == [by_age[age] for age in order]

    def test_looking_changes_nothing(self):
        """Running calls are counted for the moment, not kept."""
        runtimes = after([1.0, 2.0, 3.0])
        before = runtimes.outlook([2.0])
        runtimes.outlook([5.0] * 1000)

        assert runtimes.outlook([2.0]) == before


class TestForgetting:
    def test_a_function_that_got_faster(self):
        """20,000 calls of a second outweigh as many of 100 s that came before: a call of a second is about to end."""
        old = [100.0] * 20_000
        slow, faster, always_fast = after(old), after([*old, *[1.0] * 20_000]), after([1.0] * 20_000)

        # 3,616 are remembered, each watched from 0.917 to 1.123 s, and the call itself from there to 1 s.
        assert hazard(slow, 1.0) == pytest.approx(1 / (1.0 + 3616 * 0.2064 + 0.083), rel=1e-3)
        assert hazard(faster, 1.0) == pytest.approx(hazard(always_fast, 1.0), rel=0.1)

    def test_what_is_kept_is_bounded(self):
        """However many calls end, what is known counts as no more than the last few thousand."""
        for count in (4095, 4096, 50_000):
            evidence = after([1.0] * count).outlook([1.0])[0].evidence
            assert 2000 < evidence <= 2 * 4096


class TestAnyAge:
    @given(st.lists(any_age, max_size=50), st.lists(any_age, min_size=1, max_size=50))
    def test_never_nonsense(self, learned, ages):
        """Whatever the runtimes and ages: a hazard above 0 and below 1 in 2 ms, and evidence of 0 or more."""
        for call in after(learned).outlook(ages):
            assert 0.0 < call.hazard <= 50.0 * (1 + len(learned))
            assert 0.0 <= call.evidence < math.inf

    def test_no_call(self):
        """Without a running call there is nothing to expect."""
        assert after([1.0, 2.0]).outlook([]) == []

    @pytest.mark.parametrize("runtime", [0.0, -3.0, 1e-9])
    def test_runtimes_of_nothing(self, runtime):
        """Calls without a runtime, or with one below 0 by two clocks, count as the shortest."""
        runtimes = after([runtime] * 49)

        assert hazard(runtimes, 0.0) == pytest.approx(50.0 / 0.02, rel=1e-5)
        assert hazard(runtimes, 10.0) == pytest.approx(hazard(Runtimes(), 10.0))


def test_a_plan_takes_microseconds():
    """To plan the next poll of 100 running calls takes a fraction of what the poll itself takes."""
    chance = random.Random(12)
    runtimes = after(chance.lognormvariate(3.4, 1.0) for _ in range(2000))
    ages, taken = [chance.uniform(0.0, 60.0) for _ in range(100)], []
    for _ in range(30):
        start = time.thread_time()
        plan(
            ages,
            runtimes,
            running=100,
            functions=1,
            calls=100,
            awaited=False,
            round_trip=0.1,
            failures=0,
            polling=Polling(),
            jitter=1.0,
        )
        taken.append(time.thread_time() - start)

    assert min(taken) < 3e-3  # some 150 microseconds on a machine of 2024; ten times that while coverage is measured
