"""Limits as options of the command line."""

from __future__ import annotations

import pytest

from aiocdf.cli.server.limits import changed_limits, shown_limits
from aiocdf.errors import ConfigError
from aiocdf.local import Limits


def test_changes():
    """What is given is changed, and the rest is as it was."""
    limits = changed_limits(
        Limits(data_bytes=5),
        ["calls-per-function=10", "calls_per_project=20", "nonce-seconds=0.5", "token-exchange=false"],
    )
    assert limits == Limits(
        calls_per_function=10, calls_per_project=20, nonce_seconds=0.5, token_exchange=False, data_bytes=5
    )


@pytest.mark.parametrize(
    ("setting", "named"),
    [
        ("calls-per-function", "NAME=VALUE"),
        ("calls=10", "'calls'; known are calls-per-function, "),
        ("calls-per-function=many", "calls_per_function"),
        ("calls-per-function=1.5", "calls_per_function"),
        ("calls-per-function=-1", "calls_per_function"),
        ("nonce-seconds=nan", "nonce_seconds"),
        ("token-exchange=yes", "token_exchange"),
    ],
)
def test_wrong_settings(setting, named):
    """What is no limit, or no value of it, is an error that names it."""
    with pytest.raises(ConfigError, match=named):
        changed_limits(Limits(), [setting])


def test_shown():
    """The limits that matter most are shown, and those that were changed."""
    usual = shown_limits(Limits())
    assert usual.startswith("calls-per-function=100, calls-per-project=250, ")
    assert f"{usual}, token-exchange=false" == shown_limits(Limits(token_exchange=False))
