"""The schedules endpoints, and the calls that schedules start."""

from __future__ import annotations

import asyncio
import sys

import pytest
import pytest_asyncio

from aiocdf.local import serve
from aiocdf.local.api.scheduler import Scheduler
from aiocdf.local.state.records import now_ms

pytestmark = pytest.mark.own_server

UNKNOWN = 2**53 - 1


async def create(api, **changes):
    """The response to the creation of a schedule."""
    item = {"name": "often", "cronExpression": "* * * * *", "functionId": 1, "nonce": await api.nonce()} | changes
    return await api.post("/functions/schedules", {"items": [item]})


async def test_create(api):
    """A schedule has its fields and an explanation of the cron expression, but no nonce and no data."""
    before = now_ms()
    answer = await create(api, description="why", data={"x": 1}, cronExpression="*/5 1 * * *")
    (schedule,) = answer.body["items"]
    assert (201, True) == (answer.status, before <= schedule["createdTime"] <= now_ms())
    expected = {"name": "often", "description": "why", "cronExpression": "*/5 1 * * *", "functionId": 1}
    assert expected.items() < schedule.items()
    assert "minute" in schedule["when"]
    assert {"id", "createdTime", "when", "sessionId"} == set(schedule) - set(expected)
    (session,) = (await api.post("/sessions/byids", {"items": [{"id": schedule["sessionId"]}]})).body["items"]
    assert "ACTIVE" == session["status"]
    assert schedule == (await api.get(f"/functions/schedules/{schedule['id']}")).body
    data = await api.get(f"/functions/schedules/{schedule['id']}/input_data")
    assert {"id": schedule["id"], "data": {"x": 1}} == data.body


async def test_no_data(api):
    """A schedule without data has no data."""
    schedule = (await create(api)).body["items"][0]
    data = await api.get(f"/functions/schedules/{schedule['id']}/input_data")
    assert {"id": schedule["id"]} == data.body


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": None}, "items[0].name"),
        ({"name": "x" * 141}, "items[0].name"),
        ({"description": "x" * 501}, "items[0].description"),
        ({"cronExpression": "* * * *"}, "items[0].cronExpression"),
        ({"cronExpression": "* * * * * *"}, "items[0].cronExpression"),
        ({"cronExpression": "61 * * * *"}, "items[0].cronExpression"),
        ({"cronExpression": "* " * 600}, "items[0].cronExpression"),
        ({"cronExpression": None}, "items[0].cronExpression"),
        ({"functionId": None}, "items[0]"),
        ({"functionExternalId": "double"}, "items[0]"),
        ({"functionId": "1"}, "items[0].functionId"),
        ({"data": []}, "items[0].data"),
        ({"nonce": None}, "items[0].nonce"),
        ({"data": {"text": "x" * 2_001}}, "data"),
    ],
)
async def test_bad_schedule(api, change, field):
    """A schedule that breaks the document is rejected with the field's name."""
    answer = await create(api, **change)
    assert (400, field) == (answer.status, answer.error["message"].partition(" ")[0])


async def test_by_external_id(api):
    """The external id of a function is rejected with the service's message, though the document still has it."""
    answer = await create(api, functionId=None, functionExternalId="double")
    assert 400 == answer.status
    assert "you must use 'function_id' and not 'function_external_id'" in answer.error["message"]


async def test_dead_nonce(api):
    """A nonce that is not valid, or a function that is not ready, is rejected with the service's message."""
    broken = await api.function_id("broken")
    for change in ({"nonce": "none"}, {"functionId": broken}):
        answer = await create(api, **change)
        assert (400, "Failed to bind session on schedule with id None.") == (answer.status, answer.error["message"])


async def test_unknown_function(api):
    """An unknown function is named."""
    answer = await create(api, functionId=UNKNOWN)
    assert (400, [{"id": UNKNOWN}]) == (answer.status, answer.error["missing"])


