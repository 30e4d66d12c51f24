from __future__ import annotations

import random

import pytest

from aiocdf.batch.pacing import Pacing


def learned(*delays: float) -> Pacing:
    return Pacing([*delays, *[delays[0]] * 10])


def test_posts_are_apart_by_what_the_way_there_differs_by():
    """Two POSTs are further apart than the slowest way there from the fastest, with something to spare."""
    pacing = learned(*(5.0 + 0.001 * n for n in range(11)))

    first, second = pacing.next(100.0), pacing.next(100.0)
    assert 0.010 < second.at - first.at < 0.015


def test_call_cannot_start_before_the_fastest_way_there():
    """The bound is by the service's clock, however that differs from ours, and leaves room for a faster one."""
    pacing = learned(3600.010, 3600.020)

    slot = pacing.next(100.0)
    assert 3600.0 < slot.starts_after - slot.at < 3600.010


def test_nothing_is_said_from_little():
    """With few calls known there is no bound, and POSTs are far apart."""
    pacing = Pacing([0.01] * 9)

    first, second = pacing.next(100.0), pacing.next(100.0)
    assert (first.starts_after, second.at - first.at) == (None, pytest.approx(0.050))


def test_slot_leaves_time_for_the_commit():
    """A POST is not due before it is on disk, as far as commits have shown; one slow commit is forgotten again."""
    pacing = learned(0.01)
    pacing.committed(0.015)
    assert pacing.next(100.0).at >= 100.015
    for _ in range(60):
        pacing.committed(0.001)
    assert pacing.next(200.0).at < 200.005


def test_clock_that_is_set_back_stops_nothing():
    """Slots follow the clock when that jumps."""
    pacing = learned(0.01)
    pacing.next(10_000.0)

    assert pacing.next(100.0).at < 100.1


@pytest.mark.parametrize("gap", [0.1, 0.001])
def test_it_is_not_what_limits_the_calls(gap):
    """Where calls could follow one another faster than they are apart, they soon do; where not, it changes nothing."""
    pacing, now, chance = Pacing(), 0.0, random.Random(1)
    for _ in range(2000):
        slot = pacing.next(now)
        pacing.accepted(slot.at, slot.at + chance.uniform(0.01, 0.03))
        now = max(now + gap, slot.at - pacing.commit)  # a place is free after the gap, and taken when the slot allows

    before = now
    for _ in range(100):
        slot = pacing.next(now)
        pacing.accepted(slot.at, slot.at + chance.uniform(0.01, 0.03))
        now = max(now + gap, slot.at - pacing.commit)
    assert (now - before) / 100 == pytest.approx(gap, rel=0.1)
