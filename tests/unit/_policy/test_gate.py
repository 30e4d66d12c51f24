from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiocdf._policy.gate import Gate
from aiocdf._policy.throttling import Cause
from aiocdf.errors import RateLimited, ServerError

FAULT = ServerError("it failed", status=500)
#: What a 429 may say.
VAGUE, FUNCTION, PROJECT, RATE = "too many", "function has too many calls", "project has too many calls", "rate limit"

functions = st.integers(1, 3)
jitters = st.floats(1.0, 1.2)
asked = st.none() | st.floats(0.1, 100.0)


def refusal(detail=VAGUE, retry_after=None):
    return RateLimited(detail, status=429, detail=detail, retry_after=retry_after)


def gate(function_limit=100, project_limit=250, workers=40) -> Gate[int]:
    return Gate(function_limit=function_limit, project_limit=project_limit, workers=workers)


class GateMachine(RuleBasedStateMachine):
    """Attempts of all ends, in any order and at any time: whatever waits knows what it waits for."""

    def __init__(self) -> None:
        super().__init__()
        self.gate: Gate[int] = gate(function_limit=3, project_limit=5, workers=4)
        self.now, self.number = 100.0, 0
        #: Functions of attempts under way, with the time of their begin, and of calls that run.
        self.under_way: list[tuple[int, float]] = []
        self.running: list[int] = []
        self.held: set[int] = set()

    @rule(function=functions)
    def enqueue(self, function) -> None:
        self.number += 1
        self.gate.admission.enqueue(function, self.number, function)

    @rule(function=functions)
    def hold_or_release(self, function) -> None:
        (self.gate.release if function in self.held else self.gate.hold)(function)
        self.held ^= {function}

    @rule()
    def admit(self) -> None:
        function = self.gate.admit(self.now)
        if function is None:
            return
        assert function not in self.held
        self.gate.breakers.began(function)
        self.under_way.append((function, self.now))
        assert len(self.under_way) <= 4

    def take(self, data):
        function, began_at = self.under_way.pop(data.draw(st.integers(0, len(self.under_way) - 1)))
        self.gate.breakers.done(function)
        return function, began_at

    @precondition(lambda self: self.under_way)
    @rule(data=st.data())
    def accept(self, data) -> None:
        function, began_at = self.take(data)
        self.gate.accepted(function, self.now, began_at)
        self.running.append(function)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), words=st.sampled_from([VAGUE, FUNCTION, PROJECT, RATE]), retry_after=asked, jitter=jitters)
    def turn_away(self, data, words, retry_after, jitter) -> None:
        function, began_at = self.take(data)
        cause = self.gate.turned_away(function, refusal(words, retry_after), self.now, began_at, jitter=jitter)
        assert words == VAGUE or cause is {FUNCTION: Cause.FUNCTION, PROJECT: Cause.PROJECT, RATE: Cause.RATE}[words]
        self.requeue(function)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), retry_after=asked)
    def refuse_a_session(self, data, retry_after) -> None:
        function, began_at = self.take(data)
        self.gate.too_fast(function, refusal(RATE, retry_after), self.now, began_at)
        self.requeue(function)

    @precondition(lambda self: self.under_way)
    @rule(data=st.data(), how=st.sampled_from(["way", "trouble", "doubt", "refused", "cancelled"]), jitter=jitters)
    def fail(self, data, how, jitter) -> None:
        function, began_at = self.take(data)
        self.gate.admission.put_back(function)
        breakers = self.gate.breakers
        if how == "way":
            breakers.way_failed(FAULT, self.now, began_at, jitter=jitter)
        elif how == "refused":
            breakers.post_answered(function, self.now, began_at)
        elif how != "cancelled":
            breakers.post_failed(function, FAULT, self.now, began_at, in_doubt=how == "doubt", jitter=jitter)
        self.requeue(function)

    def requeue(self, function) -> None:
        self.number += 1
        self.gate.admission.enqueue(function, self.number, function)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data) -> None:
        self.gate.admission.leave(self.running.pop(data.draw(st.integers(0, len(self.running) - 1))), self.now)

    @rule(seconds=st.floats(0.01, 10.0))
    def pass_time(self, seconds) -> None:
        self.now += seconds

    @invariant()
    def what_opens_does_so_later(self) -> None:
        opens_at = self.gate.opens_at(self.now)
        assert opens_at is None or opens_at > self.now
        assert opens_at is None or self.gate.admission.queued

    @invariant()
    def nothing_is_made_ahead_while_paused(self) -> None:
        if self.gate.paused(self.now):
            assert self.gate.startable(self.now, 10) == 0
        assert self.gate.startable(self.now, 2) <= 2

    def teardown(self) -> None:
        """When nothing is under way, runs or is held, what waits starts at the times that are said, until none waits."""
        for function in self.held:
            self.gate.release(function)
        for function, began_at in self.under_way:
            self.gate.breakers.done(function)
            self.gate.accepted(function, self.now, began_at)
            self.running.append(function)
        for function in self.running:
            self.gate.admission.leave(function, self.now)
        looks = 0
        while self.gate.admission.queued:
            looks += 1
            assert looks < 20 + 10 * self.number, "it looks again and again, and nothing starts"
            function = self.gate.admit(self.now)
            if function is None:
                self.now = self.gate.opens_at(self.now)
                continue
            self.gate.breakers.began(function)
            self.gate.breakers.done(function)
            self.gate.accepted(function, self.now, self.now)
            self.gate.admission.leave(function, self.now)


