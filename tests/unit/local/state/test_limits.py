from __future__ import annotations

import attrs
import pytest

from aiocdf.errors import ConfigError
from aiocdf.local import Limits


@pytest.mark.parametrize("name", [field.name for field in attrs.fields(Limits)])
@pytest.mark.parametrize("value", ["x", None, -1, [1]])
def test_no_limit(name, value):
    """A limit that is not valid raises an error with its name when it is created, not while the server runs."""
    with pytest.raises(ConfigError, match=f" {name} must be a "):
        Limits(**{name: value})


@pytest.mark.parametrize("name", ["calls_per_function", "calls_per_project", "data_bytes", "log_bytes"])
@pytest.mark.parametrize("value", [1.5, True])
def test_whole_limits(name, value):
    """Counts are whole numbers, and may be zero."""
    assert getattr(Limits(**{name: 0}), name) == 0
    with pytest.raises(ConfigError, match=f"^limit {name} must be a whole number of at least 0, not "):
        Limits(**{name: value})
