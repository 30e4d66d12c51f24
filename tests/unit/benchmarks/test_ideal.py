from __future__ import annotations

import pytest
from ideal import ideal_makespan


def _at_once(*functions: int) -> list[tuple[int, int, float]]:
    return [(function, key, 0.0) for key, function in enumerate(functions)]


@pytest.mark.parametrize(
    ("calls", "durations", "per_function", "per_project", "expected"),
    [
        pytest.param([], [], 1, 1, 0.0, id="nothing takes no time"),
        pytest.param(_at_once(1, 1), [1.0, 2.0], 2, 2, 2.0, id="inside the limits the longest call counts"),
        pytest.param(_at_once(1, 1, 1), [1.0, 2.0, 3.0], 2, 9, 4.0, id="a function's limit makes calls wait"),
        pytest.param(_at_once(1, 2, 3), [1.0, 2.0, 3.0], 9, 2, 4.0, id="so does the project's"),
        pytest.param(
            _at_once(1, 1, 2), [2.0, 1.0, 3.0], 1, 2, 3.0, id="a full function lets later calls of others pass"
        ),
        pytest.param(
            _at_once(1, 2, 1, 2), [1.0, 1.0, 4.0, 1.0], 2, 1, 7.0, id="one place is given in the order of asking"
        ),
        pytest.param([(1, 0, 0.0), (1, 1, 5.0)], [1.0, 2.0], 9, 9, 7.0, id="no call starts before it is made"),
        pytest.param(
            [(1, 0, 0.0), (1, 1, 1.0)], [3.0, 2.0], 1, 9, 5.0, id="a call that is made late waits for its slot"
        ),
    ],
)
def test_ideal_makespan(calls, durations, per_function, per_project, expected) -> None:
    """The ideal is what greedy list scheduling in the order of asking takes, under both limits."""
    assert ideal_makespan(calls, durations, per_function=per_function, per_project=per_project) == expected
