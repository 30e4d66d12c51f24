from __future__ import annotations

import math
import time
from collections import Counter, defaultdict
from itertools import groupby, pairwise

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiocdf._policy.admission import Admission, Window

FUNCTION_LIMIT, PROJECT_LIMIT = 3, 5
functions = st.integers(1, 4)


@attrs.define
class Gauge:
    """What a plain model knows of one window, beside its size."""

    closed_until: float = -math.inf
    #: When one call may try, and how long after it the next.
    trial_at: float = math.inf
    patience: float = 0.0
    #: When a call without an outcome so far tried the window.
    tried_at: float | None = None
    refusals: int = 0
    refused_at: float = -math.inf
    #: When a refusal was believed last: for some seconds after it, a single one is.
    believed_at: float = -math.inf
    #: The most accepted calls that are known to have run at once since the last refusal or trial.
    proven: int = 0


class AdmissionMachine(RuleBasedStateMachine):
    """Any order of arrivals, starts, acceptances, ends, refusals and withdrawals, held against a plain model."""

    def __init__(self) -> None:
        super().__init__()
        self.admission: Admission[tuple[int, int]] = Admission(
            function_limit=FUNCTION_LIMIT, project_limit=PROJECT_LIMIT
        )
        self.now = 100.0
        self.number = 0
        self.waiting: defaultdict[int, set[int]] = defaultdict(set)
        #: Calls whose POST is under way, with the time when it was sent, and those that were accepted.
        self.posted: list[tuple[int, int, float]] = []
        self.running: list[int] = []
        self.permitted = {1, 2, 3, 4}
        #: None stands for the project.
        self.gauges: defaultdict[int | None, Gauge] = defaultdict(Gauge)
        #: How often others were served since a function that could have been was.
        self.passed: defaultdict[int, Counter[int]] = defaultdict(Counter)

    def count(self, function: int | None = None) -> int:
        places = [f for f, *_ in self.posted] + self.running
        return len(places) if function is None else places.count(function)

    def held(self, function: int | None) -> int:
        return len(self.running) if function is None else self.running.count(function)

    def size(self, function: int | None) -> int:
        if function is None:
            return self.admission.project_window
        return self.admission.function_windows.get(function, FUNCTION_LIMIT)

    def limit(self, function: int | None) -> int:
        return PROJECT_LIMIT if function is None else FUNCTION_LIMIT

    def open(self, function: int | None, now: float) -> bool:
        """Whether a window has a free place, or one may try for it, by the policy's sizes and by our own counts."""
        gauge = self.gauges[function]
        if self.count(function) >= self.limit(function):
            return False
        return now >= gauge.trial_at or (now >= gauge.closed_until and self.count(function) < self.size(function))

    def open_functions(self, now: float) -> set[int]:
        if not self.open(None, now):
            return set()
        return {f for f, waiting in self.waiting.items() if waiting and self.open(f, now)}

    def servable(self) -> set[int]:
        return self.open_functions(self.now) & self.permitted

    @rule(function=functions)
    def arrive(self, function) -> None:
        self.number += 1
        self.requeue(function, self.number)

    @rule(function=functions)
    def hold_or_release(self, function) -> None:
        self.permitted ^= {function}

    @rule()
    def admit(self) -> None:
        servable = self.servable()
        item = self.admission.admit(self.now, self.permitted.__contains__)
        if item is None:
            assert not servable
            return
        function, number = item
        assert function in servable
        assert number == min(self.waiting[function]), "first come, first served"
        for window in (None, function):
            gauge = self.gauges[window]
            if self.now >= gauge.trial_at:
                gauge.trial_at, gauge.tried_at = self.now + gauge.patience, self.now
                gauge.proven = self.held(window)
        self.waiting[function].remove(number)
        self.posted.append((function, number, self.now))
        self.passed.pop(function, None)
        for other in [f for f, waiting in self.waiting.items() if waiting and f != function]:
            self.passed[other] = self.passed[other] + Counter([function]) if other in servable else Counter()
            first = max(self.passed[other].values(), default=0)
            assert first <= 2 * FUNCTION_LIMIT, "each other function goes first with at most two turns"

    def take(self, data):
        return self.posted.pop(data.draw(st.integers(0, len(self.posted) - 1)))

    @precondition(lambda self: self.posted)
    @rule(data=st.data())
    def accept(self, data) -> None:
        function, _, sent_at = self.take(data)
        before = {window: self.size(window) for window in (None, function)}
        self.running.append(function)
        self.admission.accepted(function, self.now, sent_at)
        for window in (None, function):
            gauge, held = self.gauges[window], self.held(window)
            assert self.size(window) >= before[window], "an acceptance shrinks nothing"
            if sent_at < gauge.refused_at:
                assert self.size(window) == before[window], "a call that was sent before a refusal shows no room"
                continue
            gauge.refusals = 0
            if before[window] < self.limit(window) and held > gauge.proven:
                assert held + 1 <= self.size(window) or self.size(window) == self.limit(window)
                gauge.closed_until, gauge.tried_at, gauge.proven = -math.inf, None, held
                gauge.believed_at = -math.inf

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data) -> None:
        function = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.leave(function)

    def leave(self, function) -> None:
        self.admission.leave(function, self.now)
        for window in (None, function):
            self.gauges[window].closed_until = -math.inf

    @rule(function=functions)
    def adopt(self, function) -> None:
        self.running.append(function)
        self.admission.occupy(function)

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def merge(self, data) -> None:
        function = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.admission.vacate(function)

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), whole_project=st.booleans(), retry_after=st.none() | st.floats(0.1, 5.0))
    def reject(self, data, whole_project, retry_after) -> None:
        function, number, sent_at = self.take(data)
        full, other = (None, function) if whole_project else (function, None)
        before, jitter = self.size(full), data.draw(st.floats(1.0, 1.2))
        self.admission.rejected(
            function, self.now, sent_at, whole_project=whole_project, retry_after=retry_after, jitter=jitter
        )
        gauge = self.gauges[full]
        gauge.refusals += 1
        gauge.refused_at = max(gauge.refused_at, sent_at)
        gauge.tried_at, gauge.proven = None, self.held(full)
        if gauge.refusals >= 4 or retry_after is not None or self.now - gauge.believed_at <= 5.0:
            gauge.believed_at = self.now
            gauge.patience = jitter * (1.8 if retry_after is None else retry_after)
            gauge.closed_until = gauge.trial_at = self.now + gauge.patience
            assert self.size(full) <= before
        else:
            assert self.size(full) == before, "a few refusals are not believed"
        self.spare(other)
        self.requeue(function, number)

    @precondition(lambda self: self.posted)
    @rule(data=st.data(), again=st.booleans())
    def put_back(self, data, again) -> None:
        function, number, _ = self.take(data)
        self.admission.put_back(function)
        self.spare(function)
        self.spare(None)
        if again:
            self.requeue(function, number)

    def spare(self, window) -> None:
        """Let another call try a window of which nothing was learned."""
        gauge = self.gauges[window]
        if gauge.tried_at is not None:
            gauge.trial_at, gauge.tried_at = gauge.tried_at, None

    def requeue(self, function, number) -> None:
        self.waiting[function].add(number)
        self.admission.enqueue(function, number, (function, number))

    @rule(function=functions, data=st.data())
    def withdraw(self, function, data) -> None:
        number = data.draw(st.sampled_from([*sorted(self.waiting[function]), -1]))
        self.admission.withdraw(function, number)
        self.waiting[function].discard(number)
        if not self.waiting[function]:
            self.passed.pop(function, None)

    @rule(seconds=st.floats(0.01, 3.0))
    def pass_time(self, seconds) -> None:
        self.now += seconds

    @invariant()
    def counts_agree(self) -> None:
        assert self.admission.queued == sum(map(len, self.waiting.values()))
        assert self.admission.places == self.count()
        assert set(self.admission.functions) == {f for f, waiting in self.waiting.items() if waiting}
        for function in range(1, 5):
            waiting = sorted(self.waiting[function])
            assert self.admission.utilization(function) == (
                self.count(function) / FUNCTION_LIMIT,
                self.count() / PROJECT_LIMIT,
            )
            assert self.admission.first(function) == ((function, waiting[0]) if waiting else None)
            assert sorted(self.admission.waiting(function)) == [(function, number) for number in waiting]

    @invariant()
    def windows_within_limits(self) -> None:
        assert 1 <= self.admission.project_window <= PROJECT_LIMIT
        assert all(1 <= size <= FUNCTION_LIMIT for size in self.admission.function_windows.values())

    @invariant()
    def startable_is_what_windows_have_room_for(self) -> None:
        rooms = [min(len(waiting), self.room(f)) for f, waiting in self.waiting.items() if waiting]
        startable = min(sum(rooms), self.room(None))
        found = [self.admission.startable(self.now, most) for most in range(7)]
        assert found == [min(most, startable) for most in range(7)]

    def room(self, function: int | None) -> int:
        """How many places a window has free; none that is known of while it is closed."""
        if self.now < self.gauges[function].closed_until:
            return 0
        return max(0, self.size(function) - self.count(function))

    @invariant()
    def ends_are_awaited(self) -> None:
        for function in range(1, 5):
            waits = self.waiting[function] if self.room(None) else any(self.waiting.values())
            assert self.admission.awaits(function, self.now) is bool(waits)

    @invariant()
    def nothing_opens_by_itself_before_it_is_said(self) -> None:
        reopens_at = self.admission.reopens_at(self.now)
        assert reopens_at is None or reopens_at > self.now
        until = 1e9 if reopens_at is None else math.nextafter(reopens_at, 0.0)
        assert self.open_functions(until) == self.open_functions(self.now)

    def teardown(self) -> None:
        """Whatever happened, all that waits is served in the end, if the service accepts it and what runs ends."""
        rounds = 0
        while self.admission.queued or self.posted or self.running:
            rounds += 1
            assert rounds < 200, "calls wait and nothing starts"
            while (item := self.admission.admit(self.now, lambda _: True)) is not None:
                self.posted.append((*item, self.now))
            for function, _, sent_at in self.posted:
                self.admission.accepted(function, self.now, sent_at)
                self.running.append(function)
            self.posted.clear()
            while self.running:
                self.admission.leave(self.running.pop(), self.now)
            self.now = max(self.now, self.admission.reopens_at(self.now) or 0.0)
        assert self.admission.admit(self.now, lambda _: True) is None
        assert self.admission.places == 0


