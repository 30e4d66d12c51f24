from __future__ import annotations

from aiocdf.local.http.fields import Fields


def test_values_are_not_shown():
    """A body may contain secrets, so a traceback with local variables does not show its values."""
    assert "hunter2" not in repr(Fields({"clientSecret": "hunter2"}, "items[0]"))
