from __future__ import annotations

from types import SimpleNamespace

import attrs
import pytest

from aiocdf.local.api.cron import explain, next_time
from aiocdf.local.api.scheduler import due, refusal
from aiocdf.local.state.records import Session
from aiocdf.local.state.schedules import Schedule

MINUTE = 60_000
HOUR = 60 * MINUTE

SCHEDULE = Schedule(id=1, created_time=0, name="a", cron_expression="0 * * * *", when="", function_id=1, session_id=1)
SESSION = Session(
    id=1,
    type="ONESHOT_TOKEN_EXCHANGE",
    status="ACTIVE",
    creation_time=0,
    expiration_time=HOUR,
    nonce_expires=0,
    client_id="a",
    capabilities=frozenset(),
    depth=1,
)
READY = SimpleNamespace(id=1, build=SimpleNamespace(status="Ready"))


@pytest.mark.parametrize(
    ("expression", "after", "expected"),
    [
        ("* * * * *", 0, MINUTE),
        ("* * * * *", 1, MINUTE),
        ("* * * * *", MINUTE - 1, MINUTE),
        ("0 0 1 1 *", 0, 365 * 24 * HOUR),
        ("0 0 * * SUN", 0, 3 * 24 * HOUR),  # 1970 began on a Thursday
    ],
)
def test_next_time(expression, after, expected):
    """The next time is after the given one, in UTC."""
    assert expected == next_time(expression, after)


@pytest.mark.parametrize(
    "expression", ["", "* * * *", "* * * * * *", "60 * * * *", "x * * * *", "0 0 31 2 *", "@daily"]
)
def test_no_expression(expression):
    """Anything other than a cron expression of five fields is rejected."""
    with pytest.raises(ValueError):  # noqa: PT011 - each has its own words
        explain(expression)


def test_due():
    """A schedule is due once for each of its times."""
    assert ([], HOUR) == due([SCHEDULE], 0, HOUR - 1)
    assert ([(SCHEDULE, HOUR)], None) == due([SCHEDULE], 0, HOUR)
    started = attrs.evolve(SCHEDULE, last_scheduled=HOUR)
    assert ([], 2 * HOUR) == due([started], 0, HOUR)


def test_what_was_missed():
    """Times before the server started, or more than a minute ago, are skipped."""
    assert ([], 4 * HOUR) == due([SCHEDULE], 3 * HOUR, 3 * HOUR + 1)
    assert ([(SCHEDULE, 3 * HOUR)], None) == due([SCHEDULE], 0, 3 * HOUR + MINUTE - 1)
    assert ([], 4 * HOUR) == due([SCHEDULE], 0, 3 * HOUR + MINUTE)


def test_nothing_scheduled():
    """Without schedules there is no next due time."""
    assert ([], None) == due([], 0, HOUR)


@pytest.mark.parametrize(
    ("session", "now", "refused"),
    [
        (SESSION, HOUR - 1, False),
        (SESSION, HOUR, True),
        (attrs.evolve(SESSION, type="CLIENT_CREDENTIALS"), HOUR, False),
        (attrs.evolve(SESSION, status="REVOKED"), 0, True),
        (None, 0, True),
    ],
)
def test_refusal(session, now, refused):
    """A session of one token ends with the token. Others are renewed until they are revoked."""
    assert refused == (refusal(READY, session, now) is not None)


def test_not_ready():
    """A function that is not ready is not called."""
    failed = SimpleNamespace(id=1, build=SimpleNamespace(status="Failed"))
    assert "not ready" in refusal(failed, SESSION, 0)
