from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from itertools import pairwise

import attrs
import pytest

from aiocdf import (
    AuthError,
    CallLost,
    ConnectError,
    DecodeError,
    NotFound,
    PermissionDenied,
    Polling,
    ProtocolError,
    RateLimited,
    TransportTimeout,
    WaitExpired,
)

pytestmark = pytest.mark.looptime


def now():
    return asyncio.get_running_loop().time()


class TestSharing:
    async def test_one_request_for_all_calls_of_a_function(self, client, service):
        """The number of polls depends on the functions and the time, not on the number of calls."""
        handles = [client.call(function, data={"seconds": 30}) for function in (1, 2) for _ in range(100)]
        await asyncio.gather(*handles)
        polls = service.of("poll")
        assert max(len(seen.body["items"]) for seen in polls) == 100
        assert len(polls) < 2 * 31 / 0.25
        assert client.stats().polls == len(polls)

    @pytest.mark.parametrize(("calls", "part"), [(100, 1.0), (300, 0.7)])
    async def test_never_faster_than_the_floor(self, client, service, calls, part):
        """Two polls of a function are never nearer than the floor, jitter aside, or than a part of it while calls queue."""
        await asyncio.gather(*(client.call(1, data={"seconds": n % 7}) for n in range(calls)))
        times = [seen.at for seen in service.of("poll")]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert min(gaps) >= 0.9 * part * Polling().floor

    async def test_old_calls_are_asked_after_rarely(self, client, service):
        """A call that runs for minutes costs a poll every few seconds, and its end is seen within the cap."""
        call = await client.call(1, data={"seconds": 300})
        assert service.count("poll") < 110
        assert now() - service.calls[call.id].ends < 1.1 * Polling().cap + 1

    async def test_new_call_of_a_known_function(self, client, service):
        """A call is first polled at the floor if nothing is known, and later if no call ever ended that soon."""
        waited = []
        for _ in range(2):
            started = now()
            polls = service.count("poll")
            handles = [client.call(1, data={"seconds": 30}) for _ in range(50)]
            while service.count("poll") == polls:
                await asyncio.sleep(0.01)
            waited.append(now() - started)
            await asyncio.gather(*handles)
        assert waited[0] < 0.5
        assert waited[1] > 1.5 * waited[0]

    async def test_places_are_wanted(self, service):
        """While a call waits for a place, ends are looked for more often, but at most twice as often."""
        polls = []
        for count in (20, 21):
            async with service.client(function_limit=20) as client:
                handles = [client.call(1, data={"seconds": 60}) for _ in range(count)]
                await asyncio.sleep(50)
                polls.append(client.stats().polls)
                for handle in handles:
                    handle.cancel()
        assert polls[0] < polls[1] <= 2 * polls[0]

    async def test_last_one_is_wanted(self, service):
        """A single call is polled more often than one of many, also of many of other functions."""
        async with service.client(polling=Polling(cap=100.0)) as client:
            await asyncio.gather(*(client.call(1, data={"seconds": 60}) for _ in range(100)))
            polls = []
            for others in (0, 50):
                service.seen.clear()
                handles = [client.call(2, data={"seconds": 60}) for _ in range(others)]
                await client.call(1, data={"seconds": 60})
                polls.append(sum(seen.function == 1 for seen in service.of("poll")))
                await asyncio.gather(*handles)
        assert polls[0] > 1.4 * polls[1]

    @pytest.mark.parametrize(("functions", "together"), [(8, 8), (40, 8)])
    async def test_functions_are_polled_together(self, service, functions, together):
        """Functions that are due at about the same time are polled at once, and not too many of them."""
        service.functions = {f"f{number}": number for number in range(1, functions + 1)}
        async with service.client() as client:
            calls = [client.call(number % functions + 1, data={"seconds": 5}) for number in range(40)]
            await asyncio.gather(*calls)
        at_once = Counter(seen.at for seen in service.of("poll"))
        assert max(at_once.values()) == together
        assert len(at_once) < 0.5 * service.count("poll")

    async def test_budget_holds_over_all_functions(self, service):
        """However many functions have running calls, polls stay within the budget of the project."""
        service.functions = {f"f{number}": number for number in range(1, 201)}
        async with service.client(polling=Polling(budget=20.0)) as client:
            await asyncio.gather(*(client.call(number, data={"seconds": 20}) for number in range(1, 201)))
        assert service.count("poll") / now() < 21

    async def test_wait_for_the_budget_loses_nothing(self, service):
        """A poll that waits for its turn includes the calls that were accepted meanwhile."""
        running = [service.start(function, seconds=60) for function in (1, 2)]
        async with service.client(polling=Polling(budget=0.5)) as client:
            for call in running:
                client.attach(call.function, call.id)
            await asyncio.sleep(0.5)
            assert service.count("poll") == 1
            new = await client.call(2, data={"seconds": 60}).submitted()
            await asyncio.sleep(1.0)
        assert [len(poll.body["items"]) for poll in service.of("poll")] == [1, 2]
        assert {"id": new.id} in service.of("poll")[1].body["items"]

    async def test_large_functions_are_asked_in_chunks(self, service):
        """More than a thousand running calls of a function take more than one request."""
        calls = [service.start(seconds=3) for _ in range(1100)]
        async with service.client() as client:
            await asyncio.gather(*(client.attach(1, call.id) for call in calls))
        assert max(len(seen.body["items"]) for seen in service.of("poll")) == 1000

    async def test_idle_client_asks_nothing(self, client, service):
        """Once all calls have ended, nothing is sent any more."""
        await asyncio.gather(client.call(1), client.call(2))
        before = len(service.seen)
        await asyncio.sleep(600)
        assert len(service.seen) == before


