from __future__ import annotations

import asyncio
import contextvars
import gc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aiocdf import (
    AiocdfError,
    BadRequest,
    BearerToken,
    CallAccepted,
    CallEnded,
    CallFailed,
    CallLost,
    CallQueued,
    CallTimedOut,
    ClientClosed,
    ConnectError,
    DecodeError,
    FunctionNotReady,
    NotFound,
    ProtocolError,
    RequestDone,
    SubmissionUncertain,
)

pytestmark = pytest.mark.looptime


class TestLookUp:
    async def test_once_for_a_thousand_calls(self, client, service):
        """An external id is looked up once, however many calls are made at once or later."""
        await asyncio.gather(*(client.call("double") for _ in range(1000)))
        await client.call("double")
        assert service.count("lookup") == 1

    async def test_by_number(self, client, service):
        """A function by its id is not looked up."""
        await client.call(1)
        assert service.count("lookup") == 0

    async def test_unknown(self, client, service):
        """An unknown function fails its calls with an error that names it, and is looked up again the next time."""
        for _ in range(2):
            with pytest.raises(NotFound, match="missing") as caught:
                await client.call("missing")
            assert caught.value.missing == ({"externalId": "missing"},)
        service.functions["missing"] = 9
        assert (await client.call("missing")).function_id == 9

    async def test_unreachable(self, client, service):
        """A look-up is tried again after faults that may pass."""
        service.fault("lookup", ConnectError("no route"), service.error(503, "busy"))
        assert (await client.call("double")).status == "Completed"

    @pytest.mark.parametrize(
        "body", [{"items": []}, {"items": [{"id": 1}, {"id": 2}]}, {"items": "x"}, {}, [], "<html>"]
    )
    async def test_nonsense(self, client, service, body):
        """An answer that holds no such function is waited out, and is an error of its own when it stays."""
        service.fault("lookup", service.answer(200, body))
        assert (await client.call("double")).status == "Completed"
        service.always("lookup", service.answer(200, body))
        with pytest.raises(DecodeError, match="other"):
            await client.call("other")

    async def test_fault_of_our_own(self, client, service, reports):
        """A bug in aiocdf itself ends all calls that wait for the look-up, and the next look-up is made anew."""
        service.fault("lookup", RuntimeError("a bug"))
        ended = await asyncio.gather(*(client.call("double") for _ in range(3)), return_exceptions=True)
        assert {type(error) for error in ended} == {AiocdfError}
        assert isinstance(reports.pop()["exception"], RuntimeError)
        assert (await client.call("double")).status == "Completed"


