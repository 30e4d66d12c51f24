"""The input of a call."""

from __future__ import annotations

from aiocdf.local.runtime.invocation import Invocation
from aiocdf.secret import Secret


def test_token_does_not_show():
    """An invocation can be logged."""
    shown = repr(
        Invocation(call_id=1, function_id=2, data={}, base_url="http://x", project="p", token=Secret("the-token"))
    )

    assert "call_id=1" in shown
    assert "the-token" not in shown