class TestFaults:
    @pytest.mark.parametrize("spell", [str, float])
    async def test_ids_in_other_forms(self, client, service, spell):
        """A poll reads an id as the answer to the start is read: text and whole floats are ids, too."""
        handle = client.call(1, data={"seconds": 3, "value": 1})
        started = await handle.submitted()
        (call,) = service.calls.values()
        wire = {**call.wire, "id": spell(call.id), "status": "Completed", "endTime": call.wire["startTime"] + 3000}
        service.fault("poll", service.answer(200, {"items": [wire]}))
        assert (await handle).id == started.id

    @pytest.mark.parametrize(
        "fault",
        [
            ConnectError("no route"),
            TransportTimeout("slow"),
            ProtocolError("reset"),
            (500, "oops"),
            (502, "bad gateway"),
            (503, "busy"),
            (429, "slow down"),
            (401, "who are you?"),
            (403, "not you"),
            (400, "what?"),
            (404, "where?"),
        ],
        ids=str,
    )
    async def test_a_failed_poll_fails_no_call(self, client, service, fault):
        """Two polls that end badly do not end the call."""
        fault = service.error(*fault) if isinstance(fault, tuple) else fault
        service.fault("poll", fault, fault)
        assert (await client.call(1, data={"seconds": 3})).status == "Completed"

    @pytest.mark.parametrize(
        "body",
        [
            "<html>Hello</html>",
            "[]",
            '{"items": 5}',
            '{"items": [5, null]}',
            '{"items": [{"id": [1]}]}',
            '{"items": [{"id": 12345, "status": "Failed"}]}',
        ],
    )
    async def test_nonsense_fails_no_call(self, client, service, body):
        """Two answers that make no sense do not end the call."""
        nonsense = service.answer(200, body, {"content-type": "text/html"})
        service.fault("poll", nonsense, nonsense)
        assert (await client.call(1, data={"seconds": 3})).status == "Completed"

    @pytest.mark.parametrize(
        "fault",
        [
            ConnectError("no route"),
            (503, "busy"),
            (401, "who are you?"),
            (302, "sign in"),
            (408, "too slow"),
            (425, "too early"),
            (429, "too many requests"),
        ],
        ids=str,
    )
    async def test_short_outage(self, client, service, caplog, fault):
        """An outage of minutes is survived, with one warning that says what is happening."""
        handle = client.call(1, data={"seconds": 120})
        await asyncio.sleep(1)
        service.always("poll", service.error(*fault) if isinstance(fault, tuple) else fault)
        await asyncio.sleep(200)
        service.always("poll", None)
        assert (await handle).runtime == 120
        warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
        assert len(warnings) == 1
        assert "no poll has had a usable answer for 1" in warnings[0]

    async def test_long_outage(self, client, service):
        """A service that is not reached for ten minutes loses the calls, with the references to find them again."""
        handle = client.call("double", data={"seconds": 640})
        await asyncio.sleep(1)
        service.always("poll", ConnectError("no route"))
        with pytest.raises(CallLost, match=r"no route.*client\.attach\('cdf:") as caught:
            await handle
        assert caught.value.ref == handle.ref
        assert isinstance(caught.value.__cause__, ConnectError)
        assert 600 <= now() < 620
        service.always("poll", None)
        assert (await client.attach(caught.value.ref)).runtime == 640

    async def test_fault_of_our_own(self, client, service, reports):
        """A fault in aiocdf itself, or in what a session calls, counts as an outage: the wait has an end."""
        handle = client.call(1, data={"seconds": 30})
        await handle.submitted()
        service.always("poll", RuntimeError("a bug"))
        with pytest.raises(CallLost, match="a bug"):
            await handle
        assert 600 <= now() < 640
        assert {str(report["exception"]) for report in reports} == {"a bug"}
        reports.clear()

    @pytest.mark.parametrize("status", [400, 403, 404])
    async def test_polls_refused_but_calls_told_of(self, client, service, status):
        """Where polls are refused, but a single call can be read, the call is not lost, and few requests read it."""
        handle = client.call(1, data={"seconds": 200})
        await handle.submitted()
        service.always("poll", service.error(status, "no"))
        await asyncio.sleep(150)
        assert not handle.done()
        assert 0 < service.count("retrieve") < service.count("poll")
        service.always("poll", None)
        assert (await handle).runtime == 200

    async def test_end_seen_otherwise(self, client, service):
        """An end that is seen while a refusal is verified is an end."""
        handle = client.call(1, data={"seconds": 10})
        await handle.submitted()
        service.always("poll", service.error(403, "forbidden"))
        assert (await handle).runtime == 10

    async def test_verified_by_an_outage(self, client, service):
        """A refusal that could not be verified ends no call."""
        handle = client.call(1, data={"seconds": 150})
        await handle.submitted()
        service.always("poll", service.error(403, "forbidden"))
        service.always("retrieve", service.error(503, "busy"))
        await asyncio.sleep(100)
        assert not handle.done()
        service.always("poll", None)
        assert (await handle).runtime == 150

    async def test_refused_now_and_then(self, client, service):
        """Refusals among answers end no call."""
        service.fault("poll", *[service.error(403, "forbidden"), None] * 100)
        assert (await client.call(1, data={"seconds": 100})).runtime == 100
        assert service.count("retrieve") == 0

    @pytest.mark.parametrize(
        "wrong", [ConnectError("bad certificate", passing=False), AuthError("no file")], ids=["certificate", "token"]
    )
    async def test_what_does_not_heal(self, client, service, wrong):
        """Where no poll can ever succeed, handles end at once, with their references."""
        handles = [client.call(1, data={"seconds": 60}) for _ in range(10)]
        await asyncio.gather(*(handle.submitted() for handle in handles))
        service.always("poll", wrong)
        ended = await asyncio.gather(*handles, return_exceptions=True)
        assert {type(error) for error in ended} == {CallLost}
        assert now() < 5
        assert [error.ref for error in ended] == [handle.ref for handle in handles]
        assert str(ended[0].__cause__) == str(wrong)
        assert client.stats().places == 0

    async def test_no_token_for_a_while(self, client, service):
        """A token that is temporarily unavailable is an outage like any other."""
        handle = client.call(1, data={"seconds": 30})
        await handle.submitted()
        service.always("poll", AuthError("down", passing=True))
        await asyncio.sleep(300)
        service.always("poll", None)
        assert (await handle).runtime == 30

    async def test_for_ever(self, service):
        """With `patience=None`, running calls are polled for as long as an outage lasts: they may have ended in time."""
        async with service.client(patience=None) as client:
            handle = client.call(1, data={"seconds": 30})
            await handle.submitted()
            service.always("poll", ConnectError("no route"))
            await asyncio.sleep(5000)
            assert not handle.done()
            service.always("poll", None)
            assert (await handle).runtime == 30

    async def test_outage_is_no_absence(self, client, service):
        """Time without answers does not count as time of answers without a call."""
        handle = client.call(1, data={"seconds": 500})
        call = await handle.submitted()
        service.forgotten.add(call.id)
        await asyncio.sleep(10)
        service.always("poll", ConnectError("no route"))
        await asyncio.sleep(300)
        service.always("poll", None)
        await asyncio.sleep(10)
        service.forgotten.clear()
        assert (await handle).runtime == 500

    async def test_outage_is_counted_from_the_last_answer(self, client, service):
        """An answer in between starts the count anew."""
        service.always("limits", service.answer(200, {"timeoutMinutes": 20}))
        handle = client.call(1, data={"seconds": 850})
        for _ in range(2):
            await asyncio.sleep(1)
            service.always("poll", ConnectError("no route"))
            await asyncio.sleep(400)
            service.always("poll", None)
            await asyncio.sleep(10)
        assert (await handle).status == "Completed"

    async def test_rate_limit_is_obeyed(self, client, service):
        """A poll that is turned away with `Retry-After` is not sent again before."""
        handle = client.call(1, data={"seconds": 30})
        service.fault("poll", service.error(429, "too many requests", headers={"retry-after": "7"}))
        await handle
        first, second = service.of("poll")[:2]
        assert 7 <= second.at - first.at < 8
        assert client.stats().throttled == 1

    async def test_pauses_are_no_silence(self, service):
        """Polls that are turned away with `Retry-After` for longer than the patience lose no call."""
        async with service.client(time_limit=10_000.0) as client:
            handle = client.call(1, data={"seconds": 30})
            await handle.submitted()
            service.always("poll", service.error(429, "too many requests", headers={"retry-after": "100"}))
            await asyncio.sleep(3000)
            assert service.count("poll") <= 33
            service.always("poll", None)
            assert (await handle).runtime == 30

    async def test_longest_pause(self, service):
        """A service that asks polls to stay away for a day is asked again after ten minutes: calls end meanwhile."""
        async with service.client() as client:
            service.fault("poll", service.error(429, "too many requests", headers={"retry-after": "86400"}))
            await client.call(1, data={"seconds": 30})
        assert 600 <= now() < 620

    async def test_silence_by_429(self, client, service):
        """Polls that are rejected with 429 without a `Retry-After` do not count as answers."""
        service.always("poll", service.error(429, "too many requests"))
        with pytest.raises(CallLost) as caught:
            await client.call(1, data={"seconds": 30})
        assert isinstance(caught.value.__cause__, RateLimited)
        assert 600 <= now() < 640

    async def test_missing_capability(self, client, service):
        """Without the right to read calls, a call is lost soon, and the capability is named."""
        for kind in ("poll", "retrieve"):
            service.always(kind, service.error(403, "forbidden"))
        with pytest.raises(CallLost, match="functionsAcl:READ") as caught:
            await client.call(1, data={"seconds": 60})
        assert isinstance(caught.value.__cause__, PermissionDenied)
        assert 30 <= now() < 40
        assert service.count("retrieve") == 1