class TestRefused:
    async def test_deployed_anew(self, client, service):
        """Calls by external id follow a function that was deployed anew under another id."""
        assert (await client.call("double")).function_id == 1
        service.functions["double"] = 11
        calls = await asyncio.gather(*(client.call("double") for _ in range(50)))
        assert {call.function_id for call in calls} == {11}
        assert client.stats().places == 0
        service.seen.clear()
        assert (await client.call("double")).function_id == 11
        assert service.count("lookup") == 0

    async def test_whole_queue_moves(self, client, service):
        """The first refusal shows the new id for all calls: queued ones are not posted to the old one."""
        await client.call("double")
        handles = [client.call("double") for _ in range(1000)]
        await asyncio.sleep(0.5)
        service.functions["double"] = 11
        service.seen.clear()
        assert {call.function_id for call in await asyncio.gather(*handles)} == {1, 11}
        assert service.count("lookup") <= 40
        assert sum(seen.function == 1 for seen in service.of("start")) <= 40

    async def test_cancelled_while_it_moves(self, service):
        """A cancelled call is not queued under the new id."""
        async with service.client(function_limit=1) as client:
            await client.call("double")
            service.functions["double"] = 11
            blocker = client.call(11, data={"seconds": 100})
            await blocker.submitted()
            handle = client.call("double")
            while service.count("lookup") < 2:
                await asyncio.sleep(0.001)
            handle.cancel()
            await asyncio.sleep(1)
            assert client.stats().waiting == 0

    async def test_attach_finds_the_new_id(self, client, service):
        """A call that is not found under a remembered id has it looked up again the next time."""
        await client.call("double")
        service.functions["double"] = 11
        call = service.start(11, seconds=30)
        with pytest.raises(CallLost):
            await client.attach("double", call.id)
        assert (await client.attach("double", call.id)).function_id == 11

    async def test_by_its_old_number(self, client, service):
        """Calls by id stay with the id, which is not known any more."""
        with pytest.raises(NotFound, match="77"):
            await client.call(77)
        assert client.stats().places == 0

    async def test_not_ready(self, client, service):
        """A function that is not Ready says what it is and why."""
        service.status = "Failed"
        with pytest.raises(FunctionNotReady, match=r"Failed: no numpy") as caught:
            await client.call("double")
        assert isinstance(caught.value.__cause__, BadRequest)
        assert client.stats().places == 0

    @pytest.mark.parametrize(
        ("trace", "shown"),
        [
            ("handler.py is not Python\n", ["handler.py is not Python"]),
            ("f.py, line 2: KeyError: 1\nTraceback (...):\n  ...\nKeyError: 1", ["f.py, line 2: KeyError: 1."]),
            ("Collecting x\n\nERROR: there is no x", ["Collecting x", "ERROR: there is no x"]),
        ],
    )
    async def test_failed_deployment(self, client, service, trace, shown):
        """A function whose deployment failed says why, and shows the end of the build's log under the error."""
        error = {"message": "Function deployment failed.", "trace": trace}
        service.fault("start", service.error(400, "not callable"))
        service.always(
            "lookup", service.answer(200, {"items": [{"id": 1, "name": "f", "status": "Failed", "error": error}]})
        )
        with pytest.raises(FunctionNotReady, match=r"Failed: Function deployment failed") as caught:
            await client.call("double")
        assert all(line in str(caught.value) for line in shown)
        assert "\n" not in str(caught.value)
        assert caught.value.__notes__ == [f"\nIn the deployment of function 'double':\n{trace.rstrip()}"]

    async def test_for_another_reason(self, client, service):
        """Refused for another reason, the call fails with the service's words."""
        service.fault("start", service.error(400, "data is too odd"))
        with pytest.raises(BadRequest, match="data is too odd"):
            await client.call(1)

    async def test_reason_not_to_be_had(self, client, service):
        """If the function is not readable, the service's first refusal is raised."""
        service.fault("start", service.error(400, "data is too odd"))
        service.always("lookup", service.error(403, "forbidden"))
        with pytest.raises(BadRequest, match="data is too odd"):
            await client.call(1)