GateMachine.TestCase.settings = settings(stateful_step_count=50)
TestGateMachine = GateMachine.TestCase


def enqueue(it, function, count=1) -> None:
    for _ in range(count):
        number = it.admission.queued + 1000 * function
        it.admission.enqueue(function, number, function)


def begin(it, now) -> int | None:
    """Begin the attempt that may begin now; return its function."""
    function = it.admit(now)
    if function is not None:
        it.breakers.began(function)
    return function


def accept(it, function, now) -> None:
    it.breakers.done(function)
    it.accepted(function, now, now)


def turn_away(it, function, now, detail=VAGUE, retry_after=None) -> Cause:
    it.breakers.done(function)
    return it.turned_away(function, refusal(detail, retry_after), now, now, jitter=1.0)


class TestBlame:
    """Whom a 429 that names nothing is blamed on, where we are near no limit."""

    def test_only_this_function(self) -> None:
        """Calls of one function are turned away while another's pass: it is that function's limit, which others share."""
        it = gate()
        enqueue(it, 1)
        enqueue(it, 2)
        assert [begin(it, 0.0), begin(it, 0.0)] == [1, 2]
        accept(it, 2, 0.1)

        assert turn_away(it, 1, 0.2) is Cause.FUNCTION

    def test_others_wait_untried(self) -> None:
        """Where others' calls wait and none of them was turned away, the first to be is blamed by itself, and others go on."""
        it = gate()
        enqueue(it, 1, 5)
        enqueue(it, 2)
        begin(it, 0.0)

        assert turn_away(it, 1, 0.1) is Cause.FUNCTION
        assert not it.paused(0.1)

    def test_no_other_function(self) -> None:
        """If only one function is called, nothing distinguishes its limit from the rate: requests become fewer."""
        it = gate()
        enqueue(it, 1, 5)
        begin(it, 0.0)

        assert turn_away(it, 1, 0.1) is Cause.RATE

    def test_calls_of_this_one_pass_too(self) -> None:
        """Where some of the function's calls pass and some do not, it is not full: requests come too fast."""
        it = gate()
        enqueue(it, 1, 2)
        enqueue(it, 2)
        for _ in range(3):
            begin(it, 0.0)
        accept(it, 1, 0.1)
        accept(it, 2, 0.1)

        assert turn_away(it, 1, 0.2) is Cause.RATE

    def test_calls_of_others_are_turned_away_too(self) -> None:
        """The first is blamed by itself; when another is turned away as well, and none passes, it is not the function."""
        it = gate()
        for function in (1, 2, 3):
            enqueue(it, function, 2)
        for _ in range(3):
            begin(it, 0.0)
        assert turn_away(it, 1, 0.1) is Cause.FUNCTION
        assert turn_away(it, 2, 0.1) is Cause.RATE

    def test_an_acceptance_begins_the_count_anew(self) -> None:
        """Rejections before the first acceptance do not count any more."""
        it = gate()
        for function in (1, 2, 3):
            enqueue(it, function, 2)
        for _ in range(6):
            begin(it, 0.0)
        turn_away(it, 1, 0.1)
        turn_away(it, 2, 0.1)
        accept(it, 3, 0.2)

        assert turn_away(it, 2, 0.3) is Cause.FUNCTION

    @pytest.mark.parametrize(("now", "cause"), [(2.0, Cause.FUNCTION), (2.2, Cause.RATE)])
    def test_acceptances_of_long_ago(self, now, cause) -> None:
        """What was accepted more than two seconds ago says nothing of now."""
        it = gate()
        enqueue(it, 2)
        begin(it, 0.0)
        accept(it, 2, 0.1)
        enqueue(it, 1)
        begin(it, 0.0)

        assert turn_away(it, 1, now) is cause

    @pytest.mark.parametrize("running", [79, 80])
    def test_near_a_limit(self, running) -> None:
        """Near a limit by our own count, it is that limit: from four fifths of it on."""
        it = gate(project_limit=1000)
        enqueue(it, 1, 100)
        for _ in range(running - 1):
            accept(it, begin(it, 0.0), 0.0)

        assert begin(it, 0.1) == 1
        assert turn_away(it, 1, 0.1) is (Cause.FUNCTION if running == 80 else Cause.RATE)


