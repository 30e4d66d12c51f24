from __future__ import annotations

import warnings

import pytest

from aiocdf import SecretInDataWarning
from aiocdf._secret_check import SecretCheck

LEAK = {"db": [{"password": "hunter2hunter2"}]}


@pytest.fixture
def warned():
    """The warnings of a test, each time they are given."""
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield warned


def test_path_through_lists(warned) -> None:
    """The path leads to the secret through lists, too."""
    SecretCheck().warn(LEAK)

    (warning,) = warned
    assert warning.category is SecretInDataWarning
    assert "$.db[0].password" in str(warning.message)


def test_once_a_client(warned) -> None:
    """What one client has warned of is news from another."""
    for _ in range(2):
        SecretCheck().warn(LEAK)

    assert len(warned) == 2


@pytest.mark.parametrize("data", [{}, {"x": 2}, {"password": ""}, {"path": "/projects/acme"}, [1, "two"], "text"])
def test_nothing_to_warn_of(warned, data) -> None:
    """Plain data is passed over."""
    SecretCheck().warn(data)

    assert warned == []
