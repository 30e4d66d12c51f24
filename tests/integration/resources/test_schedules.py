"""`client.schedules` against a local server."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio

from aiocdf import (
    BadRequest,
    ConfigError,
    FunctionSchedule,
    InvalidArgument,
    InvalidType,
    NotFound,
    SecretInDataWarning,
    UsageError,
)

pytestmark = pytest.mark.asyncio(loop_scope="package")
NEVER = "0 0 1 1 *"  # a minute of the year that no test sees
UNKNOWN = 2**53 - 1


@pytest_asyncio.fixture(loop_scope="package")
async def schedules(client):
    """The resource, with no schedule before and after."""
    yield client.schedules
    await client.schedules.delete([schedule.id for schedule in await client.schedules.list()])


async def test_create_and_read(client, schedules):
    """A schedule that was created is found by its id, in lists, and has the data that it was given."""
    made = await schedules.create("yearly", NEVER, function="double", data={"x": 2}, description="once")
    assert isinstance(made, FunctionSchedule)
    assert (made.name, made.cron_expression, made.description) == ("yearly", NEVER, "once")
    assert made.function_id == (await client.functions.retrieve("double")).id
    assert made.created_time is not None
    assert made.when
    assert await schedules.retrieve(made.id) == made
    assert await schedules.list() == [made]
    assert await schedules.input_data(made.id) == {"x": 2}


async def test_without_data(schedules):
    """A schedule without data has an empty object, as its calls get."""
    made = await schedules.create("yearly", NEVER, function="double")
    assert await schedules.input_data(made.id) == {}


async def test_session(client, schedules):
    """The schedule's calls act by a session that lasts, made as those of calls are, or of the nonce that was given."""
    made = await schedules.create("yearly", NEVER, function="double")
    assert (await client.sessions.retrieve(made.session_id)).type == "CLIENT_CREDENTIALS"
    own = await client.sessions.create(grant="token_exchange")
    made = await schedules.create("yearly", NEVER, function="double", nonce=own.nonce)
    assert made.session_id == own.id
    await schedules.delete(made.id)
    assert (await client.sessions.retrieve(own.id)).status == "REVOKED"


async def test_dead_nonce(client, schedules):
    """A nonce that cannot be used raises, and a note names the other reason for the service's words."""
    with pytest.raises(BadRequest) as caught:
        await schedules.create("yearly", NEVER, function="double", nonce="used")
    assert len(caught.value.__notes__) == 1


async def test_filters(client, schedules):
    """Each condition narrows the list."""
    of_double = await schedules.create("a", NEVER, function="double")
    of_fails = await schedules.create("b", "1 0 1 1 *", function="fails")
    assert await schedules.list(function="double") == [of_double]
    assert await schedules.list(function=of_fails.function_id) == [of_fails]
    assert await schedules.list(name="b") == [of_fails]
    assert await schedules.list(cron=NEVER) == [of_double]
    now = datetime.now(UTC)
    assert len(await schedules.list(created_time=(now - timedelta(minutes=5), None))) == 2
    assert await schedules.list(created_time=(now + timedelta(minutes=5), None)) == []
    assert len(await schedules.list(limit=1)) == 1


async def test_many(schedules):
    """Schedules come in the order of the ids; unknown ones raise, or are left out."""
    made = [await schedules.create(str(n), NEVER, function="double") for n in range(3)]
    ids = [made[2].id, made[0].id, made[2].id]
    assert [each.id for each in await schedules.retrieve_many(ids)] == ids
    with pytest.raises(NotFound) as caught:
        await schedules.retrieve_many([made[0].id, UNKNOWN])
    assert [item["id"] for item in caught.value.missing] == [UNKNOWN]
    assert await schedules.retrieve_many([made[0].id, UNKNOWN], ignore_unknown=True) == [made[0]]


async def test_delete(schedules):
    """What was deleted is not found; one id and several can be given."""
    made = [await schedules.create(str(n), NEVER, function="double") for n in range(3)]
    await schedules.delete(made[0].id)
    await schedules.delete([each.id for each in made[1:]])
    assert await schedules.list() == []
    with pytest.raises(NotFound):
        await schedules.retrieve(made[0].id)
    with pytest.raises(NotFound):
        await schedules.delete(made[0].id)
    with pytest.raises(NotFound):
        await schedules.input_data(made[0].id)


@pytest.mark.parametrize(
    ("changes", "error", "field"),
    [
        ({"name": ""}, InvalidArgument, "name"),
        ({"name": "n" * 141}, InvalidArgument, "name"),
        ({"name": 5}, InvalidType, "name"),
        ({"cron": "* * * *"}, InvalidArgument, "cron"),
        ({"cron": "61 * * * *"}, InvalidArgument, "cron"),
        ({"cron": "* * * * " + "1," * 600 + "1"}, InvalidArgument, "cron"),
        ({"description": "d" * 501}, InvalidArgument, "description"),
        ({"data": {"x": object()}}, InvalidType, "data"),
        ({"data": [1]}, InvalidType, "data"),
        ({"nonce": 5}, InvalidType, "nonce"),
        ({"function": 0}, InvalidArgument, "function"),
    ],
)
async def test_invalid_arguments(client, schedules, changes, error, field):
    """An invalid argument raises before anything is sent, and the message names it."""
    before = client.stats().requests
    with pytest.raises(error, match=field):
        await schedules.create(**({"name": "n", "cron": NEVER, "function": "double"} | changes))
    assert client.stats().requests == before


async def test_secrets_in_data(schedules):
    """Data that seems to contain a secret causes a warning, as the data of calls does."""
    with pytest.warns(SecretInDataWarning):
        await schedules.create("yearly", NEVER, function="double", data={"password": "correct horse battery"})


async def test_unknown_function(schedules):
    """A function that does not exist is named."""
    with pytest.raises(NotFound) as caught:
        await schedules.create("yearly", NEVER, function="nowhere")
    assert caught.value.missing[0]["externalId"] == "nowhere"


async def test_next_runs(client, schedules):
    """The next times of a schedule or an expression are in UTC and in the future; nothing is sent."""
    made = await schedules.create("yearly", NEVER, function="double")
    before = client.stats().requests
    runs = schedules.next_runs(made, 2)
    assert runs == schedules.next_runs(NEVER, 2)
    assert [(run.month, run.day, run.hour, run.minute, run.tzinfo) for run in runs] == [(1, 1, 0, 0, UTC)] * 2
    assert datetime.now(UTC) < runs[0]
    assert len(schedules.next_runs("* * * * *")) == 5
    assert client.stats().requests == before
    for wrong in ({"count": 0}, {"schedule": "* * *"}):
        with pytest.raises(UsageError):
            schedules.next_runs(**({"schedule": NEVER} | wrong))


async def test_without_cronsim(schedules, monkeypatch):
    """Without the extra, an expression's fields are counted, and run times name the extra."""
    monkeypatch.setitem(sys.modules, "cronsim", None)
    with pytest.raises(InvalidArgument):
        await schedules.create("n", "* * *", function="double")
    with pytest.raises(ConfigError, match=r"aiocdf\[deploy\]"):
        schedules.next_runs(NEVER)