class TestClosing:
    async def test_every_state(self, service, reports, caplog):
        """Closing ends queued, submitting and running calls with ClientClosed, silently, and leaves no task or timer."""
        caplog.set_level("INFO", "aiocdf")
        before = asyncio.all_tasks()
        async with service.client(function_limit=2, project_limit=4) as client:
            running = [client.call(1, data={"seconds": 50}, timeout=40) for _ in range(2)]
            await asyncio.sleep(1)
            submitting, looked_up = client.call(2), client.call("other")
            queued, attached = client.call(1), client.attach(2, 88)
            detached = client.call(1)
            detached.detach()
            waiting = [asyncio.create_task(handle.wait()) for handle in (*running, queued)]
            waiting += [asyncio.create_task(queued.submitted()), asyncio.create_task(running[0].response())]
            await asyncio.sleep(0.005)
            assert [submitting.status, looked_up.status, queued.status] == ["Submitting", "Queued", "Queued"]
        handles = [*running, submitting, looked_up, queued, attached]
        assert {type(handle.exception()) for handle in handles} == {ClientClosed}
        ended = await asyncio.gather(*waiting, return_exceptions=True)
        assert {type(error) for error in ended} == {ClientClosed}
        assert "continues" in str(running[0].exception())
        assert "never started" in str(queued.exception())
        assert "may have started" in str(submitting.exception())
        assert "closed with 7 calls unfinished" in caplog.text
        assert asyncio.all_tasks() == before
        seen = len(service.seen)
        await asyncio.sleep(100)
        assert len(service.seen) == seen
        assert [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()] == []

    async def test_unretrieved_handles_make_no_noise(self, service, reports):
        """Handles that were deleted before the client closed are not reported."""
        async with service.client() as client:
            for _ in range(300):
                client.call("double", data={"seconds": 50})
            await asyncio.sleep(2)

    async def test_after_the_end(self, service):
        """After closing, an ended handle still has its call, and its response is not available."""
        async with service.client() as client:
            handle = client.call(1, data={"value": 1})
            await handle
        assert (await handle).status == "Completed"
        assert (await handle.submitted()).id == handle.call_id
        with pytest.raises(ClientClosed):
            await handle.response()

    async def test_while_a_poll_is_under_way(self, service):
        """A poll that is under way when the client closes leaves no timer behind."""
        service.latency = 1.0
        async with service.client() as client:
            handle = client.call(1, data={"seconds": 50})
            await handle.submitted()
            await asyncio.sleep(0.5)
            assert service.count("poll") == 1
        assert [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()] == []

    def test_loop_that_ended_first(self, service):
        """Where the loop ends first, a call that waits for its function's look-up says so, and how to close a client."""

        async def leave_open():
            client = service.client()
            await client.start()
            handle = client.call("double")
            await asyncio.sleep(0)
            return handle

        error = asyncio.run(leave_open()).exception()
        assert type(error) is ClientClosed
        assert "'double'" in str(error)
        assert "async with" in str(error)
        gc.collect()  # what the client has to say is for this test

    async def test_timers_of_closed_windows(self, service):
        """A client that waits for a window to open leaves no timer behind."""
        async with service.client() as client:
            service.always("start", service.error(429, "too many running calls", headers={"retry-after": "3000"}))
            client.call(1)
            await asyncio.sleep(1)
            client.call(1)
        await asyncio.sleep(0.1)
        assert [timer for timer in asyncio.get_running_loop()._scheduled if not timer.cancelled()] == []

    async def test_at_once(self, service):
        """A call of a client that is closed in the same turn of the loop never starts, also not by what was to come."""
        async with service.client() as client:
            handle = client.call(1)
        await asyncio.sleep(0.1)
        assert handle.done()
        assert service.seen == []

    def test_loop_that_ends_in_a_fan_out(self, service, reports):
        """Where the loop ends first, its cancelling of our tasks starts no further calls."""

        async def leave_open():
            client = service.client()
            await client.start()
            self.handles = [client.call(1, data={"seconds": 5}) for _ in range(100)]
            while not service.count("start"):
                await asyncio.sleep(0)

        asyncio.run(leave_open())
        assert service.count("start") <= 40
        del self.handles
        gc.collect()  # what the client has to say is for this test

    async def test_while_logs_are_followed(self, service):
        """Following logs raises an error if the client is closed."""
        async with service.client() as client:
            handle = client.call(1, data={"seconds": 50})

            async def follow():
                return [entry async for entry in handle.logs(follow=True)]

            task = asyncio.create_task(follow())
            await asyncio.sleep(5)
        with pytest.raises(ClientClosed):
            await task


