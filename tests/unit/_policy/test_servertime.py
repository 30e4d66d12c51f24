from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.servertime import ServerTime

#: The wait before an exchange, the way there, the way back, in seconds.
exchanges = st.lists(st.tuples(*[st.floats(0.0, 3.0)] * 3), min_size=1, max_size=30)
offsets = st.floats(-1e5, 1e5)
START = 1.7e9
NARROWEST = 0.002


def observe(server: ServerTime, now: float, exchange: tuple[float, float, float], offset: float, grain: float) -> float:
    """Let an answer come whose stamp was made at some time between sending and receiving; return our time then."""
    wait, there, back = exchange
    sent_at = now + wait
    stamped = sent_at + there + offset
    stamp = math.floor(stamped / grain) * grain if grain else stamped
    server.observe(stamp, sent_at=sent_at, received_at=sent_at + there + back, resolution=grain)
    return sent_at + there + back


@given(exchanges, offsets, st.sampled_from([0.0, 0.001, 1.0]))
def test_brackets_the_offset(some, offset, grain) -> None:
    """With any latencies, the error is at most half of the quickest exchange plus the stamp's resolution."""
    server, now = ServerTime(), START
    for exchange in some:
        now = observe(server, now, exchange, offset, grain)
    quickest = min(there + back for _, there, back in some)

    assert server.offset == pytest.approx(offset, abs=(quickest + grain) / 2 + NARROWEST)


@given(exchanges, exchanges, offsets, offsets, st.sampled_from([0.001, 1.0]))
def test_recovers_after_a_clock_was_set(before, after, old, new, grain) -> None:
    """However far a clock jumps, the first answer after it puts the estimate right to within its own bounds."""
    server, now = ServerTime(), START
    for exchange in before:
        now = observe(server, now, exchange, old, grain)
    for exchange in after:
        now = observe(server, now, exchange, new, grain)

        assert server.offset == pytest.approx(new, abs=exchange[1] + exchange[2] + grain + NARROWEST)


def test_many_answers_are_better_than_one() -> None:
    """Dates in whole seconds, seen at different parts of a second, give the offset much more exactly than a second."""
    server, now = ServerTime(), START
    for _ in range(40):
        now = observe(server, now, (0.13, 0.02, 0.02), 7.3, 1.0)

    assert server.offset == pytest.approx(7.3, abs=0.06)


def test_before_the_first_answer() -> None:
    """Nothing is known, and the caller's own guess stands."""
    server = ServerTime()
    assert server.offset is None
    assert server.local(5.0, 3.0) == 3.0

    server.observe(110.0, sent_at=10.0, received_at=10.0)
    assert server.local(115.0, 3.0) == 15.0
