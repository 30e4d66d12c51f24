"""What the plan for polls is worth, in simulated time beside simpler rules; the same figures stand in the documents."""

from __future__ import annotations

import math

import pytest
import schedule
from schedule import (
    Figures,
    each_alone,
    fixed,
    follow,
    full_jitter,
    log_normal,
    one_by_one,
    operations,
    single_calls,
    table,
    together,
)


@pytest.fixture(scope="module")
def single() -> dict[str, Figures]:
    """Calls made one at a time."""
    return single_calls(log_normal(500), log_normal(500, seed=5))


@pytest.fixture(scope="module")
def wide() -> dict[str, Figures]:
    """The same, of a function whose runtimes are four decades wide."""
    return single_calls(operations(500), operations(500, seed=5))


@pytest.fixture(scope="module")
def many() -> dict[str, Figures]:
    """10,000 calls of one function through its 100 slots."""
    return schedule.fan_out()


def test_one_call_by_hand() -> None:
    """For a call of 1 s that is polled every half second from its acceptance, the third poll sees its end."""
    rule = fixed(0.5)

    # Requests at 0.54, 1.12 and so on reach the service 0.04 s later, and are answered after another 0.04 s.
    assert follow(1.0, rule) == (2, pytest.approx(0.2))
    assert follow(1.0, rule, oversleeping=True) == (2, pytest.approx(0.7))
    assert follow(1.2, rule) == (3, pytest.approx(0.58))


def test_slots_by_hand() -> None:
    """101 calls of a second take two rounds: the last one starts when the first poll has seen an end."""
    figures = together([1.0] * 101, lambda *_: 1.0, lambda _: None)

    # Accepted at 0.08, polled at 1.08, seen at 1.16; the last is accepted at 1.24, and seen at 2.32.
    assert figures.throughput == pytest.approx(2.0 / 2.32)
    assert figures.polls_per_call == pytest.approx(2 / 101)
    assert figures.longest_lag == pytest.approx(0.12)


def test_gaps_are_planned_with_what_waits() -> None:
    """A gap is planned from the ages of what runs, and from how many calls are left and wait, when an end was just seen."""
    plans: list[tuple[int, int, int]] = []

    def gap(ages, calls, queued) -> float:
        plans.append((len(ages), calls, queued))
        return 1.0

    together([1.0, 3.0, *[1.0] * 98, 3.0, 3.0], gap, lambda _: None)

    # Accepted at 0.08; at 1.16 only one call is left and two wait, which are accepted at 1.24 and polled with it.
    assert plans[:4] == [(1, 102, 2), (1, 3, 2), (1, 3, 0), (3, 3, 0)]


def test_runtimes_are_log_normal() -> None:
    """The runtimes that all rules meet have the median and the mean of their distribution."""
    runtimes = log_normal(2001)

    assert sorted(runtimes)[1000] == pytest.approx(30.0)
    assert sum(runtimes) / 2001 == pytest.approx(30.0 * math.exp(0.5), rel=0.02)
    assert runtimes != sorted(runtimes)


def test_runtimes_of_operations() -> None:
    """Half of a cloud's operations take about a second, and one in twenty longer than two minutes, at most ten."""
    runtimes = sorted(operations(2000))

    assert sum(runtime <= 1.0 for runtime in runtimes) / 2000 == pytest.approx(0.47, abs=0.01)
    assert sum(runtime <= 131.072 for runtime in runtimes) / 2000 == pytest.approx(0.953, abs=0.001)
    assert (runtimes[0], runtimes[-1]) == (pytest.approx(0.016, rel=0.01), pytest.approx(600.0, rel=0.01))
    assert operations(2000) != runtimes


def test_worst_rules_are_worst() -> None:
    """The simulation shows what is known of simple rules: polls of a fixed gap see an end half of it late."""
    runtimes = log_normal(500)
    often, seldom = one_by_one(runtimes, fixed(0.5)), one_by_one(runtimes, fixed(5.0))

    # From one poll to the next there is a round trip as well, and half of one until the answer is here.
    assert often.mean_lag == pytest.approx(0.58 / 2 + 0.04, abs=0.02)
    assert seldom.mean_lag == pytest.approx(5.08 / 2 + 0.04, abs=0.3)
    assert each_alone(runtimes, full_jitter()).throughput < each_alone(runtimes, fixed(0.5)).throughput


