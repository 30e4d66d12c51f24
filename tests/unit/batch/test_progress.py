from __future__ import annotations

import pytest

from aiocdf.batch.progress import Speed


def test_speed_is_that_of_the_last_half_minute():
    """It follows a change within the window, and is not known before there is a result."""
    speed = Speed(0.0)
    assert speed.rate(5.0) is None
    for second in range(5, 100):
        speed.add(10)
        speed.rate(float(second))
    assert speed.rate(100.0) == pytest.approx(10.0, rel=0.1)
    for second in range(100, 140):
        speed.add(2)
        speed.rate(float(second))
    assert speed.rate(140.0) == pytest.approx(2.0, rel=0.1)


def test_standstill_shows():
    """Where no results come any more, the rate is unknown, not that of old."""
    speed = Speed(0.0)
    speed.add(100)
    for second in range(1, 60):
        speed.rate(float(second))
    assert speed.rate(60.0) is None
