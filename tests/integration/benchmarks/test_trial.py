from __future__ import annotations

import sys

import pytest
from trial import measure
from workloads import WORKLOADS, Workload


@pytest.mark.parametrize("clients", [1, 2])
def test_a_trial_measures_a_contender(clients: int) -> None:
    """A contender's calls run at the simulated service, and what is measured fits what the service lets be."""
    workload = Workload(durations=(0.2, 0.3, 0.4, 0.5), functions=2, clients=clients)

    found = measure(workload, sys.executable, "aiocdf_client.py")

    assert found["wrong"] == 0
    assert found["tokens"] == clients
    assert found["ideal"] == 0.5
    assert found["makespan"] > 0.5 + 4 * 0.020  # token, session, call, response
    assert found["requests"] >= 3 + found["polls"]
    assert sorted(round(end - start, 2) for start, end, _ in found["calls"]) == [0.2, 0.3, 0.4, 0.5]
    assert all(seen - end > 0.010 for _, end, seen in found["calls"])  # the way back of the poll that saw it


def test_the_oracle_sends_what_it_must_and_no_more() -> None:
    """A token, a session, a call and a read of its response when that is there: no client takes fewer requests."""
    workload = Workload(durations=WORKLOADS["over"].durations[:1], functions=1)

    found = measure(workload, sys.executable, "oracle_client.py", "over")

    assert (found["wrong"], found["requests"]) == (0, 4)
