from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiocdf._policy.breaker import Breaker, Breakers
from aiocdf.errors import (
    ConnectError,
    DecodeError,
    ServerError,
)

FAULT = ServerError("it failed", status=500)
CEILING, WORKERS = 5, 8

jitters = st.floats(0.9, 1.1)
asked = st.none() | st.floats(0.1, 1e5)


def fault(retry_after=None):
    return ServerError("it failed", status=503, retry_after=retry_after)


def standing(breaker):
    """All that a breaker remembers, but for how many attempts are under way."""
    return breaker.state, breaker.allowed, breaker.since, breaker.error, breaker._failures, breaker._probe_at


class BreakerMachine(RuleBasedStateMachine):
    """Attempts of any ends in any order, held against what a breaker promises."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(ceiling=CEILING, allowed=3)
        self.now = 100.0
        #: When each attempt under way began.
        self.under_way: list[float] = []
        self.opened_at = -math.inf
        #: Ends in a row that were trouble, of attempts that began since it opened.
        self.troubles = 0

    @rule()
    def begin(self) -> None:
        before, probing = len(self.under_way), self.breaker.state == "open"
        if self.breaker.permits(self.now):
            assert before < self.breaker.allowed, "never more than are allowed"
            assert before == 0 or not probing, "one probe at a time"
            self.breaker.began()
            self.under_way.append(self.now)
        elif probing:
            assert before or self.breaker.opens_at() > self.now
        else:
            assert before >= self.breaker.allowed or (before and self.breaker._suspicious())

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def end_as_neither(self, data) -> None:
        before = standing(self.breaker)
        self.take(data)
        assert standing(self.breaker) == before

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def end_with_success(self, data) -> None:
        began_at, before = self.take(data), standing(self.breaker)
        self.breaker.succeeded(began_at)
        if began_at < self.opened_at:
            assert standing(self.breaker) == before
            return
        self.troubles = 0
        assert self.breaker.state != "open"
        assert self.breaker.since is self.breaker.error is None

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), retry_after=asked, in_doubt=st.booleans(), jitter=jitters)
    def end_with_trouble(self, data, retry_after, in_doubt, jitter) -> None:
        began_at, before, error = self.take(data), standing(self.breaker), fault(retry_after)
        self.breaker.failed(error, self.now, began_at, in_doubt=in_doubt, jitter=jitter)
        if began_at < self.opened_at:
            assert standing(self.breaker) == before
            return
        self.troubles += 1
        assert self.breaker.error is error
        assert self.breaker.since <= self.now
        # Where faults are frequent it takes more than three; and what is under way may still succeed.
        opens = (
            retry_after is not None or before[0] == "open" or (self.breaker._suspicious() and len(self.under_way) <= 1)
        )
        assert (self.breaker.state == "open") is opens
        assert not opens or retry_after is not None or before[0] == "open" or self.troubles >= 3
        if opens:
            self.opened_at = self.now
            first, longest = (2.0, 30.0) if in_doubt else (1.0, 1.5)
            wait = self.breaker._probe_at - self.now
            least = max(first * jitter, min(retry_after or 0.0, 3600.0))
            assert least - 1e-6 <= wait <= max(longest * jitter, min(retry_after or 0.0, 3600.0)) + 1e-6

    def take(self, data):
        """End an attempt; return when it began."""
        self.breaker.done()
        return self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))

    @rule(seconds=st.floats(0.01, 30.0))
    def pass_time(self, seconds) -> None:
        self.now += seconds

    @invariant()
    def bounds(self) -> None:
        assert 1 <= self.breaker.allowed <= CEILING
        assert self.breaker.under_way == len(self.under_way)

    def teardown(self) -> None:
        """Whatever happened, once all attempts succeed it closes, after as many of them as it lets through at most."""
        for began_at in self.under_way:
            self.breaker.done()
            self.breaker.succeeded(began_at)
        for _ in range(CEILING):
            self.now = max(self.now, self.breaker.opens_at() or 0.0)
            assert self.breaker.permits(self.now)
            self.breaker.began()
            self.breaker.done()
            self.breaker.succeeded(self.now)
        assert self.breaker.state == "closed"
        assert self.breaker.idle


BreakerMachine.TestCase.settings = settings(stateful_step_count=40)
TestBreakerMachine = BreakerMachine.TestCase


class BreakersMachine(RuleBasedStateMachine):
    """Attempts of three functions, whose ends are a function's or the way's, held against what all breakers promise."""

    def __init__(self) -> None:
        super().__init__()
        self.breakers = Breakers(WORKERS)
        self.now = 100.0
        self.under_way: list[tuple[int, float]] = []

    def begins(self, function) -> bool:
        """Begin an attempt, if both breakers let it."""
        if not (self.breakers.project.permits(self.now) and self.breakers.permits(function, self.now, alone=False)):
            return False
        self.breakers.began(function)
        self.under_way.append((function, self.now))
        return True

    @rule(function=st.integers(1, 3))
    def begin(self, function) -> None:
        breakers = (self.breakers.project, self.breakers.breaker(function))
        open_before = [breaker.state == "open" for breaker in breakers]
        if self.begins(function):
            own = [each for each, _ in self.under_way if each == function]
            for breaker, was_open, count in zip(breakers, open_before, (len(self.under_way), len(own)), strict=True):
                assert count <= (1 if was_open else breaker.allowed)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["answered", "way", "trouble", "doubt", "neither"]), retry_after=asked)
    def end(self, data, how, retry_after) -> None:
        function, began_at = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.breakers.done(function)
        jitter, error = data.draw(jitters), fault(retry_after)
        if how == "answered":
            self.breakers.post_answered(function, self.now, began_at)
        elif how == "way":
            self.breakers.way_failed(error, self.now, began_at, jitter=jitter)
        elif how != "neither":
            self.breakers.post_failed(function, error, self.now, began_at, in_doubt=how == "doubt", jitter=jitter)

    @rule(seconds=st.floats(0.01, 30.0))
    def pass_time(self, seconds) -> None:
        self.now += seconds

    @invariant()
    def opens_in_the_future(self) -> None:
        assert (self.breakers.opens_at(self.now) or math.inf) > self.now

    @invariant()
    def troubles_are_named(self) -> None:
        """Whatever stops calls is among the troubles, and says why."""
        troubles = dict(self.breakers.troubles())
        for function in (None, 1, 2, 3):
            breaker = self.breakers.project if function is None else self.breakers.breaker(function)
            if breaker.state == "open":
                assert troubles[function] is breaker
                assert "it failed" in self.breakers.reason(function or 1, self.now)

    def teardown(self) -> None:
        """Whatever happened, once all attempts succeed all breakers close, and no trouble is left."""
        for function, began_at in self.under_way:
            self.breakers.done(function)
            self.breakers.post_answered(function, self.now, began_at)
        self.under_way.clear()
        for _ in range(WORKERS):
            for function in (1, 2, 3):
                times = [self.breakers.project.opens_at(), self.breakers.breaker(function).opens_at()]
                self.now = max([self.now, *(time for time in times if time is not None)])
                assert self.begins(function)
                self.under_way.clear()
                self.breakers.done(function)
                self.breakers.post_answered(function, self.now, self.now)
        assert self.breakers.project.state == "closed"
        assert {self.breakers.breaker(function).state for function in (1, 2, 3)} == {"closed"}
        assert dict(self.breakers.troubles()) == {}
        assert self.breakers.opens_at(self.now) is None
        assert self.breakers.reason(1, self.now) is None


BreakersMachine.TestCase.settings = settings(stateful_step_count=40)
TestBreakersMachine = BreakersMachine.TestCase


def tripped(now=0.0, *, in_doubt=False, ceiling=CEILING):
    """A breaker that three faults have just opened."""
    breaker = Breaker(ceiling=ceiling, allowed=ceiling)
    for _ in range(3):
        breaker.failed(FAULT, now, now, in_doubt=in_doubt, jitter=1.0)
    return breaker


class TestBreaker:
    @given(st.lists(st.integers(1, 2), max_size=30))
    def test_single_faults_among_successes(self, runs) -> None:
        """One or two faults in a row, then a success: that is how a busy service is, and nothing stops."""
        breaker, now = Breaker(ceiling=CEILING, allowed=CEILING), 0.0
        for faults in runs:
            for _ in range(faults):
                now += 1.0
                breaker.failed(FAULT, now, now, in_doubt=True, jitter=1.0)
                assert breaker.state == "closed"
            breaker.succeeded(now)
            assert breaker.since is None

    def test_three_in_a_row_open(self) -> None:
        """With the third fault in a row nothing begins for a second, and then one at a time."""
        breaker = tripped()

        assert (breaker.state, breaker.opens_at()) == ("open", 1.0)
        assert not breaker.permits(0.99)
        assert breaker.permits(1.0)
        breaker.began()
        assert not breaker.permits(1.0)
        assert breaker.opens_at() is None, "the end of the probe decides"

    def test_an_end_that_tells_nothing_lets_another_probe(self) -> None:
        """A probe whose call was cancelled has shown nothing: the next one may begin at once."""
        breaker = tripped()
        breaker.began()
        breaker.done()

        assert breaker.permits(1.0)

    def test_success_reopens_by_doubling(self) -> None:
        """After a probe succeeds two may begin, then four, then eight: each success lets one more than itself."""
        breaker, rounds = tripped(ceiling=20), []
        now = 1.0
        while breaker.state != "closed":
            begun = 0
            while breaker.permits(now) and begun < breaker.ceiling:
                breaker.began()
                begun += 1
            rounds.append(begun)
            for _ in range(begun):
                breaker.done()
                breaker.succeeded(now)
            now += 0.1

        assert rounds == [1, 2, 4, 8, 16]

    @pytest.mark.parametrize(("in_doubt", "first", "longest"), [(False, 1.0, 1.5), (True, 2.0, 30.0)])
    def test_probe_gaps_grow(self, in_doubt, first, longest) -> None:
        """Gaps between probes are a fifth of the time since the trouble began, and longer where a probe may cost a call."""
        breaker, gaps, now = tripped(in_doubt=in_doubt), [], 0.0
        while now < 600.0:
            gaps.append(breaker.opens_at() - now)
            now = breaker.opens_at()
            breaker.failed(FAULT, now, now, in_doubt=in_doubt, jitter=1.0)

        assert gaps == pytest.approx(sorted(gaps))
        assert (gaps[0], gaps[-1]) == pytest.approx((first, longest))

    @pytest.mark.parametrize(("retry_after", "wait"), [(0.0, 1.0), (0.5, 1.0), (20.0, 20.0), (1e9, 3600.0)])
    def test_retry_after_is_obeyed(self, retry_after, wait) -> None:
        """One answer that asks to wait is enough; it is obeyed up to an hour, and the first gap is the least."""
        breaker = Breaker(ceiling=CEILING, allowed=CEILING)
        breaker.failed(fault(retry_after), 10.0, 9.0, in_doubt=False, jitter=1.0)

        assert breaker.opens_at() == 10.0 + wait
        assert not breaker.permits(10.0 + wait - 0.01)

    def test_what_began_before_says_nothing(self) -> None:
        """Attempts that were under way when it opened neither reopen it nor put the probe off, nor bring trouble back."""
        breaker = tripped(now=5.0)
        breaker.succeeded(4.0)
        breaker.failed(fault(99.0), 5.5, 4.0, in_doubt=True, jitter=1.0)
        assert (breaker.state, breaker.opens_at()) == ("open", 6.0)

        breaker.succeeded(6.0)
        breaker.failed(FAULT, 7.0, 4.0, in_doubt=True, jitter=1.0)
        assert breaker.since is breaker.error is None, "the trouble was over before that was heard of"

    def test_pause(self) -> None:
        """A pause stops all attempts for the given time, after which one probes."""
        breaker = Breaker(ceiling=CEILING, allowed=CEILING)
        breaker.pause(FAULT, 3.0, 1.5)

        assert (breaker.state, breaker.opens_at(), breaker.since, breaker.error) == ("open", 4.5, 3.0, FAULT)

    def test_probe_soon(self) -> None:
        """A probe can be brought forward, not put off; where nothing is stopped there is none."""
        breaker, closed = tripped(in_doubt=True), Breaker(ceiling=CEILING, allowed=CEILING)
        breaker.probe_soon(0.5)
        breaker.probe_soon(1.5)
        closed.probe_soon(0.5)

        assert (breaker.opens_at(), closed.opens_at(), closed.state) == (0.5, None, "closed")


def post(breakers, function, now, *, fails):
    """Make one attempt that ends as it begins, if it is let through."""
    if not (breakers.project.permits(now) and breakers.permits(function, now, alone=False)):
        return False
    breakers.began(function)
    breakers.done(function)
    if fails:
        breakers.post_failed(function, FAULT, now, now, in_doubt=True, jitter=1.0)
    else:
        breakers.post_answered(function, now, now)
    return True


class TestBreakers:
    def test_ceilings(self) -> None:
        """Before the first success half of the workers are a function's; no function ever has all, nor the project at first."""
        breakers = Breakers(40)

        assert (breakers.project.allowed, breakers.project.ceiling) == (30, 36)
        assert (breakers.breaker(1).allowed, breakers.breaker(1).ceiling) == (20, 32)
        assert (breakers.lookups.allowed, breakers.lookups.ceiling) == (20, 20)

    @pytest.mark.parametrize("workers", [1, 2, 3])
    def test_few_workers(self, workers) -> None:
        """However few workers there are, each breaker lets one attempt through."""
        breakers = Breakers(workers)

        assert post(breakers, 1, 0.0, fails=True)
        assert post(breakers, 1, 0.0, fails=False)

    def test_one_sick_function_among_well_ones(self) -> None:
        """A function whose POSTs all fail is stopped alone, however long: the others' successes show that the service works."""
        breakers, made = Breakers(40), 0
        for step in range(6000):
            now = step / 10
            post(breakers, 1, now, fails=True)
            made += post(breakers, 2 + step % 3, now, fails=False)
            assert breakers.project.state != "open"
            assert dict(breakers.troubles()).keys() <= {1}

        assert made == 6000
        assert breakers.breaker(1).state == "open"

    def test_one_sick_function_alone(self) -> None:
        """If only one function is called, there is no other to compare it with: its own breaker is enough."""
        breakers = Breakers(40)
        for now in range(5):
            post(breakers, 1, float(now), fails=True)

        assert breakers.breaker(1).state == "open"
        assert breakers.project.state == "reopening", "what is under way may fail too, so little more begins"
        assert breakers.project.allowed == 10

    def test_two_functions_and_no_success(self) -> None:
        """When POSTs of two functions fail and none succeeds it is the project: after three such ends nothing begins."""
        breakers, states = Breakers(40), []
        for function in (1, 2, 1, 2):
            assert post(breakers, function, 0.0, fails=True)
            states.append(breakers.project.state)
        assert states == ["reopening", "reopening", "reopening", "open"]
        assert not post(breakers, 3, 1.0, fails=False)

        assert breakers.project.opens_at() == 2.0, "after a POST in doubt"
        assert post(breakers, 3, 2.0, fails=False)
        assert breakers.project.state == "reopening"

    def test_a_success_between_acquits(self) -> None:
        """Two functions that fail in turn while a third succeeds between are each stopped for itself."""
        breakers = Breakers(40)
        for now in range(60):
            post(breakers, 1 + now % 2, float(now), fails=True)
            post(breakers, 3, float(now), fails=False)

        assert breakers.project.state != "open"
        assert dict(breakers.troubles()).keys() == {1, 2}

    def test_recovery_of_the_project_is_its_functions(self) -> None:
        """When one call gets through after an outage, the functions that the outage had stopped are tried at once."""
        breakers = Breakers(40)
        for function in (1, 2) * 3:
            post(breakers, function, 0.0, fails=True)
        for step in range(100):
            if post(breakers, 1, 10.0 * step, fails=True):
                last = 10.0 * step
        now = breakers.project.opens_at()
        assert now > last + 20.0

        assert post(breakers, 3, now, fails=False)
        assert post(breakers, 1, now, fails=False), "its own probe would have come later"
        assert post(breakers, 2, now, fails=False)
        assert dict(breakers.troubles()) == {}

    def test_trouble_on_the_way_is_everybodys(self) -> None:
        """No token, no connection, no session: that stops all functions, and no function is blamed."""
        breakers = Breakers(40)
        for _ in range(3):
            breakers.way_failed(ConnectError("refused"), 4.0, 4.0, jitter=1.0)

        assert breakers.project.state == "open"
        assert breakers.project.opens_at() == 5.0, "a probe costs no call, so it comes soon"
        assert dict(breakers.troubles()) == {None: breakers.project}
        assert breakers.reason(1, 9.0) == breakers.reason(None, 9.0) == "paused for 5 s: refused"

    def test_reasons(self) -> None:
        """Calls that wait show their function's trouble, and those that wait for a look-up that of look-ups."""
        breakers = Breakers(40)
        post(breakers, 1, 1.0, fails=True)
        breakers.lookups.failed(DecodeError("no JSON", path="$"), 2.0, 2.0, in_doubt=False, jitter=1.0)

        assert breakers.reason(1, 3.0) == "paused for 2 s: it failed"
        assert breakers.reason(2, 3.0) is None
        assert breakers.reason(None, 3.0).startswith("paused for 1 s: no JSON")

    def test_opens_at(self) -> None:
        """The next probe of any function in trouble is what to wait for; none that is due, nor one that is under way."""
        breakers = Breakers(40)
        for now in (0.0, 0.0, 0.0):
            post(breakers, 1, now, fails=True)
            post(breakers, 3, now, fails=False)
        assert breakers.opens_at(0.0) == 2.0
        assert breakers.opens_at(2.0) is None

        breakers.began(1)
        assert breakers.opens_at(0.0) is None

    def test_late_trouble_leaves_no_trace(self) -> None:
        """A POST that was sent before an outage, and is heard of after it, does not make calls wait once more."""
        breakers = Breakers(40)
        for _ in range(4):
            post(breakers, 1, 10.0, fails=True)
        for step in range(60):
            post(breakers, 1, 20.0 + step, fails=False)
        assert breakers.breaker(1).state == "closed"
        breakers.began(1)
        breakers.done(1)
        breakers.post_failed(1, FAULT, 99.0, 5.0, in_doubt=True, jitter=1.0)

        assert breakers.breaker(1).state == "closed"
        assert breakers.reason(1, 99.0) is None
        assert dict(breakers.troubles()) == {}

    def test_what_is_kept_is_bounded(self) -> None:
        """After calls to thousands of functions, once each, not every function's breaker is kept."""
        breakers = Breakers(40)
        for function in range(5000):
            breakers.began(function)
            breakers.done(function)
            breakers.post_answered(function, 0.0, 0.0)

        assert len(breakers._functions) <= 1000