class TestUnknown:
    async def test_lost_after_grace(self, client, service):
        """A call that answers no longer describe is lost after 30 s of such answers."""
        handle = client.call(1, data={"seconds": 60})
        service.forgotten.add((await handle.submitted()).id)
        with pytest.raises(CallLost, match="no longer knows it"):
            await handle
        assert 30 <= now() < 36
        assert client.stats().places == 0

    async def test_never_was_there(self, client):
        """Attached to an id that the service does not know, it says what to check, and not to attach again."""
        with pytest.raises(CallLost, match="12345") as caught:
            await client.attach(1, 12345)
        assert "Check the ids" in str(caught.value)
        assert "client.attach" not in str(caught.value)

    async def test_late_to_show_in_polls(self, client, service):
        """A call that was attached to and is in the list of calls is given half a minute to show up in polls."""
        call = service.start(seconds=40)
        service.forgotten.add(call.id)
        handle = client.attach(1, call.id)
        await asyncio.sleep(25)
        service.forgotten.clear()
        assert (await handle).status == "Completed"
        assert service.count("list") == 1

    async def test_without_a_whole_list(self, client, service):
        """If listing the calls fails, or there are too many, an unknown call is lost after half a minute."""
        service.always("list", service.error(503, "try later"))
        service.fault("list", service.answer(200, {"items": [], "nextCursor": "more"}))
        with pytest.raises(CallLost):
            await client.attach(1, 12345)
        assert 30 <= now() < 40
        assert service.count("list") == 2

    async def test_of_an_unknown_function(self, client, service):
        """Where the service says that it knows no such function, there is no use in attaching again either."""
        service.always("poll", service.error(400, "unknown functions.", missing=[{"id": 9}]))
        with pytest.raises(CallLost, match="id 9") as caught:
            await client.attach(9, 12345)
        assert isinstance(caught.value.__cause__, NotFound)
        assert "client.attach" not in str(caught.value)

    async def test_late_to_show(self, client, service):
        """A new call that shows up in polls only after seconds is not lost."""
        handle = client.call(1, data={"seconds": 40})
        call = await handle.submitted()
        service.forgotten.add(call.id)
        await asyncio.sleep(25)
        service.forgotten.clear()
        assert (await handle).status == "Completed"

    async def test_late_to_show_after_a_long_wait(self, client, service):
        """The time of grace begins with the call's start, not with its wait in the queue."""
        first = [client.call(1, data={"seconds": 60}) for _ in range(100)]
        handle = client.call(1, data={"seconds": 40})
        call = await handle.submitted()
        service.forgotten.add(call.id)
        await asyncio.sleep(25)
        service.forgotten.clear()
        assert (await handle).status == "Completed"
        await asyncio.gather(*first)

    async def test_in_a_later_chunk(self, service):
        """Of more than a thousand calls, one without a description is lost after 30 s, in whichever request it is."""
        calls = [service.start(seconds=100) for _ in range(1100)]
        async with service.client() as client:
            handles = [client.attach(1, call.id) for call in calls]
            service.forgotten |= {calls[5].id, calls[-5].id}
            await asyncio.sleep(45)
            lost = [handle.call_id for handle in handles if handle.done() and handle.exception()]
            assert lost == [calls[5].id, calls[-5].id]
            await asyncio.wait(handles)

    async def test_others_live(self, client, service):
        """One unknown call takes no other with it, whether the service leaves it out or refuses the poll for it."""
        gone, stays = client.call(1, data={"seconds": 30}), client.call(1, data={"seconds": 30})
        missing = [{"id": (await gone.submitted()).id}]
        refusal = service.error(400, "unknown calls", missing=missing)
        real, service._poll = service._poll, lambda seen: refusal if missing[0] in seen.body["items"] else real(seen)
        with pytest.raises(CallLost):
            await gone
        assert (await stays).status == "Completed"


