"""When to poll calls: our schedule compared with simpler rules, in simulated time. Run it to print the tables.

Nothing is measured here: calls, answers and clocks are arithmetic. Each polling rule gets the same runtimes, so that only the
rules differ. The log-normal distribution of runtimes is an assumption; the runtimes of cloud operations were published.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist, fmean, quantiles
from typing import TYPE_CHECKING

from ideal import ideal_makespan

from aiocdf._policy.polling import plan
from aiocdf._policy.runtimes import Runtimes
from aiocdf.config import Polling

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Seconds from a request to its answer; the service acts half way between.
ROUND_TRIP = 0.08
#: Calls of a function that may run at once.
SLOTS = 100

_POLLING = Polling()

#: Shares of about 22,000 long-running operations in Azure CLI's telemetry that had ended after this many seconds
#: (https://github.com/Azure/autorest.go/issues/811). The few that took longer than functions may are cut short.
_OPERATIONS = [
    (0.0, 0.016),
    (0.177, 0.128),
    (0.370, 0.512),
    (0.579, 2.048),
    (0.756, 8.192),
    (0.884, 32.768),
    (0.953, 131.072),
    (0.983, 524.288),
    (1.0, 600.0),
]

#: Returns the seconds from one poll to the next, from the ages of the calls that are known to run, how many calls have
#: not ended, and how many of them wait for a slot.
Gap = Callable[[Sequence[float], int, int], float]
#: Returns when to poll next, from when the last request was sent and answered, and the number of polls.
#: The first request is the one that started the call.
Rule = Callable[[float, float, int], float]


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The result of following a number of calls with a rule. Lags are in seconds."""

    polls_per_call: float
    mean_lag: float
    p95_lag: float
    longest_lag: float
    #: The ideal makespan divided by this one, if calls queue.
    throughput: float | None = None

    @classmethod
    def of(cls, polls: int, lags: Sequence[float], throughput: float | None = None) -> Figures:
        """Sum up the lags of calls."""
        return cls(
            polls_per_call=polls / len(lags),
            mean_lag=fmean(lags),
            p95_lag=quantiles(lags, n=20)[-1],
            longest_lag=max(lags),
            throughput=throughput,
        )


def log_normal(count: int, *, median: float = 30.0, sigma: float = 1.0, seed: int = 1) -> list[float]:
    """Return runtimes in seconds: the quantiles of the distribution, shuffled, so that a few represent many."""
    normal = NormalDist(math.log(median), sigma)
    runtimes = [math.exp(normal.inv_cdf((place + 0.5) / count)) for place in range(count)]
    random.Random(seed).shuffle(runtimes)
    return runtimes


def operations(count: int, *, seed: int = 1) -> list[float]:
    """Return runtimes in seconds like those of cloud operations, over four decades: their quantiles, shuffled."""
    shares = ((place + 0.5) / count for place in range(count))
    runtimes = [_quantile(share) for share in shares]
    random.Random(seed).shuffle(runtimes)
    return runtimes


def _quantile(share: float) -> float:
    """Return a quantile of the operations' runtimes, with logarithmic interpolation between the known ones."""
    (low, short), (high, long) = next(both for both in pairwise(_OPERATIONS) if share <= both[1][0])
    return short * math.pow(long / short, (share - low) / (high - low))


def fixed(gap: float) -> Rule:
    """Poll, sleep *gap* seconds, poll again."""
    return lambda _, answered, __: answered + gap


def full_jitter(*, base: float = 0.3, cap: float = 10.0, seed: int = 2) -> Rule:
    """Poll at once, then sleep a random part of a time that doubles with each poll."""
    chance = random.Random(seed)
    return lambda _, answered, polls: answered + chance.uniform(0.0, min(cap, base * 2.0**polls) if polls else 0.0)


def part_of_age(part: float = 0.10, cap: float = 5.0) -> Rule:
    """Poll when the call's age has grown by a fraction, without knowledge of other calls."""
    return lambda _, answered, __: answered + min(max(part * answered, _POLLING.floor), cap)