class TestCompany:
    async def test_observers_are_told_in_order(self, service):
        """An observer hears of a call's queueing, acceptance and end, with times."""
        events = []
        async with service.client(observers=[events.append]) as client:
            call = await client.call("double", data={"seconds": 3})
        kinds = (CallQueued, CallAccepted, CallEnded)
        queued, accepted, ended = (event for event in events if isinstance(event, kinds))
        assert queued == CallQueued(number=1, function="double")
        assert accepted == CallAccepted(number=1, function_id=1, call_id=call.id, waited=pytest.approx(0.03))
        assert (ended.status, ended.runtime) == ("Completed", 3.0)
        assert 0 <= ended.lag < 0.5
        requests = [event.name for event in events if isinstance(event, RequestDone)]
        assert requests[:3] == ["look up function double", "create a session", "call function 1"]

    async def test_failing_observer(self, service, caplog):
        """An observer that raises is logged, and neither calls nor other observers suffer."""
        events = []

        def bad(_):
            raise ZeroDivisionError

        async with service.client(observers=[bad, events.append]) as client:
            assert (await client.call(1)).status == "Completed"
        assert any(isinstance(event, CallEnded) for event in events)
        assert "failed on CallEnded" in caplog.text

    async def test_context_does_not_leak(self, service):
        """What runs in the background knows nothing of the first caller's context variables."""
        whose = contextvars.ContextVar("whose", default="default")
        seen = set()

        def token():
            seen.add(whose.get())
            return "token"

        real = service.send

        async def send(request):
            seen.add(whose.get())
            return await real(request)

        service.send = send
        async with service.client(credentials=BearerToken(token)) as client:
            whose.set("the caller's")
            handle = client.call("double", data={"seconds": 100})
            await handle
            await client.call("other", timeout=5)
        assert seen == {"default"}

    async def test_stats(self, client, service):
        """The counts show the states of calls and what they cost."""
        handles = [client.call(1, data={"seconds": 5}) for _ in range(120)]
        await asyncio.sleep(0.015)
        assert client.stats().submitting == client.stats().places == 2
        await asyncio.sleep(3)
        stats = client.stats()
        assert (stats.waiting, stats.submitting, stats.running, stats.ended) == (20, 0, 100, 0)
        assert stats.places == 100
        assert (stats.project_window, stats.function_windows) == (250, {1: 100})
        await asyncio.gather(*handles)
        stats = client.stats()
        assert (stats.waiting, stats.running, stats.ended) == (0, 0, 120)
        assert stats.requests == len(service.seen) == 240 + stats.polls
        assert 0 < stats.detection_lag < 1

    async def test_responses_have_their_own_limit(self, service):
        """No more responses are read at once than the setting says."""
        most = 0
        real = service.send

        async def send(request):
            nonlocal most, reading
            reading += "response" in request.url
            most = max(most, reading)
            try:
                return await real(request)
            finally:
                reading -= "response" in request.url

        reading, service.send = 0, send
        async with service.client(max_concurrent_reads=3) as client:
            handles = [client.call(1, data={"value": n}) for n in range(50)]
            assert await asyncio.gather(*(handle.response() for handle in handles)) == list(range(50))
        assert most == 3


FAULTS = [
    "none",
    "none",
    "connect",
    "reset before",
    "reset after",
    "500",
    "503 retryable",
    "429 function",
    "429 vague",
    "429 rate",
    "nonce",
]
PASSING = ["none", "none", "connect", "reset before", "500", "503 retryable", "429 vague", "429 rate", "html"]
CALLS = st.lists(
    st.fixed_dictionaries(
        {
            "function": st.sampled_from([1, 2, "double", "other", "missing"]),
            "seconds": st.sampled_from([0, 0.1, 1, 2.5, 40, 200]),
            "end": st.sampled_from(["value", "value", "error", "timeout"]),
            "retry": st.booleans(),
            "leaves": st.sampled_from([None, None, None, "cancel", "detach"]),
        }
    ),
    min_size=1,
    max_size=60,
)


def fault(service, name):
    retryable = {"cdf-is-auto-retryable": "true"}
    return {
        "none": None,
        "connect": ConnectError("no route"),
        "reset before": ProtocolError("reset"),
        "reset after": service.late(ProtocolError("reset")),
        "500": service.error(500, "oops"),
        "503 retryable": service.error(503, "busy", headers=retryable),
        "429 function": service.error(429, "too many running calls of this function"),
        "429 vague": service.error(429, "Too Many Requests"),
        "429 rate": service.error(429, "too many requests", headers={"retry-after": "3"}),
        "html": service.answer(200, "<html>", {"content-type": "text/html"}),
        "nonce": service.error(400, "invalid nonce"),
    }[name]