class TestUnreadable:
    async def test_call_that_cannot_be_read(self, client):
        """A call whose end is not readable for 30 s is lost with that error, and its place is free."""
        with pytest.raises(CallLost, match="startTime") as caught:
            await client.call(1, data={"fields": {"startTime": "yesterday"}})
        assert isinstance(caught.value.__cause__, DecodeError)
        assert 30 <= now() < 36
        assert (client.stats().running, client.stats().places) == (0, 0)

    async def test_readable_again(self, client, service):
        """A call whose state can be read again within 30 s goes on, and the others are not touched."""
        handle, other = client.call(1, data={"seconds": 3}), client.call(1, data={"seconds": 20})
        call = service.calls[(await handle.submitted()).id]
        call.run = attrs.evolve(call.run, fields={"startTime": "yesterday"})
        await asyncio.sleep(20)
        assert not handle.done()
        call.run = attrs.evolve(call.run, fields={})
        assert (await handle).runtime == 3
        await other

    async def test_ended_without_end_time(self, client):
        """A completed call without an end time is completed."""
        assert (await client.call(1, data={"fields": {"endTime": None}})).runtime is None

    async def test_unknown_status_runs_on(self, client, service):
        """An unknown status without an end time does not end the call, and is shown as its status."""
        handle = client.call(1, data={"seconds": 1, "fields": {"status": "Paused", "endTime": None}})
        await asyncio.sleep(5)
        assert handle.status == "Paused"
        call = service.calls[handle.call_id]
        call.run = attrs.evolve(call.run, fields={})
        assert (await handle).status == "Completed"


