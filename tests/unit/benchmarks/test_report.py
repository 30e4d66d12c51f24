from __future__ import annotations

import math

import pytest
from report import target_table, workload_table


def test_a_target_that_is_missed_says_so() -> None:
    """What was measured stands beside its target with a verdict, and what was not is left out."""
    results = {"single": {"aiocdf": {"makespan": 11.4, "ideal": 10.0}}, "import": 0.02}

    _, *lines = (line.split() for line in target_table(results))

    assert [line[-3:] for line in lines] == [["1.130", "1.140", "SHORT"], ["0.0600", "0.0200", "OK"]]
    assert [line[0] for line in lines] == ["single:", "import"]


def test_cpu_is_held_against_the_thriftiest_row_of_a_peer() -> None:
    """A peer with several settings is represented by those that suit it best."""
    cpu = {"aiocdf": 1.0, "sdk": 8.0, "sdk raised": 4.0}
    results = {"over": {name: {"cpu": seconds} for name, seconds in cpu.items()}, "import": 0.0}

    (line,) = (line for line in target_table(results) if "the SDK" in line)

    assert line.split()[-2:] == ["0.25", "SHORT"]


@pytest.mark.parametrize(("lag", "shown"), [(0.0512, "5.1%"), (math.nan, "0")])
def test_a_lag_that_nobody_measured_is_not_shown(lag, shown) -> None:
    """For a client that reads only responses, the service sees no lag: that column is empty."""
    figures = {
        **dict.fromkeys(("makespan", "ideal", "requests", "polls", "cpu"), 1.0),
        "lag_median": lag,
        "lag_p95": lag,
        "throttled": 0,
        "wrong": 0,
        "service": {"cpu": 1.0, "seconds": 1.0, "lag_p99": 0.0, "lag_max": 0.0},
    }

    _, row = workload_table("over", {"oracle": figures})

    assert row.split()[6] == shown
