from __future__ import annotations

import heapq
import itertools
import math

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.rate import Rate

LATENCY, WORKERS = 0.05, 40
LIMITS = (10, 20, 50)


@attrs.frozen
class Answers:
    """When requests were answered, and how."""

    passed: list[float]
    refused: list[float]

    def throughput(self, begin, end):
        """Requests a second that passed between two times."""
        return sum(begin <= at < end for at in self.passed) / (end - begin)

    def refusals(self, begin, end):
        """The part of the requests between two times that was refused."""
        passed, refused = (sum(begin <= at < end for at in each) for each in (self.passed, self.refused))
        return refused / (passed + refused)


def simulate(limit, seconds, *, burst=None, retry_after=None, blackout=(0.0, 0.0)):
    """Send as fast as the policy lets us, to a service with a token bucket, which during a blackout refuses everything.

    Args:
        limit: Tokens that the bucket gets in a second.
        seconds: How long.
        burst: Tokens that the bucket holds; as a rule those of a second.
        retry_after: The `Retry-After` of refusals.
        blackout: From when, and until when.
    """
    rate, answers, number = Rate(), Answers([], []), itertools.count()
    burst = limit if burst is None else burst
    now, tokens, filled_at = 0.0, float(burst), 0.0
    under_way: list[tuple[float, int, float, bool]] = []
    while now < seconds:
        ready = max(rate.ready_at(), now) if len(under_way) < WORKERS else math.inf
        if under_way and under_way[0][0] <= ready:
            now, _, sent_at, passes = heapq.heappop(under_way)
            (answers.passed if passes else answers.refused).append(now)
            if passes:
                rate.passed(now)
            else:
                rate.refused(now, sent_at, retry_after)
            continue
        now = ready
        rate.take(now)
        at = now + LATENCY / 2
        tokens, filled_at = min(burst, tokens + (at - filled_at) * limit), at
        passes = tokens >= 1.0 and not blackout[0] <= at < blackout[1]
        tokens -= passes
        heapq.heappush(under_way, (now + LATENCY, next(number), now, passes))
    return answers


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("retry_after", [None, 1.0])
def test_throughput_and_refusals(limit, retry_after) -> None:
    """Without knowing the limit, at least 85 % of it are used, and at most one request in twenty is refused."""
    answers = simulate(limit, 120.0, retry_after=retry_after)

    assert answers.throughput(0.0, 120.0) >= 0.85 * limit
    assert answers.refusals(0.0, 120.0) <= 0.05


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("burst", [1, 2, 5])
def test_buckets_that_hold_little(limit, burst) -> None:
    """The same holds where the service bears no bursts, once the rate was found."""
    answers = simulate(limit, 240.0, burst=burst)

    assert answers.throughput(40.0, 240.0) >= 0.85 * limit
    assert answers.refusals(40.0, 240.0) <= 0.02


@pytest.mark.parametrize("limit", LIMITS)
@pytest.mark.parametrize("seconds", [5.0, 10.0, 40.0])
def test_recovery_after_a_blackout(limit, seconds) -> None:
    """When the service has refused everything for a while, half of what was good is soon back, and then all of it."""
    end = 60.0 + seconds
    answers = simulate(limit, end + 60.0, blackout=(60.0, end))

    assert answers.throughput(60.5, end) == 0.0
    assert sum(62.0 <= at < end for at in answers.refused) <= seconds / 1.5, "it is soon tried seldom"
    assert answers.throughput(end + 7.0, end + 12.0) >= 0.5 * limit
    assert answers.throughput(end + 15.0, end + 60.0) >= 0.9 * limit


@given(st.lists(st.floats(0.0, 1.0), max_size=50))
def test_no_limit_before_a_refusal(pauses) -> None:
    """As long as nothing was refused, any number of requests may be sent at any time."""
    rate, now = Rate(), 0.0
    for pause in pauses:
        now += pause
        rate.take(now)
        rate.passed(now)
        assert rate.ready_at() <= now
    assert not rate.limited


def passing(count):
    """A rate with the given number of requests, evenly over the second before 0."""
    rate = Rate()
    for number in reversed(range(count)):
        rate.passed(-(number + 0.5) / count)
    return rate