class TestClocks:
    async def test_start_in_the_future(self, client, service):
        """A call that has started in our future, by the service's clock, is followed to its end like any other."""
        call = service.start(seconds=3)
        call.started += 2
        assert (await client.attach(1, call.id)).runtime == 3

    async def test_end_before_the_start(self, client):
        """A call that has ended before it started, by the service's clock, spoils nothing for the others."""
        other = client.call(1, data={"seconds": 20})
        await client.call(1, data={"fields": {"endTime": 1}})
        assert (await other).runtime == 20


class TestTimeLimit:
    async def test_past_every_limit(self, client, service):
        """A call that runs past the functions' time limit, which is read once, is lost."""
        handles = [client.call(1, data={"seconds": 5000}) for _ in range(3)]
        await asyncio.wait(handles)
        assert 660 <= now() < 670
        for handle in handles:
            assert "660 s after its start" in str(handle.exception())
            assert isinstance(handle.exception(), CallLost)
        assert service.count("limits") == 1

    async def test_limit_unknown(self, client, service):
        """Without an answer about the limit, a usual one stands."""
        service.always("limits", service.error(403, "forbidden"))
        with pytest.raises(CallLost, match="960 s"):
            await client.call(1, data={"seconds": 5000})

    async def test_limit_given(self, service):
        """A limit in the settings is not read from the service."""
        async with service.client(time_limit=100.0, grace=10.0) as client:
            with pytest.raises(CallLost, match="110 s"):
                await client.call(1, data={"seconds": 5000})
        assert service.count("limits") == 0

    async def test_start_at_the_beginning_of_time(self, service):
        """A call that starts at time 0 of the loop is polled like others."""
        service.latency = 0.0
        async with service.client(time_limit=100.0, grace=10.0) as client:
            with pytest.raises(CallLost, match="110 s"):
                await client.call(1, data={"seconds": 5000})