def planned(runtimes: Runtimes, *, seed: int = 3) -> Rule:
    """Poll as aiocdf does for a single call: its age starts with its POST, and the gap with the last request."""
    chance = random.Random(seed)

    def rule(sent: float, answered: float, polls: int) -> float:
        age = answered + ROUND_TRIP / 2 if polls else 0.0
        gap = _planned_gap([age], runtimes, calls=1, queued=0, jitter=chance.uniform(0.9, 1.1))
        return max(answered, sent + gap) if polls else answered + gap

    return rule


def _planned_gap(ages: Sequence[float], known: Runtimes, *, calls: int, queued: int, jitter: float) -> float:
    """Return the gap that aiocdf plans for a single function, if every poll is answered after a round trip."""
    return plan(
        ages,
        known,
        running=calls - queued,
        functions=1,
        calls=calls,
        awaited=queued > 0,
        round_trip=ROUND_TRIP,
        failures=0,
        polling=_POLLING,
        jitter=jitter,
    ).gap


def follow(runtime: float, rule: Rule, *, oversleeping: bool = False) -> tuple[int, float]:
    """Follow one call that starts at 0; return the number of polls, and the lag of its end.

    Args:
        runtime: How long the call runs, in seconds.
        rule: When to poll.
        oversleeping: Sleep once more before the end is reported.
    """
    sent, polls = rule(-ROUND_TRIP / 2, ROUND_TRIP / 2, 0), 1
    while sent + ROUND_TRIP / 2 < runtime:
        sent, polls = rule(sent, sent + ROUND_TRIP, polls), polls + 1
    seen = sent + ROUND_TRIP
    return polls, (rule(sent, seen, polls) if oversleeping else seen) - runtime


def one_by_one(runtimes: Iterable[float], rule: Rule, *, oversleeping: bool = False) -> Figures:
    """Follow calls independently of each other."""
    followed = [follow(runtime, rule, oversleeping=oversleeping) for runtime in runtimes]
    return Figures.of(sum(polls for polls, _ in followed), [lag for _, lag in followed])


def each_alone(runtimes: Sequence[float], rule: Rule, *, oversleeping: bool = False) -> Figures:
    """Follow calls that go through the slots of one function, each with separate polls."""
    followed = [follow(runtime, rule, oversleeping=oversleeping) for runtime in runtimes]
    taken = [ROUND_TRIP / 2 + runtime + lag for runtime, (_, lag) in zip(runtimes, followed, strict=True)]
    throughput = _ideal(runtimes) / _ideal(taken)
    return Figures.of(sum(polls for polls, _ in followed), [lag for _, lag in followed], throughput)


def together(runtimes: Sequence[float], gap: Gap, learn: Callable[[float], None]) -> Figures:
    """Follow calls that go through the slots of one function, with polls that include all of them.

    Args:
        runtimes: The runtimes of the calls, in seconds.
        gap: Returns the seconds from one poll to the next.
        learn: Called with each runtime when its end is seen.
    """
    queue, lags, polls, seen = deque(runtimes), [], 0, 0.0
    #: When the POSTs of running calls were sent, and when they end; including calls whose answer has not arrived yet.
    running: list[tuple[float, float]] = []
    posted: deque[tuple[float, float]] = deque()

    def post(now: float) -> None:
        while queue and len(running) + len(posted) < SLOTS:
            posted.append((now, now + ROUND_TRIP / 2 + queue.popleft()))

    def accept(now: float) -> None:
        while posted and posted[0][0] + ROUND_TRIP <= now:
            running.append(posted.popleft())

    post(0.0)
    due = math.inf
    while running or posted:
        if posted:
            # A call that was just accepted is polled when a call of its age is due, together with all others.
            first = gap([0.0], len(running) + len(posted) + len(queue), len(queue))
            due = min(due, posted[0][0] + ROUND_TRIP + first)
        sent = due
        accept(sent)
        polls, seen = polls + 1, sent + ROUND_TRIP
        ended = [call for call in running if call[1] <= sent + ROUND_TRIP / 2]
        for since, end in ended:
            running.remove((since, end))
            lags.append(seen - end)
            learn(end - since - ROUND_TRIP / 2)
        accept(seen)
        ages, left = [seen - since for since, _ in running], len(running) + len(posted) + len(queue)
        due = max(seen, sent + gap(ages, left, len(queue))) if running else math.inf
        post(seen)
    return Figures.of(polls, lags, _ideal(runtimes) / seen)


