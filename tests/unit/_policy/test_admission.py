from __future__ import annotations

import time
from collections import Counter, defaultdict
from itertools import groupby

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from aiocdf._policy.admission import Admission

FUNCTION_LIMIT, PROJECT_LIMIT = 3, 5
functions = st.integers(1, 4)


class AdmissionMachine(RuleBasedStateMachine):
    """Any order of arrivals, starts, ends, refusals and withdrawals, held against a plain model."""

    def __init__(self) -> None:
        super().__init__()
        self.admission: Admission[tuple[int, int]] = Admission(
            function_limit=FUNCTION_LIMIT, project_limit=PROJECT_LIMIT
        )
        self.now = 100.0
        self.number = 0
        self.waiting: defaultdict[int, set[int]] = defaultdict(set)
        self.running: list[tuple[int, int]] = []
        self.strangers: Counter[int] = Counter()
        #: None stands for the project.
        self.closed_until: defaultdict[int | None, float] = defaultdict(float)
        self.patience: dict[int | None, float] = {}
        #: When a closed window was tried by a call of which nothing has been told since.
        self.tried_at: dict[int | None, float] = {}
        #: How often others were served since a function that could have been was.
        self.passed: defaultdict[int, Counter[int]] = defaultdict(Counter)

    def count(self, function: int | None = None) -> int:
        running = [f for f, _ in self.running] + list(self.strangers.elements())
        return len(running) if function is None else running.count(function)

    def open(self, function: int | None) -> bool:
        """Whether a window has a free place, or one may try for it, by the policy's sizes and by our own counts."""
        limit = PROJECT_LIMIT if function is None else FUNCTION_LIMIT
        if self.now < self.closed_until[function] or self.count(function) >= limit:
            return False
        return self.count(function) < self.size(function) or self.closed_until[function] > 0

    def size(self, function: int | None) -> int:
        return self.admission.project_window if function is None else self.admission.function_windows[function]

    def servable(self) -> set[int]:
        return {f for f, waiting in self.waiting.items() if waiting and self.open(f)} if self.open(None) else set()

    @rule(function=functions)
    def arrive(self, function) -> None:
        self.number += 1
        self.waiting[function].add(self.number)
        self.admission.enqueue(function, self.number, (function, self.number))

    @rule()
    def admit(self) -> None:
        servable = self.servable()
        item = self.admission.admit(self.now)
        if item is None:
            assert not servable
            return
        function, number = item
        assert function in servable
        assert number == min(self.waiting[function]), "first come, first served"
        self.waiting[function].remove(number)
        self.running.append(item)
        for window in (None, function):
            if self.closed_until[window]:
                self.closed_until[window] = self.now + self.patience[window]
                self.tried_at[window] = self.now
        self.passed.pop(function, None)
        for other in [f for f, waiting in self.waiting.items() if waiting and f != function]:
            self.passed[other] = self.passed[other] + Counter([function]) if other in servable else Counter()
            first = max(self.passed[other].values(), default=0)
            assert first <= 2 * FUNCTION_LIMIT, "each other function goes first with two turns at the most"

    @precondition(lambda self: self.running)
    @rule(data=st.data())
    def end(self, data) -> None:
        function, _ = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.leave(function)

    @rule(function=functions)
    def adopt(self, function) -> None:
        self.strangers[function] += 1
        self.admission.occupy(function)

    @precondition(lambda self: self.strangers.total())
    @rule(data=st.data())
    def end_adopted(self, data) -> None:
        function = data.draw(st.sampled_from(sorted(self.strangers.elements())))
        self.strangers[function] -= 1
        self.leave(function)

    def leave(self, function) -> None:
        self.admission.leave(function, self.now)
        for window in (None, function):
            self.closed_until[window] = 0.0
            self.tried_at.pop(window, None)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), whole_project=st.booleans(), seconds=st.floats(0.1, 5.0))
    def refuse(self, data, whole_project, seconds) -> None:
        function, number = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        reopen = self.now + seconds
        self.admission.turned_away(function, self.now, whole_project=whole_project, reopen=reopen)
        self.give_back(function)
        self.closed_until[None if whole_project else function] = reopen
        self.patience[None if whole_project else function] = reopen - self.now
        self.requeue(function, number)

    @precondition(lambda self: self.running)
    @rule(data=st.data(), again=st.booleans())
    def put_back(self, data, again) -> None:
        function, number = self.running.pop(data.draw(st.integers(0, len(self.running) - 1)))
        self.admission.put_back(function)
        self.give_back(function)
        if again:
            self.requeue(function, number)

    def give_back(self, function) -> None:
        for window in (None, function):
            self.closed_until[window] = self.tried_at.pop(window, self.closed_until[window])

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
        for function in self.admission.function_windows:
            assert self.admission.use(function) == (
                self.count(function) / FUNCTION_LIMIT,
                self.count() / PROJECT_LIMIT,
            )

    @invariant()
    def windows_within_limits(self) -> None:
        assert 1 <= self.admission.project_window <= PROJECT_LIMIT
        assert all(1 <= size <= FUNCTION_LIMIT for size in self.admission.function_windows.values())

    @invariant()
    def startable_is_what_windows_have_room_for(self) -> None:
        rooms = [min(len(waiting), self.room(f)) for f, waiting in self.waiting.items() if waiting]
        startable = min(sum(rooms), self.room(None))
        assert [self.admission.startable(most) for most in range(7)] == [min(most, startable) for most in range(7)]

    def room(self, function: int | None) -> int:
        """How many places a window has free; none that is known of, from a refusal until a call ends."""
        return 0 if self.closed_until[function] else max(0, self.size(function) - self.count(function))

    @invariant()
    def reopening_is_the_next_closed_window(self) -> None:
        waiting = [f for f, numbers in self.waiting.items() if numbers]
        closed = [self.closed_until[f] for f in [None, *waiting] if self.closed_until[f] > self.now]
        assert self.admission.reopens_at(self.now) == (min(closed, default=None) if waiting else None)

    def teardown(self) -> None:
        """Whatever happened, all that waits is served in the end, if what runs ends."""
        self.now = max([self.now, *self.closed_until.values()])
        for function in self.strangers.elements():
            self.leave(function)
        self.strangers.clear()
        while any(self.waiting.values()):
            while self.servable():
                self.admit()
            for function, _ in self.running:
                self.leave(function)
            self.running.clear()
        assert self.admission.admit(self.now) is None


AdmissionMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestAdmissionMachine = AdmissionMachine.TestCase


def admission(function_limit: int = 100, project_limit: int = 250) -> Admission[int]:
    return Admission(function_limit=function_limit, project_limit=project_limit)


def admit_all(queue: Admission[int], now: float = 0.0) -> list[int]:
    return list(iter(lambda: queue.admit(now), None))


@given(st.lists(st.one_of(functions.map(lambda function: ("arrive", function)), st.sampled_from(["admit", "leave"]))))
def test_startable_is_what_admit_hands_out(steps) -> None:
    """However calls come, start and end: as many can start at once as are then handed out, while nothing is closed."""
    queue: Admission[int] = Admission(function_limit=FUNCTION_LIMIT, project_limit=PROJECT_LIMIT)
    running: list[int] = []
    for number, step in enumerate(steps):
        if isinstance(step, tuple):
            queue.enqueue(step[1], number, step[1])
        elif step == "admit" and (function := queue.admit(0.0)) is not None:
            running.append(function)
        elif step == "leave" and running:
            queue.leave(running.pop(0), 0.0)
    startable = queue.startable(1000)

    assert [queue.startable(most) for most in range(9)] == [min(most, startable) for most in range(9)]
    assert len(admit_all(queue)) == startable
    assert queue.startable(1000) == 0


def test_startable_by_hand() -> None:
    """What can start at once is bound by what waits, by each function's window, by the project's, and by the asker."""
    queue = admission()
    assert queue.startable(40) == 0
    for number in range(200):
        queue.enqueue(1, number, number)
    assert (queue.startable(40), queue.startable(1000)) == (40, 100)

    for number in range(200, 500):
        queue.enqueue(number % 3 + 1, number, number)
    assert queue.startable(1000) == 250
    admit_all(queue)
    queue.leave(1, 0.0)
    assert queue.startable(1000) == 1


def test_awaits_by_hand() -> None:
    """The end of a call is awaited in its own function's queue, and in any other's once the project is full."""
    queue = admission()
    for number in range(101):
        queue.enqueue(1, number, number)
    queue.enqueue(2, 101, 101)
    admit_all(queue)
    assert (queue.awaits(1), queue.awaits(2), queue.awaits(3)) == (True, False, False)

    for number in range(102, 350):
        queue.enqueue(number % 2 + 2, number, number)
    admit_all(queue)
    assert queue.awaits(1), "the project is full"
    queue.withdraw(1, 100)
    assert queue.awaits(1), "others want its place"
    for number in range(102, 350):
        queue.withdraw(number % 2 + 2, number)
    assert (queue.awaits(1), queue.awaits(2)) == (False, False)


