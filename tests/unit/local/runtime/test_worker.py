"""The checks of the worker, without a process."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aiocdf.local.runtime.child.answering import fault

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner),
)


@given(JSON)
def test_json_has_no_fault(value):
    """All values that JSON has pass, and can be encoded."""
    assert fault(value) is None
    json.dumps(value, allow_nan=False)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (math.nan, "$ is nan"),
        ({"a": [0, {"b": math.inf}]}, "$.a[1].b is inf"),
        ((1, b""), "$[1] is of type bytes"),
        ({"a": {(): 1}}, "a key of $.a is of type tuple"),
        ({"a": {math.nan: 1}}, "a key of $.a is nan"),
        (object, "$ is of type type"),
    ],
)
def test_fault_is_found_with_its_place(value, found):
    """The error names the path of the value."""
    assert fault(value) == found


def test_same_value_twice_is_not_circular():
    """Only a value that contains itself is circular. A value may be in two places."""
    shared = [1]
    assert fault([shared, {"again": shared}]) is None

    shared.append({"back": shared})
    assert fault([shared]) == "$[0][1].back contains itself"
