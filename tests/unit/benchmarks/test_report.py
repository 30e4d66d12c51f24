from __future__ import annotations

from report import target_table


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