@pytest.mark.parametrize("whole_project", [False, True])
def test_startable_after_a_refusal(whole_project) -> None:
    """Nothing can be counted on from a refusal until a call ends, though one may try when the time has come."""
    queue = admission()
    for number in range(10):
        queue.enqueue(1, number, number)
    queue.admit(0.0)
    queue.admit(0.0)
    queue.turned_away(1, 0.0, whole_project=whole_project, reopen=1.0)
    assert queue.startable(1000) == 0

    assert queue.admit(2.0) is not None
    assert queue.startable(1000) == 0
    queue.leave(1, 2.0)
    assert queue.startable(1000) == len(admit_all(queue, 2.0))


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
    served = [queue.admit(0.0)]
    for number in range(2000, 2003):
        queue.enqueue(2, number, number)
    for _ in range(6):
        queue.leave(1 if served[-1] < 2000 else 2, 0.0)
        served.append(queue.admit(0.0))

    assert served[1:] in ([1, 2000, 2, 2001, 3, 2002], [2000, 1, 2001, 2, 2002, 3])


def test_functions_take_turns_of_as_many_calls_as_they_may_run() -> None:
    """Few functions run at a time, so that few polls ask after them: each starts a window full before the next does."""
    queue = admission(function_limit=4, project_limit=8)
    for number in range(60):
        queue.enqueue(number % 3, number, number)
    served = admit_all(queue)
    while queue.queued:
        queue.leave(served[len(served) - 8] % 3, 0.0)
        served.append(queue.admit(0.0))

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
        assert queue.admit(0.0) == number
        queue.leave(2, 0.0)
    queue.enqueue(2, 1004, 1004)
    served = [queue.admit(0.0)]
    for number in range(8):
        queue.leave(number % 2, 0.0)
        served.append(queue.admit(0.0))

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
        running.append(queue.admit(0.0))
    served = []
    for number in range(2000, 4000):
        ended = running.pop(0)
        queue.leave(ended, 0.0)
        newcomer = number % others + 1
        queue.enqueue(newcomer, number, newcomer)
        running.append(queue.admit(0.0))
        served.append(running[-1])

    waits = [len(list(group)) for function, group in groupby(served) if function != 0]
    assert max(waits) <= 2 * 4 * others
    assert served.count(0) >= 1000 / (others + 1)


def test_refused_call_keeps_its_place() -> None:
    """A call that the service turned away is the next of its function again, before those that came later."""
    queue = admission()
    for number in (1, 2, 3):
        queue.enqueue(7, number, number)
    assert (queue.admit(0.0), queue.admit(0.0)) == (1, 2)
    queue.turned_away(7, 0.0, whole_project=False, reopen=5.0)
    queue.enqueue(7, 1, 1)

    assert queue.admit(4.9) is None
    assert queue.reopens_at(4.9) == 5.0
    assert admit_all(queue, 5.0) == [1]


def test_an_end_reopens_at_once() -> None:
    """A closed window does not wait for its time when a call ends: there is a free place."""
    queue = admission()
    for number in (1, 2, 3):
        queue.enqueue(7, number, number)
    queue.admit(0.0)
    queue.admit(0.0)
    queue.turned_away(7, 0.0, whole_project=True, reopen=60.0)
    queue.leave(7, 0.1)

    assert queue.admit(0.1) == 3


def test_one_closed_function_leaves_the_others_alone() -> None:
    """What the service says of one function closes that one only; what it says of the project closes all."""
    queue = admission()
    queue.enqueue(1, 1, 1)
    queue.admit(0.0)
    queue.turned_away(1, 0.0, whole_project=False, reopen=9.0)
    queue.enqueue(1, 1, 1)
    queue.enqueue(2, 2, 2)
    assert admit_all(queue) == [2]

    queue.turned_away(2, 0.0, whole_project=True, reopen=5.0)
    queue.enqueue(2, 2, 2)
    queue.enqueue(3, 3, 3)
    assert admit_all(queue, 4.9) == []
    assert admit_all(queue, 5.0) == [2]


def test_one_tries_each_time_a_window_reopens() -> None:
    """Others' calls end unseen: while ours run on, one may try whenever the window reopens, up to the limit."""
    queue = admission(function_limit=5)
    for number in range(9):
        queue.enqueue(1, number, number)
    admit_all(queue)
    for number in (4, 3, 2):
        queue.turned_away(1, 0.0, whole_project=False, reopen=2.0)
        queue.enqueue(1, number, number)
    started = {now: admit_all(queue, now) for now in (1.9, 2.0, 3.9, 4.0, 6.0, 8.0)}

    assert started == {1.9: [], 2.0: [2], 3.9: [], 4.0: [3], 6.0: [4], 8.0: []}


@pytest.mark.parametrize("whole_project", [False, True])
def test_call_that_fails_otherwise_lets_another_try(whole_project) -> None:
    """A call that tries a closed window and is refused for its own sake tells nothing of the window: the next may try."""
    queue = admission()
    for number in range(3):
        queue.enqueue(1, number, number)
    queue.admit(0.0)
    queue.turned_away(1, 0.0, whole_project=whole_project, reopen=600.0)
    assert (queue.admit(599.0), queue.admit(600.0), queue.admit(600.0)) == (None, 1, None)
    queue.put_back(1)
    assert (queue.admit(601.0), queue.admit(601.0)) == (2, None)


