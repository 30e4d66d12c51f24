from __future__ import annotations

import pickle

import attrs
import pytest

from aiocdf.models import CallRef

REF = CallRef(cluster="westeurope-1", project="acme", function_id=12, call_id=345)


def test_token_is_one_string() -> None:
    """Token and text of a reference are one string with cluster, project and ids."""
    assert REF.token == str(REF) == "cdf:westeurope-1:acme:12:345"


def test_is_a_value() -> None:
    """References to the same call are equal, survive pickling, and are immutable."""
    assert pickle.loads(pickle.dumps(REF)) == REF == attrs.evolve(REF)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        REF.project = "other"
