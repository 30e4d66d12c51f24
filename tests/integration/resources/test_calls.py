"""`client.calls` against a local server."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import attrs
import pytest
import pytest_asyncio

from aiocdf import CallStatus, DecodeError, InvalidArgument, InvalidType, ItemList, Listing, NotFound

pytestmark = pytest.mark.asyncio(loop_scope="package")
UNKNOWN = 2**53 - 1


@attrs.frozen
class Value:
    value: int


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def calls(client):
    """Seven calls that completed, the first first."""
    return [await client.call("triple", {"x": x}) for x in range(7)]


@pytest_asyncio.fixture(scope="module", loop_scope="package")
async def doubled(client):
    """A call that returned an object and printed a line."""
    return await client.call("double", {"x": 5})


class TestList:
    async def test_all_of_a_function(self, client, calls):
        """Listing gives each call of the function once, the newest first, whatever the function is named by."""
        listing = client.calls.list("triple")
        assert isinstance(listing, Listing)
        listed = await listing
        assert isinstance(listed, ItemList)
        assert [call.id for call in listed] == [call.id for call in reversed(calls)]
        assert listed == await client.calls.list(calls[0].function_id)

    async def test_page_by_page(self, client, calls, monkeypatch):
        """Pages of two calls give the same calls in the same order."""
        listing = client.calls.list("triple")
        monkeypatch.setattr(listing, "_page_size", 2)
        assert [call.id async for call in listing] == [call.id for call in reversed(calls)]

    async def test_limit(self, client, calls):
        """No more calls come than the limit says."""
        assert [call.id for call in await client.calls.list("triple", limit=2)] == [calls[6].id, calls[5].id]

    async def test_by_status(self, client, calls):
        """Only calls with the status come."""
        failed = await client.call("fails").wait()
        assert [call.id for call in await client.calls.list("fails", status="Failed")] == [failed.id]
        assert await client.calls.list("triple", status=CallStatus.Failed) == []

    async def test_by_times(self, client, calls):
        """Both ends of a span count; a span may be open."""
        start, end = calls[3].start_time, calls[3].end_time
        within = await client.calls.list("triple", start_time=(start, start), end_time=(end, None))
        assert calls[3].id in {call.id for call in within}
        assert {call.start_time for call in within} == {start}
        tomorrow = datetime.now(UTC) + timedelta(days=1)
        assert await client.calls.list("triple", start_time=(tomorrow, None)) == []

    async def test_by_schedule(self, client, calls):
        """Calls that no schedule started are not of a schedule."""
        assert await client.calls.list("triple", schedule_id=1) == []

    async def test_unknown_function(self, client):
        """A listing raises when it is read, not when it is made."""
        listing = client.calls.list("nowhere")
        with pytest.raises(NotFound) as caught:
            await listing
        assert caught.value.missing[0]["externalId"] == "nowhere"

    @pytest.mark.parametrize(
        ("wanted", "error"),
        [
            ({"status": "running"}, InvalidArgument),
            ({"status": 1}, InvalidType),
            ({"schedule_id": 0}, InvalidArgument),
            ({"start_time": datetime.now(UTC)}, InvalidType),
            ({"start_time": (datetime(2026, 1, 1), None)}, InvalidArgument),  # noqa: DTZ001 - that is the mistake
            ({"end_time": (datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC))}, InvalidArgument),
            ({"limit": -1}, InvalidArgument),
        ],
    )
    async def test_invalid_conditions(self, client, wanted, error):
        """An invalid argument raises when the listing is made, and the message names it."""
        with pytest.raises(error, match=next(iter(wanted)).split("_")[0]):
            client.calls.list("triple", **wanted)


class TestRetrieve:
    async def test_one(self, client, calls):
        """A call as it stands, by the function's name or id."""
        assert await client.calls.retrieve("triple", calls[0].id) == calls[0]
        assert await client.calls.retrieve(calls[0].function_id, calls[0].id) == calls[0]

    async def test_unknown(self, client, calls):
        """An unknown call raises."""
        with pytest.raises(NotFound):
            await client.calls.retrieve("triple", UNKNOWN)

    async def test_many(self, client, calls):
        """Calls come in the order of the ids, one for each of them."""
        ids = [calls[n].id for n in (4, 0, 4, 2)]
        assert [call.id for call in await client.calls.retrieve_many("triple", ids)] == ids
        assert await client.calls.retrieve_many("triple", []) == []

    async def test_many_with_unknown(self, client, calls):
        """An unknown id raises and is named, or is left out."""
        ids = [calls[0].id, UNKNOWN, calls[1].id]
        with pytest.raises(NotFound) as caught:
            await client.calls.retrieve_many("triple", ids)
        assert [item["id"] for item in caught.value.missing] == [UNKNOWN]
        found = await client.calls.retrieve_many("triple", ids, ignore_unknown=True)
        assert [call.id for call in found] == [ids[0], ids[2]]

    async def test_in_chunks(self, client, calls, monkeypatch):
        """More ids than one request takes go with several, and come back in order."""
        monkeypatch.setattr("aiocdf.resources.calls._MOST_BY_IDS", 2)
        ids = [call.id for call in calls]
        assert [call.id for call in await client.calls.retrieve_many("triple", ids)] == ids
        with pytest.raises(NotFound):
            await client.calls.retrieve_many("triple", [*ids, UNKNOWN])

    @pytest.mark.parametrize("ids", ["12", [0], [1.5], None])
    async def test_invalid_ids(self, client, ids):
        """What are not ids raises before anything is sent."""
        with pytest.raises((InvalidType, InvalidArgument)):
            await client.calls.retrieve_many("triple", ids)


class TestResponse:
    async def test_plain_and_typed(self, client, doubled):
        """The response is JSON, or a value of the requested type."""
        assert await client.calls.response("double", doubled.id) == {"value": 10}
        assert await client.calls.response("double", doubled.id, Value) == Value(10)
        with pytest.raises(DecodeError):
            await client.calls.response("double", doubled.id, list[int])

    async def test_unknown(self, client):
        """An unknown call has no response."""
        with pytest.raises(NotFound):
            await client.calls.response("double", UNKNOWN)


class TestLogs:
    async def test_of_an_ended_call(self, client, doubled):
        """The lines come once, with and without following."""
        for follow in (False, True):
            logs = [entry.message async for entry in client.calls.logs("double", doubled.id, follow=follow)]
            assert logs == ["doubling"]

    async def test_following_a_running_call(self, client):
        """Lines come while the call runs, and the iteration ends with the call."""
        call = await client.call("count").submitted()
        lines = []
        async for entry in client.calls.logs("count", call.id, follow=True):
            lines.append(entry.message)
            if len(lines) == 1:
                assert not (await client.calls.retrieve("count", call.id)).ended
        assert lines == ["0", "1", "2"]
        assert (await client.calls.retrieve("count", call.id)).ended

    async def test_left_early(self, client):
        """An iteration that is cancelled ends at once."""
        call = await client.call("count").submitted()

        async def follow():
            async for _ in client.calls.logs("count", call.id, follow=True):
                pass

        with pytest.raises(TimeoutError):
            await asyncio.wait_for(follow(), 0.1)

    async def test_unknown(self, client):
        """An unknown call has no logs."""
        with pytest.raises(NotFound):
            _ = [entry async for entry in client.calls.logs("double", UNKNOWN)]
