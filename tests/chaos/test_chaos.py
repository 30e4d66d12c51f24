from __future__ import annotations

import sys
from dataclasses import replace

import pytest
from chaos import MIXES, run

CALLS = 200


@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("mix", "uncertain"),
    # Most of what is uncertain was submitted at once at the start, so of so few calls it is a larger part.
    [("lost before", 0.0), ("lost after", 0.05), ("all, clock 120 s ahead", 0.05), ("all, beside another client", 0.2)],
)
def test_never_twice_never_wrong(mix, uncertain):
    """Whatever gets lost, no call runs twice, no handle has another's result, and few calls are uncertain."""
    found = run(mix, replace(MIXES[mix], seed=7), "aiocdf", sys.executable, CALLS)

    assert found.faults > CALLS / 10
    assert (found.twice, found.wrong) == (0, 0)
    assert set(found.names) <= {"SubmissionUncertain"}
    assert found.uncertain <= uncertain * CALLS