class TestWhatARefusalStops:
    def test_rate(self) -> None:
        """Too many requests: submitting pauses as a whole, and windows stay as they are."""
        it = gate()
        enqueue(it, 1, 3)
        enqueue(it, 2, 3)
        begin(it, 0.0)
        assert turn_away(it, 1, 0.1, RATE, retry_after=5.0) is Cause.RATE

        assert begin(it, 5.0) is None
        assert it.opens_at(0.2) == pytest.approx(5.1)
        assert it.paused(0.2)
        assert it.startable(0.2, 10) == 0
        assert (it.admission.project_window, it.admission.function_windows) == (250, {1: 100, 2: 100})
        assert begin(it, 5.2) is not None

    def test_a_short_pause_is_none(self) -> None:
        """While requests leave one by one, slower than we would, those that come next are prepared for."""
        it = gate()
        enqueue(it, 1, 3)
        begin(it, 0.0)
        turn_away(it, 1, 0.1, RATE, retry_after=0.5)

        assert it.opens_at(0.1) == pytest.approx(0.6)
        assert not it.paused(0.1)
        assert it.startable(0.1, 10) == 2

    def test_function(self) -> None:
        """A full function stops by itself, and gives its place in the project back."""
        it = gate()
        enqueue(it, 1, 3)
        enqueue(it, 2)
        begin(it, 0.0)
        turn_away(it, 1, 0.1, FUNCTION, retry_after=5.0)

        assert it.admission.places == 0
        assert begin(it, 0.2) == 2
        assert begin(it, 0.2) is None
        assert it.opens_at(0.2) == pytest.approx(5.1)
        assert not it.paused(0.2)

    def test_project(self) -> None:
        """A full project stops all functions, but does not pause them: a place may be free at any moment."""
        it = gate()
        enqueue(it, 1, 3)
        enqueue(it, 2)
        begin(it, 0.0)
        turn_away(it, 1, 0.1, PROJECT, retry_after=5.0)

        assert begin(it, 0.2) is None
        assert it.opens_at(0.2) == pytest.approx(5.1)
        assert (it.paused(0.2), it.startable(0.2, 10)) == (False, 0)

    def test_session_refused(self) -> None:
        """Sessions are requests like any other: when they come too fast, calls wait as well."""
        it = gate()
        enqueue(it, 1, 2)
        begin(it, 0.0)
        it.breakers.done(1)

        assert it.too_fast(1, refusal("", 3.0), 0.1, 0.0) is Cause.RATE
        assert it.admission.places == 0
        assert it.opens_at(0.1) == pytest.approx(3.1)

    def test_a_refusal_is_an_answer(self) -> None:
        """A service that answers 429 is not in trouble: the breakers of function and project count it as a success."""
        it = gate()
        enqueue(it, 1, 5)
        for _ in range(2):
            begin(it, 0.0)
            it.breakers.done(1)
            it.admission.put_back(1)
            it.breakers.post_failed(1, FAULT, 0.0, 0.0, in_doubt=True, jitter=1.0)
        begin(it, 0.0)
        turn_away(it, 1, 0.1, FUNCTION)

        assert it.breakers.reason(1, 0.1) is None