AdmissionMachine.TestCase.settings = settings(stateful_step_count=50)
TestAdmissionMachine = AdmissionMachine.TestCase


def admission(function_limit: int = 100, project_limit: int = 250) -> Admission[int]:
    return Admission(function_limit=function_limit, project_limit=project_limit)


def admit(queue: Admission[int], now: float = 0.0) -> int | None:
    return queue.admit(now, lambda _: True)


def admit_all(queue: Admission[int], now: float = 0.0) -> list[int]:
    return list(iter(lambda: admit(queue, now), None))


def accept_all(
    queue: Admission[int], function: int, count: int, now: float = 0.0, sent_at: float | None = None
) -> None:
    for _ in range(count):
        queue.accepted(function, now, now if sent_at is None else sent_at)


def fill(queue: Admission[int], function: int, count: int) -> None:
    """Queue calls of a function."""
    for number in range(queue.queued, queue.queued + count):
        queue.enqueue(function, number, number)


@given(st.lists(st.one_of(functions.map(lambda function: ("arrive", function)), st.sampled_from(["admit", "leave"]))))
def test_startable_is_what_admit_hands_out(steps) -> None:
    """However calls come, start and end: as many can start at once as are then handed out, while nothing is closed."""
    queue: Admission[int] = Admission(function_limit=FUNCTION_LIMIT, project_limit=PROJECT_LIMIT)
    running: list[int] = []
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            queue.enqueue(step[1], number, step[1])
        elif step == "admit" and (function := admit(queue)) is not None:
            queue.accepted(function, 0.0, 0.0)
            running.append(function)
        elif step == "leave" and running:
            queue.leave(running.pop(0), 0.0)
    startable = queue.startable(0.0, 1000)

    assert [queue.startable(0.0, most) for most in range(9)] == [min(most, startable) for most in range(9)]
    assert len(admit_all(queue)) == startable
    assert queue.startable(0.0, 1000) == 0