def test_full_function_leaves_the_projects_trial_to_others() -> None:
    """What is learned of one function by trying the project leaves the project to be tried by another's call."""
    queue = admission()
    for number, function in enumerate((1, 1, 2)):
        queue.enqueue(function, number, number)
    queue.admit(0.0)
    queue.turned_away(1, 0.0, whole_project=True, reopen=60.0)
    assert queue.admit(60.0) == 1
    queue.turned_away(1, 60.0, whole_project=False, reopen=120.0)

    assert (queue.admit(60.0), queue.admit(60.0)) == (2, None)


def test_burst_of_refusals_shrinks_a_window_once() -> None:
    """Sixteen answers 429 within a second are one piece of news: a tenth less, of what was running."""
    queue = admission()
    for number in range(100):
        queue.enqueue(1, number, number)
    admit_all(queue)
    for moment in range(16):
        queue.turned_away(1, moment / 100, whole_project=False, reopen=1.0)
    assert queue.function_windows == {1: 90}

    queue.turned_away(1, 1.5, whole_project=False, reopen=2.0)
    assert queue.function_windows == {1: int(84 * 0.9)}
    assert queue.project_window == 250


def test_window_shrinks_to_one_at_the_least() -> None:
    """However often we are turned away while others fill the limits, one call may try."""
    queue = admission()
    for second in range(0, 200, 2):
        queue.enqueue(1, second, second)
        assert queue.admit(second) is not None
        queue.turned_away(1, second, whole_project=True, reopen=second + 1)

    assert queue.project_window == 1


@pytest.mark.parametrize("whole_project", [False, True])
def test_window_recovers_after_others_leave(whole_project) -> None:
    """A window that others had squeezed to almost nothing is back at its limit after about as many ends as it grew."""
    queue = admission(project_limit=100)
    for second in range(0, 100, 2):
        queue.enqueue(1, second, second)
        queue.admit(second)
        queue.turned_away(1, second, whole_project=whole_project, reopen=second + 1)
        queue.withdraw(1, second)
    assert min(queue.project_window, queue.function_windows[1]) == 1

    for number in range(1000, 1400):
        queue.enqueue(1, number, number)
    ends = 0
    running = len(admit_all(queue, 200.0))
    while min(queue.project_window, queue.function_windows[1]) < 100:
        queue.leave(1, 200.0)
        ends += 1
        running += len(admit_all(queue, 200.0)) - 1
    assert 98 <= ends <= 110
    assert running == 100


def test_window_grows_with_the_time_since_the_last_refusal() -> None:
    """Soon after a refusal a window hardly grows, so that clients who share a limit seldom collide; later it hurries."""
    queue = admission()
    for number in range(300):
        queue.enqueue(1, number, number)
    admit_all(queue)
    queue.turned_away(1, 0.0, whole_project=False, reopen=1.0)
    squeezed = queue.function_windows[1]
    sizes = []
    for now in (0.5, 6.0):
        for _ in range(5):
            queue.leave(1, now)
            admit_all(queue, now)
        sizes.append(queue.function_windows[1] - squeezed)

    assert sizes == [0, 5]


def test_unused_window_does_not_grow() -> None:
    """Ends of a few calls say nothing of how many might run."""
    queue = admission()
    for number in range(100):
        queue.enqueue(1, number, number)
    admit_all(queue)
    queue.turned_away(1, 0.0, whole_project=False, reopen=1.0)
    for _ in range(99):
        queue.leave(1, 10.0)
    before = queue.function_windows[1]
    for number in range(50):
        queue.enqueue(1, number, number)
        queue.admit(10.0)
        queue.leave(1, 10.0)

    assert queue.function_windows[1] == before


def test_withdrawn_and_queued_again() -> None:
    """A number that left and came back is served once."""
    queue = admission()
    queue.enqueue(1, 1, 1)
    queue.enqueue(1, 2, 2)
    queue.withdraw(1, 1)
    queue.enqueue(1, 1, 1)

    assert admit_all(queue) == [1, 2]


def test_twenty_thousand_calls_of_two_hundred_functions() -> None:
    """Queueing, starting and ending 20,000 calls costs well under a second of processor time on an idle machine."""
    queue = admission()
    started = time.process_time()
    for number in range(20_000):
        queue.enqueue(number % 200, number, number)
    served: list[int] = []
    while batch := admit_all(queue):
        for number in batch:
            queue.leave(number % 200, 0.0)
        served += batch
    spent = time.process_time() - started

    assert sorted(served) == list(range(20_000))
    assert spent < 3.0, f"{spent:.2f} s; a busy machine may take a few times the usual 0.1 s"