class TestWaitExpired:
    async def test_ends_the_handle_not_the_call(self, client, service):
        """`timeout` counts from the call's start, ends the handle, and leaves its place taken until its real end."""
        handle = client.call(1, data={"seconds": 20}, timeout=5)
        with pytest.raises(WaitExpired, match="attach") as caught:
            await handle
        assert now() == pytest.approx(5.02, abs=0.05)
        assert isinstance(caught.value, TimeoutError)
        assert client.stats().running == 1
        assert client.stats().places == 1
        assert (await client.attach(caught.value.ref)).runtime == 20
        assert client.stats().places == 0
        assert client.stats().ended == 1

    async def test_does_not_count_the_queue(self, service):
        """Time in the queue does not count."""
        async with service.client(function_limit=1) as client:
            handles = [client.call(1, data={"seconds": 4}, timeout=5) for _ in range(4)]
            assert [call.status for call in await asyncio.gather(*handles)] == ["Completed"] * 4

    @pytest.mark.parametrize(("seconds", "status"), [(4, "Completed"), (20, "Running")])
    async def test_counts_from_a_start_that_moves(self, client, service, seconds, status):
        """A call that waited for a process begins later than it was accepted; `timeout` and `elapsed` count from then."""
        handle = client.call(1, data={"seconds": seconds}, timeout=5)
        call_id = (await handle.submitted()).id
        await asyncio.sleep(3)
        service.calls[call_id].started = now()
        await asyncio.sleep(2.5)
        assert handle.elapsed == pytest.approx(2.5, abs=0.05)
        with contextlib.suppress(WaitExpired):
            await handle
        assert (now(), handle.status) == (pytest.approx(3 + min(seconds, 5), abs=0.6), status)

    async def test_later_than_the_end(self, client):
        """A call that ends in time is not bothered, and its timer is gone."""
        await client.call(1, timeout=500)
        timers = [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()]
        assert timers == []