def adds_up(stats):
    """Every call that was made is somewhere, and once."""
    here = stats.waiting + stats.submitting + stats.recovering + stats.running
    seen = stats.completed + stats.failed + stats.timed_out
    unseen = stats.lost + stats.uncertain + stats.refused + stats.cancelled + stats.withdrawn
    return stats.made == here + seen + unseen and stats.ended == seen


async def watch(client):
    """Places are those of the calls that may run."""
    while True:
        stats = client.stats()
        assert stats.places == stats.submitting + stats.recovering + stats.running, stats
        await asyncio.sleep(0.77)


async def check(service, n, call, handle, faults):
    """One call has ended as its data says, or by the name of a fault."""
    ran = [found for found in service.calls.values() if found.data["n"] == n]
    if not call["retry"]:
        assert len(ran) <= 1
    if handle.cancelled():
        assert call["leaves"]
        return
    error = handle.exception()
    if call["function"] == "missing":
        assert isinstance(error, NotFound)
    elif isinstance(error, SubmissionUncertain | BadRequest):
        assert faults["start"]  # only faults lead here
    elif call["end"] == "value":
        assert await handle.response() == f"value {n}"
    else:
        assert type(error) is {"error": CallFailed, "timeout": CallTimedOut}[call["end"]]
        assert not isinstance(error, CallLost)


@given(
    calls=CALLS,
    faults=st.fixed_dictionaries(
        {
            "start": st.lists(st.sampled_from(FAULTS), max_size=60),
            "session": st.lists(st.sampled_from(PASSING), max_size=40),
            "lookup": st.lists(st.sampled_from(PASSING), max_size=5),
            "poll": st.lists(st.sampled_from(PASSING), max_size=40),
        }
    ),
    others=st.tuples(
        st.integers(1, 8), st.integers(1, 12), st.integers(0, 3), st.sampled_from([0.0, 0.005, 0.015, 0.3, 2.0])
    ),
)
@settings(max_examples=settings.default.max_examples // 3)
def test_every_call_ends_well_or_by_name(new_service, virtual, calls, faults, others):
    """Whatever happens, each handle ends with the right result or a named error, nothing runs twice or above limits.

    At any time, the numbers of the client add up.
    """

    async def scenario():
        service, sums = new_service(), []
        function_limit, project_limit, taken, moment = others
        service.function_limit, service.project_limit = function_limit + taken, project_limit + 2 * taken
        service.others.update({1: taken, 2: taken})
        for kind, names in faults.items():
            service.fault(kind, *(fault(service, name) for name in names))
        client = service.client(
            function_limit=function_limit,
            project_limit=project_limit,
            connect_patience=None,
            observers=[lambda _: watching.done() or sums.append(adds_up(client.stats()))],
        )
        async with client:
            watching = asyncio.create_task(watch(client))
            handles = [
                client.call(
                    call["function"],
                    data={"n": n, "seconds": call["seconds"], call["end"]: f"{call['end']} {n}"},
                    retry=call["retry"],
                )
                for n, call in enumerate(calls)
            ]
            await asyncio.sleep(moment)
            for call, handle in zip(calls, handles, strict=True):
                if call["leaves"]:
                    getattr(handle, call["leaves"])()
            async with asyncio.timeout(100_000):
                await asyncio.wait(handles)
                while client.stats().waiting or client.stats().places:
                    await asyncio.sleep(1)
            for n, (call, handle) in enumerate(zip(calls, handles, strict=True)):
                await check(service, n, call, handle, faults)
            stats = client.stats()
            assert all([*sums, adds_up(stats)])
            assert (stats.made, stats.waiting, stats.submitting, stats.running) == (len(calls), 0, 0, 0)
            assert not watching.done(), watching
            watching.cancel()
            await asyncio.wait([watching])
        assert service.peak[1] <= service.function_limit
        assert service.peak["project"] <= service.project_limit

    virtual(scenario())
