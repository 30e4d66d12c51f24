from __future__ import annotations

import pytest

from aiocdf.telemetry import CallQueued, RequestDone
from aiocdf.telemetry.observers import Tally


def done(*, status=200, attempt=1):
    return RequestDone(name="poll function 1", status=status, attempt=attempt, seconds=0.1)


@pytest.mark.parametrize(
    ("events", "counts"),
    [
        ([], (0, 0, 0)),
        ([CallQueued(number=1, function=1)], (0, 0, 0)),
        ([done(), done()], (2, 0, 0)),
        ([done(status=None), done(attempt=2)], (2, 1, 0)),
        ([done(status=429), done(status=429, attempt=2), done(attempt=3)], (3, 2, 2)),
        ([done(status=500)], (1, 0, 0)),
    ],
)
def test_tally(events, counts) -> None:
    """Each attempt is a request, each after the first a retry as well; answers of 429 are counted apart."""
    tally = Tally()
    for event in events:
        tally.count(event)

    assert (tally.requests, tally.retries, tally.throttled) == counts