async def test_list(api):
    """Schedules are listed newest first, and filtered by their fields."""
    echo = await api.function_id("echo")
    first = (await create(api, name="first")).body["items"][0]
    second = (await create(api, functionId=echo, cronExpression="5 * * * *")).body["items"][0]
    assert [second, first] == (await api.get("/functions/schedules")).body["items"]
    assert [second] == (await api.get("/functions/schedules?limit=1")).body["items"]
    for wanted, expected in (
        ({}, [second, first]),
        ({"name": "first"}, [first]),
        ({"functionId": echo}, [second]),
        ({"FunctionId": echo}, [second]),
        ({"functionExternalId": "double"}, [first]),
        ({"cronExpression": "5 * * * *"}, [second]),
        ({"createdTime": {"max": 5}}, []),
        ({"createdTime": {"min": first["createdTime"]}, "name": "first"}, [first]),
    ):
        answer = await api.post("/functions/schedules/list", {"filter": wanted})
        assert expected == answer.body["items"], wanted


async def test_bad_filter(api):
    """At most one of the ids of a function is allowed."""
    answer = await api.post("/functions/schedules/list", {"filter": {"functionId": 1, "functionExternalId": "double"}})
    assert 400 == answer.status


async def test_unknown(api):
    """Unknown schedules are named, or can be ignored."""
    known = (await create(api)).body["items"][0]["id"]
    for path in (f"/functions/schedules/{UNKNOWN}", f"/functions/schedules/{UNKNOWN}/input_data"):
        answer = await api.get(path)
        assert (400, [{"id": UNKNOWN}]) == (answer.status, answer.error["missing"])
    items = [{"id": known}, {"id": UNKNOWN}]
    for path in ("byids", "delete"):
        refused = await api.post(f"/functions/schedules/{path}", {"items": items})
        assert (400, items[1:]) == (refused.status, refused.error["missing"])
    found = await api.post("/functions/schedules/byids", {"items": items, "ignoreUnknownIds": True})
    assert [known] == [schedule["id"] for schedule in found.body["items"]]
    answer = await api.post("/functions/schedules/delete", {"items": items, "ignoreUnknownIds": True})
    assert 400 == answer.status  # it is not documented to ignore any


async def test_delete(api):
    """Deleting a schedule revokes its session."""
    schedule = (await create(api)).body["items"][0]
    answer = await api.post("/functions/schedules/delete", {"items": [{"id": schedule["id"]}]})
    assert (200, {}) == (answer.status, answer.body)
    assert [] == (await api.get("/functions/schedules")).body["items"]
    (session,) = (await api.post("/sessions/byids", {"items": [{"id": schedule["sessionId"]}]})).body["items"]
    assert "REVOKED" == session["status"]


class Clock:
    """A clock that the test sets forward."""

    def __init__(self):
        self.ahead = 0
        self.schedulers = []

    def __call__(self):
        return now_ms() + self.ahead

    def make(self, **parts):
        self.schedulers.append(Scheduler(**parts, clock=self))
        return self.schedulers[-1]

    def forward(self, milliseconds):
        self.ahead += milliseconds
        for scheduler in self.schedulers:
            scheduler.wake()


@pytest.fixture
def clock(monkeypatch):
    """The clock of the schedulers of new servers."""
    clock = Clock()
    monkeypatch.setattr("aiocdf.local.assembly.Scheduler", clock.make)
    return clock


@pytest_asyncio.fixture(loop_scope="module")
async def scheduled(clock, root, connect):
    """A client of a server whose scheduler uses the clock of the test."""
    (root / "info").mkdir()
    (root / "info" / "handler.py").write_text(
        "def handle(data, function_call_info):\n    return [data, function_call_info]\n"
    )
    async with serve(root) as server:
        yield await connect(server)


async def fired(api, schedule):
    """The calls of a schedule, when there is one and all have ended."""
    calls = []
    while not calls or any(call["status"] == "Running" for call in calls):
        await asyncio.sleep(0.01)
        body = {"filter": {"scheduleId": schedule["id"]}}
        calls = (await api.post(f"/functions/{schedule['functionId']}/calls/list", body)).body["items"]
    return calls