class TestHold:
    def test_hold_and_release(self) -> None:
        """Calls of a function that is asked about wait, those of others do not; released, they go on in their order."""
        it = gate()
        enqueue(it, 1, 2)
        enqueue(it, 2)
        it.hold(1)
        assert [begin(it, 0.0), begin(it, 0.0)] == [2, None]
        assert it.opens_at(0.0) is None, "an answer releases it, not time"

        it.release(1)
        it.release(1)
        assert [begin(it, 0.0), begin(it, 0.0), begin(it, 0.0)] == [1, 1, None]


class TestOpensAt:
    def test_nothing_waits(self) -> None:
        """Without waiting calls there is nothing to look for, whatever is paused."""
        it = gate()
        enqueue(it, 1)
        begin(it, 0.0)
        turn_away(it, 1, 0.1, RATE, retry_after=5.0)

        assert it.opens_at(0.2) is None

    def test_breaker_of_the_project(self) -> None:
        """While the project's breaker is open its probe is waited for; while the probe is under way, its end."""
        it = gate()
        enqueue(it, 1, 2)
        it.breakers.project.pause(FAULT, 0.0, 4.0)
        assert (begin(it, 3.9), it.opens_at(3.9), it.paused(3.9)) == (None, 4.0, True)

        assert begin(it, 4.0) == 1
        assert (begin(it, 9.0), it.opens_at(9.0)) == (None, None)

    def test_breaker_of_a_function(self) -> None:
        """While a function's breaker is open others go on, and its probe is waited for."""
        it = gate()
        enqueue(it, 1, 4)
        enqueue(it, 2)
        for _ in range(3):
            begin(it, 0.0)
            it.breakers.done(1)
            it.admission.put_back(1)
            it.breakers.post_failed(1, FAULT, 0.0, 0.0, in_doubt=True, jitter=1.0)

        assert begin(it, 0.1) == 2
        accept(it, 2, 0.2)
        assert begin(it, 0.2) is None
        assert it.opens_at(0.2) == 2.0
        assert begin(it, 2.0) == 1

    def test_full(self) -> None:
        """While all places are taken by calls that run, only an end opens one."""
        it = gate(function_limit=1)
        enqueue(it, 1, 2)
        accept(it, begin(it, 0.0), 0.0)

        assert (begin(it, 0.1), it.opens_at(0.1)) == (None, None)

    def test_requests_leave_one_by_one(self) -> None:
        """Once the rate is known, each start puts the next off a little."""
        it = gate()
        enqueue(it, 1, 50)
        for _ in range(20):
            accept(it, begin(it, 0.0), 0.0)
        begin(it, 0.1)
        turn_away(it, 1, 0.2, RATE)
        first = it.opens_at(0.2)
        assert begin(it, first) == 1

        assert begin(it, first) is None
        assert first < it.opens_at(first) < first + 0.1