def test_startable_by_hand() -> None:
    """What can start at once is bound by what waits, by each function's window, by the project's, and by the asker."""
    queue = admission()
    assert queue.startable(0.0, 40) == 0
    for number in range(200):
        queue.enqueue(1, number, number)
    assert (queue.startable(0.0, 40), queue.startable(0.0, 1000)) == (40, 100)

    for number in range(200, 500):
        queue.enqueue(number % 3 + 1, number, number)
    assert queue.startable(0.0, 1000) == 250
    admit_all(queue)
    queue.leave(1, 0.0)
    assert queue.startable(0.0, 1000) == 1


def test_awaits_by_hand() -> None:
    """The end of a call is awaited in its own function's queue, and in any other's once the project is full."""
    queue = admission()
    for number in range(101):
        queue.enqueue(1, number, number)
    queue.enqueue(2, 101, 101)
    admit_all(queue)
    assert [queue.awaits(function, 0.0) for function in (1, 2, 3)] == [True, False, False]

    for number in range(102, 350):
        queue.enqueue(number % 2 + 2, number, number)
    admit_all(queue)
    assert queue.awaits(1, 0.0), "the project is full"
    queue.withdraw(1, 100)
    assert queue.awaits(1, 0.0), "others want its place"
    for number in range(102, 350):
        queue.withdraw(number % 2 + 2, number)
    assert [queue.awaits(function, 0.0) for function in (1, 2)] == [False, False]


