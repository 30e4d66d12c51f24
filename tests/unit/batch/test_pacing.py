from __future__ import annotations

import pytest

from aiocdf.batch.pacing import Pacing


def learned(*delays: float) -> Pacing:
    return Pacing([*delays, *[delays[0]] * 10])


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
    assert pacing.patience(100.0, 1) == 0.0
    pacing.next(100.0)
    assert pacing.patience(100.0, 1) == pytest.approx(0.15)
    assert pacing.patience(101.0, 1) == 0.0


@pytest.mark.parametrize(
    ("runtime", "waiting", "wait"),
    [(1.0, 1, 0.05), (1.0, 25, 0.002), (60.0, 1, 0.25), (60.0, 40, 0.075), (0.01, 1, 0.0005)],
)
def test_waiting_costs_little_throughput(runtime, waiting, wait):
    """All that wait together wait for a twentieth of a call's runtime, and none for long."""
    pacing = Pacing([], [100.0] * 3)
    for _ in range(50):
        pacing.ended(runtime)
    for _ in range(60):
        pacing.next(100.0)

    assert pacing.patience(100.0, waiting) == pytest.approx(wait)


def test_first_posts_go_one_at_a_time():
    """However many wait at the start of a run, each waits for the answer to the one before."""
    pacing = Pacing([], [1.0] * 50)
    pacing.next(100.0)

    assert pacing.patience(100.0, 40) == pytest.approx(0.050)


def test_clock_that_is_set_back_stops_nothing():
    """A wait is short whatever the clock says."""
    pacing = Pacing()
    pacing.next(10_000.0)

    assert pacing.patience(-10_000.0, 1) <= 0.25