def planned_together(runtimes: Sequence[float], *, seed: int = 4) -> Figures:
    """Follow calls as aiocdf does, without knowledge of the function at the first call."""
    chance, known = random.Random(seed), Runtimes()

    def gap(ages: Sequence[float], calls: int, queued: int) -> float:
        return _planned_gap(ages, known, calls=calls, queued=queued, jitter=chance.uniform(0.9, 1.1))

    return together(runtimes, gap, known.learn)


def _ideal(runtimes: Sequence[float]) -> float:
    calls = [(1, key, 0.0) for key in range(len(runtimes))]
    return ideal_makespan(calls, runtimes, per_function=SLOTS, per_project=SLOTS)


def experience(runtimes: Iterable[float]) -> Runtimes:
    """Return what is known about a function after calls with these runtimes."""
    known = Runtimes()
    for runtime in runtimes:
        known.learn(runtime)
    return known


def single_calls(runtimes: Sequence[float], learned: Iterable[float]) -> dict[str, Figures]:
    """Return the figures of calls made one at a time, by rule.

    Args:
        runtimes: Of the calls, in seconds.
        learned: The runtimes of 500 earlier calls of the same function.
    """
    return {
        "every 0.5 s": one_by_one(runtimes, fixed(0.5)),
        "every 5 s": one_by_one(runtimes, fixed(5.0)),
        "full jitter to 10 s": one_by_one(runtimes, full_jitter()),
        "the same, and a sleep past the end": one_by_one(runtimes, full_jitter(), oversleeping=True),
        "a tenth of the age, to 5 s": one_by_one(runtimes, part_of_age()),
        "aiocdf, nothing known": one_by_one(runtimes, planned(Runtimes())),
        "aiocdf, after 500 calls": one_by_one(runtimes, planned(experience(learned))),
    }


def fan_out(count: int = 10_000) -> dict[str, Figures]:
    """Return the figures of calls of one function through all its slots, by rule."""
    runtimes = log_normal(count)
    return {
        "each every 0.5 s": each_alone(runtimes, fixed(0.5)),
        "each by full jitter to 10 s": each_alone(runtimes, full_jitter()),
        "the same, and a sleep past the end": each_alone(runtimes, full_jitter(), oversleeping=True),
        "all every 1 s": together(runtimes, lambda *_: 1.0, lambda _: None),
        "aiocdf": planned_together(runtimes),
    }


def table(title: str, figures: dict[str, Figures]) -> str:
    """Return figures as a table in Markdown."""
    lines = [
        f"| {title} | polls a call | mean lag, s | p95 | longest | throughput |",
        "|---|---|---|---|---|---|",
    ]
    for name, its in figures.items():
        throughput = "" if its.throughput is None else f"{its.throughput:.1%}"
        lags = f"{its.mean_lag:.2f} | {its.p95_lag:.2f} | {its.longest_lag:.2f}"
        lines.append(f"| {name} | {its.polls_per_call:.2f} | {lags} | {throughput} |")
    return "\n".join(lines)


if __name__ == "__main__":
    print(table("one call at a time, log-normal", single_calls(log_normal(500), log_normal(500, seed=5))))
    print()
    print(table("one call at a time, as a cloud's operations", single_calls(operations(500), operations(500, seed=5))))
    print()
    print(table("10,000 calls through 100 slots", fan_out()))