@pytest.mark.parametrize("whole_project", [False, True])
def test_startable_after_a_refusal(whole_project) -> None:
    """Nothing can be counted on while a window is closed; when its time has come one tries, and others follow it."""
    queue = admission()
    fill(queue, 1, 10)
    admit(queue)
    admit(queue)
    queue.accepted(1, 0.0, 0.0)
    queue.rejected(1, 0.0, 0.0, whole_project=whole_project, retry_after=1.0)
    assert queue.startable(0.9, 1000) == 0

    assert admit(queue, 2.0) is not None
    assert admit(queue, 2.0) is None
    assert queue.startable(2.0, 1000) == 0
    queue.accepted(1, 2.1, 2.0)
    assert queue.startable(2.1, 1000) == len(admit_all(queue, 2.1)) == 1


def test_limits_bind() -> None:
    """Of two functions with more calls than may run, each runs its 100, and of three all run the project's 250."""
    queue = admission()
    for number in range(600):
        queue.enqueue(number % 2, number, number)
    assert Counter(n % 2 for n in admit_all(queue)) == {0: 100, 1: 100}

    for number in range(600, 900):
        queue.enqueue(2, number, number)
    assert len(admit_all(queue)) == 50


def test_one_slow_giant_does_not_starve_the_small() -> None:
    """A function with a thousand calls in the queue takes every second free place, not all of them."""
    queue = admission(function_limit=1000, project_limit=1)
    for number in range(1000):
        queue.enqueue(1, number, number)
    served = [admit(queue)]
    for number in range(2000, 2003):
        queue.enqueue(2, number, number)
    for _ in range(6):
        queue.leave(1 if served[-1] < 2000 else 2, 0.0)
        served.append(admit(queue))

    assert served[1:] in ([1, 2000, 2, 2001, 3, 2002], [2000, 1, 2001, 2, 2002, 3])


def test_functions_take_turns_of_as_many_calls_as_they_may_run() -> None:
    """Few functions run at a time, to need few polls: each starts a window full before the next does."""
    queue = admission(function_limit=4, project_limit=8)
    for number in range(60):
        queue.enqueue(number % 3, number, number)
    served = admit_all(queue)
    while queue.queued:
        queue.leave(served[len(served) - 8] % 3, 0.0)
        served.append(admit(queue))

    functions = [number % 3 for number in served]
    assert functions[:24] == [0] * 4 + [1] * 4 + [2] * 4 + [0] * 4 + [1] * 4 + [2] * 4
    assert [number for number in served if number % 3 == 1] == list(range(1, 60, 3))