async def test_it_fires(scheduled, clock):
    """A schedule starts a call with its data at each time of its expression. The call has the schedule's id."""
    info = await scheduled.function_id("info")
    schedule = (await create(scheduled, functionId=info, data={"x": 1})).body["items"][0]
    clock.forward(61_000)
    (call,) = await fired(scheduled, schedule)
    assert ("Completed", schedule["id"]) == (call["status"], call["scheduleId"])
    assert 0 == call["scheduledTime"] % 60_000
    path = f"/functions/{info}/calls/{call['id']}/response"
    expected = {
        "function_id": info,
        "call_id": call["id"],
        "schedule_id": schedule["id"],
        "scheduled_time": call["scheduledTime"],
    }
    assert [{"x": 1}, expected] == (await scheduled.get(path)).body["response"]
    clock.forward(60_000)
    while len(calls := await fired(scheduled, schedule)) < 2:
        pass
    assert 60_000 == calls[0]["scheduledTime"] - calls[1]["scheduledTime"]


async def test_a_dead_session(scheduled, clock):
    """The calls of a schedule whose session was revoked are Failed, and their logs say why."""
    schedule = (await create(scheduled)).body["items"][0]
    await scheduled.post("/sessions/revoke", {"items": [{"id": schedule["sessionId"]}]})
    clock.forward(61_000)
    (call,) = await fired(scheduled, schedule)
    items = (await scheduled.get(f"/functions/1/calls/{call['id']}/logs")).body["items"]
    assert "Failed" == call["status"]
    assert "Could not fetch a valid token" in items[0]["message"]


async def test_deleted_schedules_do_not_fire(scheduled, clock):
    """A deleted schedule, and a schedule of a deleted function, start no calls."""
    gone = (await create(scheduled)).body["items"][0]
    await scheduled.post("/functions/schedules/delete", {"items": [{"id": gone["id"]}]})
    schedule = (await create(scheduled, functionId=await scheduled.function_id("echo"))).body["items"][0]
    clock.forward(61_000)
    await fired(scheduled, schedule)
    calls = (await scheduled.post("/functions/1/calls/list", {"filter": {"scheduleId": gone["id"]}})).body["items"]
    assert [] == calls


async def test_schedules_outlive_the_server(clock, root, connect, tmp_path):
    """The next server with the same state has the schedules and starts their calls."""
    async with serve(root, state=tmp_path / "state") as server:
        schedule = (await create(await connect(server), data={"x": 2})).body["items"][0]
    async with serve(root, state=tmp_path / "state") as server:
        api = await connect(server)
        assert [schedule] == (await api.get("/functions/schedules")).body["items"]
        clock.forward(61_000)
        (call,) = await fired(api, schedule)
        assert "Completed" == call["status"]


MODULE = {
    "fn.Function.yaml": "name: Echo\nexternalId: fn\n",
    "fn/handler.py": "def handle(data):\n    return data\n",
    "all.Schedule.yaml": (
        "- {name: often, functionExternalId: fn, cronExpression: '* * * * *', data: {x: 1}}\n"
        "- {name: bad, functionExternalId: fn, cronExpression: 'x'}\n"
        "- {name: lost, functionExternalId: nowhere, cronExpression: '* * * * *'}\n"
    ),
}


async def test_schedules_of_a_module(clock, connect, tmp_path, caplog):
    """The schedules of a Cognite Toolkit module start calls. Those that are not valid are skipped and logged."""
    for name, text in MODULE.items():
        path = tmp_path / "functions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    for start in (1, 2):
        async with serve(tmp_path, state=tmp_path / "state") as server:
            api = await connect(server)
            (schedule,) = (await api.get("/functions/schedules")).body["items"]
            assert ("often", "* * * * *") == (schedule["name"], schedule["cronExpression"])
            clock.forward(61_000)
            while len(calls := await fired(api, schedule)) < start:
                pass
            assert {"Completed"} == {call["status"] for call in calls}
    assert {"'bad'", "'lost'"} == {word for word in ("'bad'", "'lost'", "'often'") if word in caplog.text}
    (tmp_path / "functions" / "all.Schedule.yaml").unlink()
    async with serve(tmp_path, state=tmp_path / "state") as server:
        assert [] == (await (await connect(server)).get("/functions/schedules")).body["items"]


async def test_without_the_package(api, monkeypatch):
    """Without the package for cron expressions, the error says what to install."""
    monkeypatch.setitem(sys.modules, "cronsim", None)
    answer = await create(api)
    assert (400, True) == (answer.status, "aiocdf[local]" in answer.error["message"])
