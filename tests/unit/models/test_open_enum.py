from __future__ import annotations

import copy
import json
import pickle

import pytest

from aiocdf.models import CallStatus, FunctionStatus, SessionStatus, SessionType


@pytest.mark.parametrize("kind", [CallStatus, FunctionStatus, SessionStatus, SessionType])
def test_unknown_value(kind) -> None:
    """A value we have not heard of is a member in all but the list of members."""
    odd = kind("Odd")

    assert (odd, str(odd), odd.value, odd.name, odd.known) == ("Odd", "Odd", "Odd", "Odd", False)
    assert odd == kind("Odd")
    assert hash(odd) == hash(kind("Odd")) == hash("Odd")
    assert odd not in list(kind)
    assert "Odd" in repr(odd)
    assert isinstance(odd, kind)
    assert json.dumps(odd) == '"Odd"'


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda value: pickle.loads(pickle.dumps(value))])
def test_copies(duplicate) -> None:
    """Known values stay themselves through copy and pickle; unknown ones stay equal and unknown."""
    assert duplicate(CallStatus.Running) is CallStatus.Running
    assert duplicate(CallStatus("Odd")) == CallStatus("Odd")
    assert not duplicate(CallStatus("Odd")).known


@pytest.mark.parametrize("value", [None, 7, True, ["Running"], {}])
def test_no_text(value) -> None:
    """Only text can be a status."""
    with pytest.raises(ValueError, match="is not a valid CallStatus"):
        CallStatus(value)


@pytest.mark.parametrize("value", ["", "running", "Running ", "__members__", "known", "name"])
def test_near_misses(value) -> None:
    """What only resembles a known value is unknown, and keeps its spelling."""
    assert CallStatus(value).value == value
    assert not CallStatus(value).known


def test_known_values() -> None:
    """The known ones are known."""
    assert all(status.known for status in CallStatus)
    assert CallStatus("Running") is CallStatus.Running