def test_newcomer_comes_first_once_a_round() -> None:
    """A lone call does not wait for the turns of others, unless its function had a turn since they had theirs."""
    queue = admission(function_limit=4, project_limit=8)
    for number in range(100):
        queue.enqueue(number % 2, number, number)
    admit_all(queue)
    queue.leave(0, 0.0)
    for number in (1000, 1001, 1002, 1003):
        queue.enqueue(2, number, number)
        assert admit(queue) == number
        queue.leave(2, 0.0)
    queue.enqueue(2, 1004, 1004)
    served = [admit(queue)]
    for number in range(8):
        queue.leave(number % 2, 0.0)
        served.append(admit(queue))

    assert 0 < served.index(1004) <= 8, "those that wait have their turns before"


@pytest.mark.parametrize("others", [1, 5, 20])
def test_newcomers_starve_nobody(others) -> None:
    """However many functions come anew whenever a place is free, one that waits has its turn in each round."""
    queue = admission(function_limit=4, project_limit=8)
    for number in range(1000):
        queue.enqueue(0, number, 0)
    running = admit_all(queue)
    while len(running) < 8:
        queue.enqueue(1, 1000 + len(running), 1)
        running.append(admit(queue))
    served = []
    for number in range(2000, 4000):
        ended = running.pop(0)
        queue.leave(ended, 0.0)
        newcomer = number % others + 1
        queue.enqueue(newcomer, number, newcomer)
        running.append(admit(queue))
        served.append(running[-1])

    waits = [len(list(group)) for function, group in groupby(served) if function != 0]
    assert max(waits) <= 2 * 4 * others
    assert served.count(0) >= 1000 / (others + 1)


