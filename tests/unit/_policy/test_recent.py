from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from aiocdf._policy.recent import Recent

MOST = 4


class Value:
    def __init__(self) -> None:
        self.used = False


def recent(most: int = MOST) -> Recent[int, Value]:
    return Recent(Value, most=most, idle=lambda value: not value.used)


def test_makes_what_it_does_not_have() -> None:
    """A key has a value after its first use, the same each time."""
    values = recent()
    first = values[1]

    assert values[1] is first
    assert values[2] is not first
    assert len(values) == 2


def test_idle_ones_go_first_the_one_used_longest_ago_before_others() -> None:
    """Beyond the bound, the key that was used longest ago is forgotten."""
    values = recent()
    for key in (1, 2, 3, 4, 1, 5):
        values[key]
    assert list(values) == [3, 4, 1, 5]

    values[6]
    assert list(values) == [4, 1, 5, 6]


def test_those_in_use_stay() -> None:
    """A value in use is kept, even if its last access is long ago; others are dropped instead."""
    values = recent()
    kept = values[1]
    kept.used = True
    for key in range(2, 100):
        values[key]

    assert values.get(1) is kept
    assert len(values) <= MOST + 1


def test_more_than_the_bound_in_use() -> None:
    """All that are in use are kept, and the surplus is forgotten once they are idle."""
    values = recent()
    for key in range(10):
        values[key].used = True
    assert sorted(values) == list(range(10))

    for key in range(10):
        values[key].used = False
    for key in range(10, 20):
        values[key]
    assert len(values) == MOST


def test_to_look_is_no_use() -> None:
    """`get` makes nothing and puts nothing off."""
    values = recent()
    for key in range(MOST):
        values[key]
    assert values.get(0) is not None
    assert values.get(99) is None

    values[MOST]
    assert list(values) == [1, 2, 3, 4]
    assert [key for key, _ in values.items()] == [1, 2, 3, 4]


def test_a_new_key_is_not_forgotten_at_once() -> None:
    """Access to a key returns the kept value, even if all others are in use."""
    values = recent(1)
    values[1].used = True
    second = values[2]

    assert values[2] is second


@given(st.lists(st.tuples(st.integers(0, 20), st.booleans()), max_size=200))
def test_bounded(steps) -> None:
    """For any accesses: all values in use are kept, and idle ones are within the bound."""
    values, used = recent(), {}
    for key, in_use in steps:
        value = values[key]
        if key in used:
            assert used[key] is value
        value.used = in_use
        used.pop(key, None)
        if in_use:
            used[key] = value
        assert used.items() <= dict(values.items()).items()
        assert len(values) <= MOST + 2 * len(used) + 1


def test_ten_thousand_in_use() -> None:
    """A new key costs as little when far more than the bound are in use: ten thousand take a moment."""
    values = recent(1000)
    started = time.process_time()
    for key in range(10_000):
        values[key].used = True
    spent = time.process_time() - started

    assert len(values) == 10_000
    assert spent < 2.0, f"{spent:.2f} s"