def sent(rate, begin, end):
    """Send whenever the policy lets us; return when."""
    times = []
    while (now := max(begin, rate.ready_at())) < end:
        rate.take(now)
        times.append(now)
    return times


def test_first_refusal_sets_the_rate() -> None:
    """After a refusal, requests leave evenly, a little slower than they passed in the last second."""
    rate = passing(20)
    rate.refused(0.0, -0.05, None)
    times = sent(rate, 0.0, 1.0)

    assert rate.limited
    assert len(times) == pytest.approx(18, abs=1)
    assert [b - a for a, b in itertools.pairwise(times)] == pytest.approx([1 / 18] * (len(times) - 1), rel=0.01)


def test_nothing_is_saved() -> None:
    """A minute without requests does not allow a burst."""
    rate = passing(20)
    rate.refused(0.0, -0.05, None)
    times = sent(rate, 5.0, 5.5)

    assert times[0] == 5.0
    assert min(b - a for a, b in itertools.pairwise(times)) > 1 / 25


def test_growth_is_slow_near_the_limit() -> None:
    """Three seconds after a refusal the rate is up by a twentieth only; half a minute later it has long left it behind."""
    rate = passing(20)
    rate.refused(0.0, -0.05, None)

    assert len(sent(rate, 2.0, 3.0)) == pytest.approx(18 * 1.03, abs=1)
    assert len(sent(rate, 29.0, 30.0)) > 400


def test_late_refusals_are_one_piece_of_news() -> None:
    """Requests that were under way at the first refusal, and are refused as well, do not lower the rate again."""
    once, often = passing(20), passing(20)
    once.refused(0.0, -0.05, None)
    for late in range(39):
        often.refused(late / 1000, -0.05 + late / 1000, None)

    assert len(sent(often, 1.0, 2.0)) == len(sent(once, 1.0, 2.0))


def test_a_refusal_after_it_is_another() -> None:
    """A request that was sent at the lower rate, and is refused, lowers it again."""
    rate = passing(20)
    rate.refused(0.0, -0.05, None)
    for number in range(1, 11):
        rate.passed(number / 20)
    rate.refused(0.55, 0.5, None)

    # What passed in the last second counts, ten of them since then.
    assert len(sent(rate, 1.0, 2.0)) == pytest.approx(0.9 * 20, abs=1)


@pytest.mark.parametrize(("retry_after", "wait"), [(0.5, 0.5), (7.0, 7.0), (1e9, 3600.0)])
def test_retry_after(retry_after, wait) -> None:
    """Nothing is sent for as long as the service requests, up to an hour, in the answer to any request."""
    rate = passing(20)
    rate.refused(0.0, -0.05, retry_after)
    assert rate.ready_at() == wait

    rate.refused(0.1, -0.1, 2 * retry_after)
    assert rate.ready_at() == pytest.approx(0.1 + min(2 * retry_after, 3600.0)), "also one that was under way"


def test_a_shorter_retry_after_does_not_shorten_the_pause() -> None:
    """When two refusals request different times, the later time applies."""
    rate = passing(20)
    rate.refused(0.0, -0.05, 9.0)
    rate.refused(0.1, -0.05, 1.0)

    assert rate.ready_at() == 9.0


@given(st.lists(st.tuples(st.floats(0.0, 20.0), st.sampled_from(["take", "pass", "refuse"])), max_size=80))
def test_never_stops_for_good(steps) -> None:
    """Whatever came before, without a word of Retry-After the next request may leave within two seconds."""
    rate, now = Rate(), 0.0
    for pause, what in steps:
        now = max(now + pause, rate.ready_at() if what == "take" else 0.0)
        if what == "take":
            rate.take(now)
        elif what == "pass":
            rate.passed(now)
        else:
            rate.refused(now, now, None)
        assert rate.ready_at() <= now + 2.0


def test_a_long_time_is_no_overflow() -> None:
    """A client that was refused once, and is used again after a week, has no limit to speak of."""
    for rate in (passing(0), passing(20)):
        rate.refused(0.0, -0.05, None)
        rate.take(600_000.0)
        assert rate.ready_at() == pytest.approx(600_000.0)
