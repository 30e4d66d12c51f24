from __future__ import annotations

import pytest

from aiocdf.batch.pacing import Pacing


def learned(*delays: float) -> Pacing:
    return Pacing([*delays, *[delays[0]] * 10])


def spaced(gap: float) -> Pacing:
    """A pacing whose POSTs followed one another at this gap, the last at 100 s."""
    pacing = Pacing()
    for number in range(60):
        pacing.next(100.0 - pacing.commit - gap * (59 - number))
    return pacing


def test_call_cannot_start_before_the_fastest_way_there():
    """The bound is by the service's clock, however that differs from ours, and leaves room for a faster one."""
    slot = learned(3600.010, 3600.020).next(100.0)

    assert 3600.0 < slot.starts_after - slot.at < 3600.010


def test_nothing_is_said_from_little():
    """With few calls known there is no bound."""
    assert Pacing([0.01] * 9).next(100.0).starts_after is None


def test_slot_leaves_time_for_the_commit():
    """A POST is not due before it is on disk, as far as commits have shown; one slow commit is forgotten again."""
    pacing = learned(0.01)
    pacing.committed(0.015)
    assert pacing.next(100.0).at == pytest.approx(100.015)
    for _ in range(60):
        pacing.committed(0.001)
    assert pacing.next(200.0).at < 200.005


def test_first_post_waits_for_nothing():
    """There is nothing before it; the second waits for its answer, for a moment at most."""
    pacing = Pacing()
    assert pacing.patience(100.0) == 0.0
    at = pacing.next(100.0).at
    assert pacing.patience(at) == pytest.approx(0.050)
    assert pacing.patience(at + 1.0) == 0.0


@pytest.mark.parametrize(("gap", "wait"), [(0.1, 0.07), (0.01, 0.007), (2.0, 0.25)])
def test_waiting_costs_no_throughput(gap, wait):
    """A POST waits for less than the time from one call to the next, and never for long."""
    assert spaced(gap).patience(100.0) == pytest.approx(wait)


def test_calls_that_could_be_faster_become_so():
    """Where waiting is what limits the calls, it shrinks, until it no longer is."""
    pacing, now = Pacing(), 0.0
    for _ in range(1000):
        pacing.next(now)
        now += pacing.patience(now)  # no POST is ever answered in time
    assert pacing.patience(now) < 0.002


def test_clock_that_is_set_back_stops_nothing():
    """A wait is short whatever the clock says."""
    pacing = spaced(0.1)

    assert pacing.patience(-10_000.0) <= 0.25
