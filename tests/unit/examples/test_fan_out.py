from __future__ import annotations

import runpy
from pathlib import Path

import pytest

FAN_OUT = Path(__file__).parents[3] / "examples" / "fan_out.py"
WRONG = {"value": -1, "count": 0, "anomalies": [{"index": 0, "value": 0}], "samples": 0}


@pytest.mark.parametrize("n", [*range(8), 270, 271])
def test_jobs_accept_the_functions_answers_and_no_others(load, n):
    """What the functions answer passes the check of the job that asked; something else does not."""
    job = runpy.run_path(str(FAN_OUT))["job"](n)

    assert job.is_right(load(job.function).handle(job.data))
    assert not job.is_right(WRONG)


def test_jobs_take_turns_over_four_functions():
    """Four functions are called in turn, so that the limit of one is not the limit of all."""
    job = runpy.run_path(str(FAN_OUT))["job"]

    assert len({job(n).function for n in range(4)}) == 4
    assert [job(n).function for n in range(4)] == [job(n).function for n in range(4, 8)]