@pytest.mark.parametrize("newcomers", [False, True])
def test_function_that_is_not_permitted_keeps_its_place(newcomers) -> None:
    """Others pass a function that may not start for reasons beside the windows; when it may, it is the first again."""
    queue = admission(function_limit=2, project_limit=100)
    for function in (1, 2, 3):
        queue.enqueue(function, 10 * function, 10 * function)
    if not newcomers:
        for function in (1, 2, 3):
            for number in range(1, 5):
                queue.enqueue(function, 10 * function + number, 10 * function + number)
        for started in admit_all(queue):
            queue.leave(started // 10, 0.0)
    order = queue.functions
    held = order[0]
    others = [queue.admit(0.0, lambda function: function != held) for _ in range(2 if newcomers else 3)]

    assert held not in {number // 10 for number in others}
    assert queue.functions[0] == held
    assert admit(queue) // 10 == held


def test_nothing_starts_that_is_not_permitted() -> None:
    """Where no function may start, nothing does, and nothing is lost."""
    queue = admission()
    fill(queue, 1, 3)

    assert queue.admit(0.0, lambda _: False) is None
    assert (queue.queued, queue.places) == (3, 0)
    assert admit_all(queue) == [0, 1, 2]


def test_refused_call_keeps_its_place() -> None:
    """A call that the service turned away is the next of its function again, before those that came later."""
    queue = admission()
    for number in (1, 2, 3):
        queue.enqueue(7, number, number)
    assert (admit(queue), admit(queue)) == (1, 2)
    queue.rejected(7, 0.0, 0.0, whole_project=False, retry_after=5.0)
    queue.enqueue(7, 1, 1)

    assert queue.first(7) == 1
    assert admit(queue, 4.9) is None
    assert queue.reopens_at(4.9) == 5.0
    assert admit_all(queue, 5.0) == [1]


def test_an_end_reopens_at_once() -> None:
    """A closed window does not wait for its time when a call ends: there is a free place."""
    queue = admission()
    fill(queue, 7, 3)
    admit(queue)
    admit(queue)
    queue.accepted(7, 0.0, 0.0)
    queue.rejected(7, 0.0, 0.0, whole_project=True, retry_after=60.0)
    assert admit(queue, 0.1) is None
    queue.leave(7, 0.1)

    assert admit(queue, 0.1) == 2
    assert admit(queue, 0.1) is None


def test_one_closed_function_leaves_the_others_alone() -> None:
    """What the service says of one function closes that one only; what it says of the project closes all."""
    queue = admission()
    queue.enqueue(1, 1, 1)
    admit(queue)
    queue.rejected(1, 0.0, 0.0, whole_project=False, retry_after=9.0)
    queue.enqueue(1, 1, 1)
    queue.enqueue(2, 2, 2)
    assert admit_all(queue) == [2]

    queue.rejected(2, 0.0, 0.0, whole_project=True, retry_after=5.0)
    queue.enqueue(2, 2, 2)
    queue.enqueue(3, 3, 3)
    assert admit_all(queue, 4.9) == []
    assert admit_all(queue, 5.0) == [2]


def test_one_tries_each_time_a_window_reopens() -> None:
    """Others' calls end unseen: while ours run on, one may try whenever the window reopens, until one is accepted."""
    queue = admission()
    fill(queue, 1, 100)
    admit_all(queue)
    accept_all(queue, 1, 20)
    for number in range(99, 19, -1):
        queue.rejected(1, 0.0, 0.0, whole_project=False)
        queue.enqueue(1, number, number)
    tried = {}
    for now in (1.7, 1.8, 3.5, 3.6, 5.4):
        tried[now] = admit_all(queue, now)
        for number in tried[now]:
            queue.rejected(1, now, now, whole_project=False)
            queue.enqueue(1, number, number)

    assert tried == {1.7: [], 1.8: [20], 3.5: [], 3.6: [20], 5.4: [20]}
    assert admit_all(queue, 7.2) == [20]
    queue.accepted(1, 7.3, 7.2)
    assert admit_all(queue, 7.3) == [21], "at once, and two after it"
    queue.accepted(1, 7.4, 7.3)
    assert admit_all(queue, 7.4) == [22, 23]


@pytest.mark.parametrize("whole_project", [False, True])
def test_call_that_fails_otherwise_lets_another_try(whole_project) -> None:
    """A call that tries a closed window and is refused for another reason proves nothing: the next may try."""
    queue = admission()
    fill(queue, 1, 3)
    admit(queue)
    queue.rejected(1, 0.0, 0.0, whole_project=whole_project, retry_after=600.0)
    assert (admit(queue, 599.0), admit(queue, 600.0), admit(queue, 600.0)) == (None, 1, None)
    queue.put_back(1)
    assert (admit(queue, 601.0), admit(queue, 601.0)) == (2, None)


def test_full_function_leaves_the_projects_trial_to_others() -> None:
    """What is learned of one function by trying the project leaves the project to be tried by another's call."""
    queue = admission()
    for number, function in enumerate((1, 1, 2)):
        queue.enqueue(function, number, number)
    admit(queue)
    queue.rejected(1, 0.0, 0.0, whole_project=True, retry_after=60.0)
    assert admit(queue, 60.0) == 1
    queue.rejected(1, 60.0, 60.0, whole_project=False, retry_after=60.0)

    assert (admit(queue, 60.0), admit(queue, 60.0)) == (2, None)


def test_burst_of_refusals_shrinks_a_window_once() -> None:
    """Sixteen answers 429 within a second are one piece of news: a tenth less, of what the service has accepted."""
    queue = admission()
    fill(queue, 1, 100)
    admit_all(queue)
    accept_all(queue, 1, 80)
    for moment in range(16):
        queue.rejected(1, moment / 100, 0.0, whole_project=False)
    assert queue.function_windows == {1: 72}

    queue.rejected(1, 1.5, 0.0, whole_project=False)
    assert queue.function_windows == {1: int(72 * 0.9)}
    assert queue.project_window == 250


def test_what_ran_a_moment_ago_counts() -> None:
    """Refusals that come while calls end are held against what ran at most in the last second, not what is left of it."""
    queue = admission()
    fill(queue, 1, 100)
    admit_all(queue)
    accept_all(queue, 1, 80, 10.0)
    for _ in range(40):
        queue.leave(1, 10.5)
    for _ in range(4):
        queue.rejected(1, 10.6, 10.0, whole_project=False)

    assert queue.function_windows == {1: 72}


def test_a_few_refusals_among_acceptances_say_nothing() -> None:
    """Places that others take and leave again make for a refusal now and then: neither size nor openness suffers."""
    queue = admission()
    fill(queue, 1, 1000)
    admit_all(queue)
    accept_all(queue, 1, 60)
    for step in range(1, 30):
        for _ in range(3):
            queue.rejected(1, step / 10, step / 10, whole_project=False)
            assert queue.function_windows == {1: 100}
            assert admit(queue, step / 10) is not None, "it stays open"
        queue.accepted(1, step / 10, step / 10)

    assert queue.places == 100


def test_a_late_acceptance_is_no_news() -> None:
    """A call that was sent before the last refusal, and accepted after it, does not end a row of refusals."""
    queue = admission()
    fill(queue, 1, 100)
    admit_all(queue)
    accept_all(queue, 1, 50)
    for _ in range(3):
        queue.rejected(1, 1.0, 0.5, whole_project=False)
    queue.accepted(1, 1.0, 0.4)
    queue.rejected(1, 1.0, 0.5, whole_project=False)

    assert admit(queue, 1.0) is None
    assert queue.function_windows == {1: int(51 * 0.9)}


def test_window_shrinks_to_one_at_the_least() -> None:
    """However often we are turned away while others fill the limits, one call may try."""
    queue = admission()
    for second in range(0, 200, 2):
        queue.enqueue(1, second, second)
        assert admit(queue, second) is not None
        queue.rejected(1, second, second, whole_project=True)

    assert queue.project_window == 1


def squeezed(window: Window, held: int, now: float = 0.0) -> Window:
    """Let a window start all it may; the service accepts the given number and refuses the others."""
    count = 0
    while window.is_open(now):
        window.take(now)
        count += 1
    for _ in range(held):
        window.accepted(now, now)
    for _ in range(count - held):
        window.rejected(now, now, retry_after=None, jitter=1.0)
    return window


@pytest.mark.parametrize("held", [1, 10, 50])
def test_window_recovers_when_others_leave(held) -> None:
    """A window that others had squeezed is back at its limit without an end of ours, by doubling, in a dozen round trips."""
    window, now, rounds = squeezed(Window(limit=100), held), 1.8, []
    while window.size < window.limit and len(rounds) < 50:
        started = 0
        while window.is_open(now):
            window.take(now)
            started += 1
        assert window.running - window.held <= 16, "no more at once than are tried"
        rounds.append(started)
        for _ in range(started):
            window.accepted(now + 0.1, now)
        now += 0.1

    assert rounds[0] == 1
    assert all(later <= 2 * before for before, later in pairwise(rounds))
    assert len(rounds) <= 12
    assert now <= 1.8 + 12 * 0.1


@pytest.mark.parametrize("free", [0, 1, 5, 30, 60])
def test_trials_overshoot_little(free) -> None:
    """Where a few of others' calls have ended, as many more run, and no more than sixteen are refused for it."""
    window, now, refused = squeezed(Window(limit=100), 20), 1.8, 0
    for _ in range(20):
        started = 0
        while window.is_open(now):
            window.take(now)
            started += 1
        for _ in range(started):
            if window.held < 20 + free:
                window.accepted(now + 0.1, now)
            else:
                window.rejected(now + 0.1, now, retry_after=None, jitter=1.0)
                refused += 1
        now += 0.1

    assert window.held == 20 + free
    assert refused <= max(4, min(16, free) + 4)


def test_window_grows_with_the_ends_of_calls() -> None:
    """An end of ours shows a free place: it may be taken though trials are far off, and with it the window grows by one."""
    window = Window(limit=100)
    for _ in range(50):
        window.take(0.0)
    for _ in range(46):
        window.accepted(0.0, 0.0)
    for _ in range(4):
        window.rejected(0.0, 0.0, retry_after=3600.0, jitter=1.0)
    assert (int(window.size), window.room(10.0), window.is_open(10.0)) == (41, 0, False)

    sizes = []
    for _ in range(10):
        window.ended(10.0)
        sizes.append(int(window.size))
    assert sizes == list(range(42, 52))
    assert window.room(10.0) == 51 - 36
    assert window.is_open(10.0)


def test_window_grows_with_the_time_since_the_last_refusal() -> None:
    """Soon after a refusal a window hardly grows, so that clients who share a limit seldom collide; later it hurries."""
    window = squeezed(Window(limit=100), 90)
    before, sizes = int(window.size), []
    for now in (0.5, 6.0):
        for _ in range(5):
            window.ended(now)
        sizes.append(int(window.size) - before)

    assert sizes == [0, 5]


def test_unused_window_does_not_grow() -> None:
    """Ends of a few calls say nothing of how many might run."""
    window = squeezed(Window(limit=100), 90)
    for _ in range(90):
        window.ended(1.0)
    before = window.size
    for _ in range(50):
        window.take(1.5)
        window.accepted(1.5, 1.5)
        window.ended(1.5)

    assert window.size == before


@pytest.mark.parametrize(("retry_after", "wait"), [(None, 1.8), (0.5, 0.5), (30.0, 30.0), (1e9, 3600.0)])
@pytest.mark.parametrize("jitter", [1.0, 1.2])
def test_closed_as_long_as_asked(retry_after, wait, jitter) -> None:
    """A closed window waits as long as the service requests, up to an hour, or else a little under two seconds."""
    window = Window(limit=10)
    for _ in range(10):
        window.take(0.0)
    for _ in range(4):
        window.rejected(0.0, 0.0, retry_after=retry_after, jitter=jitter)

    assert window.opens_at(0.0) == pytest.approx(wait * jitter)
    assert not window.is_open(wait * jitter - 0.01)
    assert window.is_open(wait * jitter)


def test_one_word_of_retry_after_is_believed() -> None:
    """A refusal that says how long to wait closes the window though it is the first."""
    window = Window(limit=10)
    window.take(0.0)
    window.rejected(0.0, 0.0, retry_after=2.0, jitter=1.0)

    assert not window.is_open(1.9)


def test_full_window_opens_with_an_end_alone() -> None:
    """Where as many run as the limit allows, time changes nothing."""
    window = Window(limit=2)
    window.take(0.0)
    window.take(0.0)

    assert (window.is_open(99.0), window.opens_at(99.0), window.room(99.0)) == (False, None, 0)


def test_adopted_calls_take_places() -> None:
    """A call that was attached to takes a place like any other, and gives it back when it turns out to be counted already."""
    queue = admission(function_limit=2, project_limit=3)
    fill(queue, 1, 3)
    queue.occupy(1)
    assert (queue.places, queue.utilization(1)) == (1, (0.5, 1 / 3))
    assert admit_all(queue) == [0]

    queue.accepted(1, 0.0, 0.0)
    queue.vacate(1)
    assert (queue.places, queue.utilization(1)) == (1, (0.5, 1 / 3))
    assert admit_all(queue) == [1]
    assert queue.utilization(2) == (0.0, 2 / 3)


def test_withdrawn_and_queued_again() -> None:
    """A number that left and came back is served once."""
    queue = admission()
    queue.enqueue(1, 1, 1)
    queue.enqueue(1, 2, 2)
    queue.withdraw(1, 1)
    assert (queue.first(1), queue.waiting(1)) == (2, [2])
    queue.enqueue(1, 1, 1)

    assert queue.first(1) == 1
    assert admit_all(queue) == [1, 2]


def test_windows_of_many_functions() -> None:
    """Thousands of functions, each called once, are not all kept; one that was refused is, for its window is news."""
    queue = admission()
    queue.enqueue(0, 0, 0)
    admit(queue)
    queue.rejected(0, 0.0, 0.0, whole_project=False, retry_after=1.0)
    for function in range(1, 5000):
        queue.enqueue(function, function, function)
        admit(queue)
        queue.accepted(function, 0.0, 0.0)
        queue.leave(function, 0.0)

    assert len(queue.function_windows) <= 1001
    assert queue.function_windows[0] == 1


def test_twenty_thousand_calls_of_two_hundred_functions() -> None:
    """Queueing, starting and ending 20,000 calls costs well under a second of processor time on an idle machine."""
    queue = admission()
    started = time.process_time()
    for number in range(20_000):
        queue.enqueue(number % 200, number, number)
    served: list[int] = []
    while batch := admit_all(queue):
        for number in batch:
            queue.accepted(number % 200, 0.0, 0.0)
            queue.leave(number % 200, 0.0)
        served += batch
    spent = time.process_time() - started

    assert sorted(served) == list(range(20_000))
    assert spent < 3.0, f"{spent:.2f} s; a busy machine may take a few times the usual 0.1 s"