class TestOneAtATime:
    @pytest.mark.parametrize(("name", "polls"), [("aiocdf, nothing known", 0.52), ("aiocdf, after 500 calls", 0.23)])
    def test_lag_and_polls(self, single, name, polls) -> None:
        """About half the lag of a rule that backs off to 10 s, and half the polls of one that asks twice a second.

        They are a quarter once the function is known.
        """
        its, often, rarely = single[name], single["every 0.5 s"], single["full jitter to 10 s"]

        assert its.polls_per_call <= polls * often.polls_per_call
        assert its.mean_lag <= 0.58 * rarely.mean_lag
        assert its.mean_lag <= 0.22 * single["the same, and a sleep past the end"].mean_lag
        assert its.p95_lag <= 4.6
        assert its.longest_lag <= 5.0 * 1.1 + schedule.ROUND_TRIP

    @pytest.mark.parametrize(("name", "polls"), [("aiocdf, nothing known", 0.42), ("aiocdf, after 500 calls", 0.28)])
    def test_lag_and_polls_of_wide_runtimes(self, wide, name, polls) -> None:
        """The same holds where some calls are over in a moment and others take minutes, with half the lag again."""
        its, often, rarely = wide[name], wide["every 0.5 s"], wide["full jitter to 10 s"]

        assert its.polls_per_call <= polls * often.polls_per_call
        assert its.mean_lag <= 0.5 * rarely.mean_lag
        assert its.mean_lag <= 0.18 * wide["the same, and a sleep past the end"].mean_lag
        assert its.p95_lag <= 3.6
        assert its.longest_lag <= 5.0 * 1.1 + schedule.ROUND_TRIP

    def test_what_is_known_saves_polls(self, single, wide) -> None:
        """At a little more lag, a function that is known takes fewer than half the polls, or some seven tenths."""
        for figures, polls, lag in ((single, 0.5, 1.3), (wide, 0.71, 1.3)):
            cold, warm = figures["aiocdf, nothing known"], figures["aiocdf, after 500 calls"]
            assert warm.polls_per_call <= polls * cold.polls_per_call
            assert warm.mean_lag <= lag * cold.mean_lag

    @pytest.mark.parametrize("runtime", [0.5, 3.0, 10.0, 45.0, 600.0])
    def test_bound(self, runtime) -> None:
        """No end is seen later than by a tenth of the runtime, the floor or the cap, the jitter and a round trip."""
        rule = schedule.planned(schedule.experience([]))
        bound = 1.1 * max(0.18, min(0.1 * (runtime + 0.2), 5.0)) + schedule.ROUND_TRIP

        assert max(follow(runtime + n / 100, rule)[1] for n in range(20)) <= bound


class TestFanOut:
    def test_beside_each_alone(self, many) -> None:
        """Polls that include all calls: a fiftieth of the requests of half-second polls, and less lag."""
        its, often, rarely = many["aiocdf"], many["each every 0.5 s"], many["each by full jitter to 10 s"]

        assert its.polls_per_call <= often.polls_per_call / 50
        assert its.polls_per_call <= rarely.polls_per_call / 10
        assert its.mean_lag <= min(0.28, often.mean_lag, rarely.mean_lag / 10)
        assert its.p95_lag <= 0.5
        assert its.longest_lag <= 5.5

    def test_throughput(self, many) -> None:
        """The slots are used as well as with polls of each call twice a second, to half a percent of the ideal."""
        assert many["aiocdf"].throughput >= many["each every 0.5 s"].throughput
        assert many["aiocdf"].throughput >= 0.993
        assert many["each by full jitter to 10 s"].throughput <= 0.95
        assert many["the same, and a sleep past the end"].throughput <= 0.88

    def test_beside_a_shared_tick(self, many) -> None:
        """Beside a shared poll every second: better throughput and half the lag, for some twice the requests."""
        its, tick = many["aiocdf"], many["all every 1 s"]

        assert its.throughput > tick.throughput
        assert its.mean_lag <= 0.52 * tick.mean_lag
        assert its.polls_per_call <= 2.3 * tick.polls_per_call


def test_table() -> None:
    """The table has a line for each rule, and the throughput where there is one."""
    figures = Figures(polls_per_call=1.234, mean_lag=0.5, p95_lag=1.0, longest_lag=2.0)
    lines = table("ten calls", {"a": figures, "b": Figures.of(3, [0.1, 0.2, 0.3], 0.995)}).splitlines()

    assert lines[0].startswith("| ten calls | polls a call |")
    assert lines[2] == "| a | 1.23 | 0.50 | 1.00 | 2.00 |  |"
    assert lines[3].startswith("| b | 1.00 | 0.20 |")
    assert lines[3].endswith("| 99.5% |")
