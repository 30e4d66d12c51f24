from __future__ import annotations

import asyncio
import contextvars
import gc
import logging
import pickle
import sys

import attrs
import pytest

from aiocdf import (
    CallAccepted,
    CallFailed,
    CallLost,
    CallRef,
    CallTimedOut,
    DecodeError,
    InvalidArgument,
    InvalidType,
    NotFound,
    WaitExpired,
    WrongState,
)

pytestmark = pytest.mark.looptime

RUNNING = 0.5  # seconds after which a call has started and not ended


async def started(client, **data):
    """A handle on a call that runs."""
    handle = client.call(1, data={"seconds": 10, "value": 1, **data})
    await handle.submitted()
    return handle


class TestAwaiting:
    async def test_await_gives_the_finished_call(self, client):
        """Awaiting a handle returns the call as the service last described it, any number of times."""
        handle = client.call("double", data={"seconds": 3})
        call = await handle
        assert (call.status, call.runtime, call.id) == ("Completed", 3.0, handle.call_id)
        assert await handle is call

    async def test_one_cancelled_awaiter_harms_nobody(self, client):
        """Cancelling one of two awaiting tasks leaves the call, the handle and the other task alone."""
        handle = await started(client)
        one, other = (asyncio.create_task(handle.wait()) for _ in range(2))
        await asyncio.sleep(RUNNING)
        one.cancel()
        assert (await other).status == "Completed"
        assert one.cancelled()
        assert not handle.cancelled()

    async def test_expired_timeout_leaves_the_handle_alone(self, client):
        """An `asyncio.timeout` that expires around an await ends the await only."""
        handle = await started(client)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(RUNNING):
                await handle
        assert handle.status == "Running"
        assert (await handle).status == "Completed"

    async def test_cancelled_awaiters_leave_nothing_on_the_handle(self, client):
        """A thousand awaits that are cut short leave no callbacks behind."""
        handle = await started(client, seconds=100)
        for _ in range(1000):
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.001):
                    await handle
        assert not handle._callbacks

    @pytest.mark.parametrize("method", ["wait", "submitted", "response"])
    async def test_methods_are_isolated_too(self, client, service, method):
        """A cancelled `wait()`, `submitted()` or `response()` takes nothing from the others."""
        service.latency = 1.0
        handle = client.call(1, data={"value": 4})
        task = asyncio.create_task(getattr(handle, method)())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await handle.response() == 4

    async def test_gather(self, client):
        """`gather` takes handles, the same one twice too."""
        handles = [client.call(1, data={"seconds": n}) for n in range(1, 4)]
        calls = await asyncio.gather(*handles, handles[0])
        assert [call.runtime for call in calls] == [1, 2, 3, 1]

    async def test_cancelled_gather_lets_go_of_all(self, client, service):
        """A cancelled `gather` cancels its handles: what waits never starts, what runs goes on at the service."""
        service.function_limit = 2
        handles = [client.call(1, data={"seconds": 5}) for _ in range(150)]
        task = asyncio.ensure_future(asyncio.gather(*handles))
        await asyncio.sleep(1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert all(handle.cancelled() for handle in handles)
        await asyncio.sleep(30)
        assert len(service.calls) == 2

    async def test_failing_sibling_leaves_the_others(self, client):
        """The failure of one call ends a `gather`, not the other calls."""
        good, bad = client.call(1, data={"seconds": 5}), client.call(1, data={"error": "no"})
        with pytest.raises(CallFailed):
            await asyncio.gather(good, bad)
        assert (await good).status == "Completed"

    async def test_wait(self, client):
        """`asyncio.wait` takes handles as they are."""
        short, long = client.call(1), client.call(1, data={"seconds": 9})
        done, pending = await asyncio.wait({short, long}, return_when=asyncio.FIRST_COMPLETED)
        assert (done, pending) == ({short}, {long})
        await long

    async def test_wait_for(self, client):
        """`wait_for` that expires cancels the handle on Python 3.11, and leaves it alone from 3.12 on."""
        handle = await started(client)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(handle, RUNNING)
        assert handle.cancelled() == (sys.version_info < (3, 12))
        assert (await client.attach(handle.ref)).status == "Completed"

    async def test_shield(self, client):
        """`shield` keeps a cancellation from the handle."""
        handle = await started(client)
        outer = asyncio.shield(handle)
        outer.cancel()
        assert (await handle).status == "Completed"

    async def test_as_completed_of_asyncio(self, client):
        """`asyncio.as_completed` gives calls in the order of their ends."""
        handles = [client.call(1, data={"seconds": n}) for n in (3, 1, 2)]
        assert [(await ended).runtime for ended in asyncio.as_completed(handles)] == [1, 2, 3]

    async def test_task_group(self, client):
        """A TaskGroup takes the coroutine methods."""
        async with asyncio.TaskGroup() as group:
            handle = client.call(1, data={"value": 3})
            tasks = [group.create_task(method()) for method in (handle.submitted, handle.wait, handle.response)]
        first, last, value = [task.result() for task in tasks]
        assert (first.status, last.status, value) == ("Running", "Completed", 3)

    async def test_settles_without_being_awaited(self, client):
        """A call starts and its handle settles whether or not anyone waits."""
        handle = client.call(1)
        await asyncio.sleep(3)
        assert handle.done()
        assert handle.result().status == "Completed"

    async def test_await_from_another_loop(self, client):
        """Awaiting a handle on another loop says so instead of hanging."""
        handle = await started(client)

        async def elsewhere():
            return await handle

        with pytest.raises(WrongState, match="another event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())

    @pytest.mark.parametrize(
        "use", [lambda handle: handle.response(), lambda handle: anext(handle.logs())], ids=["response", "logs"]
    )
    async def test_use_from_another_loop(self, client, use):
        """What an ended call returned and printed is read on its own loop only, too."""
        handle = client.call(1)
        await handle

        async def elsewhere():
            await use(handle)

        with pytest.raises(WrongState, match="another event loop"):
            await asyncio.to_thread(asyncio.run, elsewhere())

    async def test_cancelled_without_a_loop(self, client):
        """A queued call can be given up from where no loop runs, and is over then."""
        handle = client.call(1)
        assert await asyncio.to_thread(handle.cancel)
        assert handle.cancelled()
        assert (client.stats().waiting, client.stats().withdrawn) == (0, 1)

    async def test_raising_again_does_not_grow_the_traceback(self, client):
        """Each await of a failed handle raises with a traceback of its own."""
        handle = client.call(1, data={"error": "no"})
        depths = []
        for _ in range(5):
            with pytest.raises(CallFailed) as caught:
                await handle
            depths.append(len(caught.traceback))
        assert len(set(depths[1:])) == 1


class TestLooking:
    async def test_no_io(self, client, service):
        """Looking at a handle sends nothing, in any state."""
        handle = client.call(1, data={"seconds": 3})

        def look():
            before = len(service.seen)
            seen = (
                handle.done(),
                handle.status,
                handle.function_id,
                handle.call_id,
                repr(handle),
                handle._repr_html_(),
            )
            assert len(service.seen) == before
            return seen

        assert look()[:4] == (False, "Queued", 1, None)
        await asyncio.sleep(0.005)
        assert look()[:2] == (False, "Submitting")
        await handle.submitted()
        assert look()[:4] == (False, "Running", 1, handle.ref.call_id)
        await handle
        assert look()[:2] == (True, "Completed")

    async def test_result_before_the_end(self, client):
        """`result()` and `exception()` of an open handle raise as those of any future."""
        handle = client.call(1)
        with pytest.raises(asyncio.InvalidStateError):
            handle.result()
        with pytest.raises(asyncio.InvalidStateError):
            handle.exception()
        await handle
        assert handle.exception() is None

    async def test_elapsed(self, client, service):
        """`elapsed` is the time in the queue, then the age, then the runtime by the service's clock."""
        service.latency = 2.0
        handle = client.call(1, data={"seconds": 10})
        await asyncio.sleep(1.5)
        assert handle.elapsed == pytest.approx(1.5)
        await handle.submitted()
        await asyncio.sleep(4)
        assert handle.elapsed == pytest.approx(6, abs=0.1)
        await handle
        assert handle.elapsed == 10

    async def test_looking_from_a_thread(self, client):
        """A handle can be shown where no loop runs, such as by a debugger or in another thread."""
        handle = await started(client)
        shown = await asyncio.to_thread(lambda: (repr(handle), handle._repr_html_(), handle.elapsed))
        assert "Running" in shown[0]

    async def test_repr(self, client):
        """The repr shows function, call, status and age, and whether the handle is cancelled."""
        handle = client.call("double", data={"seconds": 3})
        assert repr(handle) == "<CallHandle function 'double': Queued, 0.0 s>"
        await handle
        assert repr(handle) == f"<CallHandle call {handle.call_id} of function 'double': Completed, 3.0 s>"
        other = await started(client)
        other.detach()
        assert "cancelled, Running" in repr(other)

    async def test_repr_html(self, client):
        """The table for notebooks shows the error, escaped, and does not count as taking it."""
        handle = client.call("double", data={"error": "<b>no</b>"})
        assert "not accepted yet" in handle._repr_html_()
        await asyncio.wait([handle])
        assert "&lt;b&gt;no&lt;/b&gt;" in handle._repr_html_()
        assert "<b>" not in handle._repr_html_()
        assert handle._log_traceback  # it would still be reported
        handle.exception()

    async def test_ref_before_acceptance(self, client):
        """A call without an id has no reference yet, and says what to await."""
        handle = client.call("double")
        with pytest.raises(WrongState, match=r"await handle.submitted\(\) first"):
            _ = handle.ref
        await handle.submitted()
        assert handle.ref == CallRef(cluster="cdf.test", project="acme", function_id=1, call_id=handle.call_id)


class TestCallbacks:
    async def test_callback_with_context(self, client):
        """A done callback gets the handle, in the context it was added with."""
        colour = contextvars.ContextVar("colour", default="none")
        calls = []
        handle = client.call(1)
        context = contextvars.copy_context()
        context.run(colour.set, "blue")
        handle.add_done_callback(lambda done: calls.append((done, colour.get())), context=context)
        colour.set("red")
        handle.add_done_callback(lambda done: calls.append((done, colour.get())))
        await handle
        await asyncio.sleep(0)
        assert calls == [(handle, "blue"), (handle, "red")]

    async def test_callback_after_the_end(self, client):
        """A callback that is added late is called all the same, and one that was removed is not."""
        handle = client.call(1)
        await handle
        calls = []
        handle.add_done_callback(calls.append)
        await asyncio.sleep(0)
        assert calls == [handle]

    async def test_failing_callback_is_its_own_fault(self, client, reports):
        """A callback that raises is reported and stops no other call."""
        handle = client.call(1)
        handle.add_done_callback(lambda _: 1 / 0)
        await handle
        await client.call(1)
        assert isinstance(reports.pop()["exception"], ZeroDivisionError)


class TestWait:
    @pytest.mark.parametrize(
        ("data", "status"), [({"error": "no"}, "Failed"), ({"timeout": 1}, "Timeout"), ({}, "Completed")]
    )
    async def test_returns_whatever_the_end(self, client, data, status):
        """`wait()` returns a call that failed or was stopped, where an await would raise."""
        assert (await client.call(1, data=data).wait()).status == status

    async def test_raises_where_no_end_is_known(self, client):
        """`wait()` raises when the call could not be followed to its end."""
        with pytest.raises(WaitExpired):
            await client.call(1, data={"seconds": 60}, timeout=5).wait()

    async def test_of_a_detached_handle(self, client):
        """`wait()` on a detached handle is cancelled with it, with a message about the call."""
        handle = await started(client)
        task = asyncio.create_task(handle.wait())
        await asyncio.sleep(0)
        handle.detach()
        with pytest.raises(asyncio.CancelledError, match="continues"):
            await task


class TestSubmitted:
    async def test_returns_as_accepted(self, client):
        """`submitted()` returns the call as accepted, also after its end."""
        handle = client.call(1)
        first = await handle.submitted()
        await handle
        assert first.status == "Running"
        assert await handle.submitted() is first

    async def test_raises_why_it_did_not_start(self, client):
        """`submitted()` raises what kept the call from starting, before and after it is known."""
        handle = client.call("missing")
        task = asyncio.create_task(handle.submitted())
        for waiting in (task, handle.submitted(), handle):
            with pytest.raises(NotFound, match="missing"):
                await waiting

    async def test_error_is_told_once(self, client):
        """After `submitted()` has raised an error, asyncio does not report it as never retrieved."""
        with pytest.raises(NotFound):
            await client.call("missing").submitted()

    async def test_failed_in_the_answer(self, client, service):
        """A call that is Failed already in the answer to its POST is accepted, and then fails."""
        handle = client.call(1, data={"seconds": -1, "error": "at once"})
        assert (await handle.submitted()).status == "Failed"
        with pytest.raises(CallFailed, match="at once"):
            await handle
        assert service.count("poll") == 0

    async def test_detached_waiter_still_hears(self, client, service):
        """Who waits in `submitted()` hears of the acceptance even when the handle was detached in the queue."""
        handle = client.call(1)
        task = asyncio.create_task(handle.submitted())
        await asyncio.sleep(0)
        handle.detach()
        assert (await task).id in service.calls


@attrs.frozen
class Point:
    x: int
    y: list[int]


class TestResponse:
    @pytest.mark.parametrize("value", [None, 0, "", [], {"a": [1, None]}, "text"])
    async def test_plain(self, client, value):
        """`response()` gives what the function returned, as plain JSON."""
        assert await client.call(1, data={"value": value}).response() == value

    async def test_absent(self, client):
        """A function that returned nothing has None for a response."""
        assert await client.call(1).response() is None

    async def test_typed(self, client):
        """With a type, `response` builds it."""
        handle = client.call(1, data={"value": {"x": 1, "y": [2]}})
        assert await handle.response(Point) == Point(1, [2])
        assert await client.call(1, data={"value": [1, 2]}).response(list[int]) == [1, 2]

    async def test_response_of_a_type_that_cannot_be_built(self, client):
        """A type that JSON cannot become is refused at once, and not when the call has ended."""
        with pytest.raises(InvalidType, match=r"^Output is complex"):
            await asyncio.wait_for(client.call(1, data={"seconds": 60}).response(complex), timeout=1)

    async def test_wrong_type(self, client):
        """What does not fit the type raises an error that names the path and not the value."""
        handle = client.call(1, data={"value": {"x": 1, "y": [1, "secret"]}})
        with pytest.raises(DecodeError, match=r"\$\.y\[1\]") as caught:
            await handle.response(Point)
        assert caught.value.path == "$.y[1]"
        assert "secret" not in str(caught.value)

    async def test_of_a_failed_call(self, client, service):
        """A failed call has no response, and none is requested."""
        with pytest.raises(CallFailed):
            await client.call(1, data={"error": "no"}).response()
        assert service.count("response") == 0


class TestErrors:
    @pytest.mark.parametrize("error", ["it broke", {"message": "it broke", "trace": "File handler.py\nKeyError"}])
    async def test_both_shapes(self, client, error):
        """A failed call raises with the service's words, whichever shape they have, and the remote trace as a note."""
        with pytest.raises(CallFailed, match="it broke") as caught:
            await client.call("double", data={"error": error})
        assert caught.value.call.error.message == "it broke"
        assert caught.value.ref.call_id == caught.value.call.id
        notes = "".join(getattr(caught.value, "__notes__", []))
        assert ("KeyError" in notes) == isinstance(error, dict)

    async def test_failed_without_a_reason(self, client):
        """A failed call without an `error` and without an end time is a failed call."""
        with pytest.raises(CallFailed, match="no reason"):
            await client.call(1, data={"fields": {"status": "Failed", "endTime": None}})

    async def test_unknown_status(self, client):
        """An unknown status ends the call if there is an end time, and the error names it."""
        with pytest.raises(CallFailed, match="ended as Evicted"):
            await client.call(1, data={"fields": {"status": "Evicted"}})

    async def test_timeout_at_the_service(self, client):
        """A call that the service stopped raises its own error."""
        with pytest.raises(CallTimedOut, match=r"after 9\.0 s"):
            await client.call(1, data={"timeout": True, "seconds": 9})

    async def test_pickle_and_copy(self, client):
        """A call's error survives pickle with its call, reference and remote trace."""
        handle = client.call(1, data={"error": {"message": "no", "trace": "deep"}})
        await asyncio.wait([handle])
        error = handle.exception()
        twin = pickle.loads(pickle.dumps(error))
        assert (type(twin), str(twin), twin.call, twin.ref) == (CallFailed, str(error), error.call, error.ref)
        assert twin.__notes__ == error.__notes__

    @pytest.mark.parametrize("end", [CallFailed, CallLost, WaitExpired])
    async def test_each_handle_has_its_own_error(self, client, service, end):
        """Two handles on one call raise two exceptions, so that what is added to one is not on the other."""
        handle = client.call(1, data={"seconds": 10, "error": "no"}, timeout=9 if end is WaitExpired else None)
        call = await handle.submitted()
        if end is CallLost:
            service.forgotten.add(call.id)
        other = client.attach(handle.ref)
        errors = await asyncio.gather(handle, other, return_exceptions=True)
        assert {type(error) for error in errors} == {end}
        assert str(errors[0]) == str(errors[1])
        assert errors[0] is not errors[1]


class TestLogs:
    async def test_snapshot(self, client):
        """Without `follow`, logs are what is there now."""
        handle = await started(client, seconds=10)
        await asyncio.sleep(2.5)
        assert [entry.message async for entry in handle.logs()] == ["second 0", "second 1", "second 2"]

    async def test_follow(self, client):
        """With `follow`, each line comes once, while the call runs, until its end."""
        handle = client.call(1, data={"seconds": 5})
        seen = [(entry.message, handle.status) async for entry in handle.logs(follow=True)]
        assert [message for message, _ in seen] == [f"second {n}" for n in range(6)]
        assert seen[0][1] == "Running"
        assert handle.done()

    async def test_follow_a_finished_call(self, client):
        """Following a call that is over gives what it printed and stops."""
        handle = client.call(1, data={"seconds": 2})
        await handle
        assert len([entry async for entry in handle.logs(follow=True)]) == 3

    async def test_of_a_call_that_did_not_start(self, client):
        """There are no logs of a call that did not start: it says why."""
        handle = client.call("missing")
        with pytest.raises(NotFound, match="missing"):
            await anext(handle.logs())
        assert isinstance(handle.exception(), NotFound)


class TestLettingGo:
    async def test_cancel_queued(self, client, service):
        """A queued call that is cancelled never starts: no POST is sent."""
        running = [client.call(1, data={"seconds": 5}) for _ in range(100)]
        handle = client.call(1)
        task = asyncio.create_task(handle.submitted())
        await asyncio.sleep(1)
        assert handle.cancel() is True
        with pytest.raises(asyncio.CancelledError, match="cancelled in the queue and never started"):
            await handle
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.gather(*running)
        await asyncio.sleep(60)
        assert service.count("start") == 100
        assert client.stats().waiting == 0

    async def test_cancel_while_looked_up(self, client, service):
        """A call that is cancelled while its function is looked up never starts."""
        handle = client.call("double")
        await asyncio.sleep(0.005)
        handle.cancel()
        await asyncio.sleep(10)
        assert [seen.kind for seen in service.seen] == ["lookup"]

    async def test_cancel_before_the_post(self, client, service):
        """A call that is cancelled while its session is made is not sent, and gives its place back."""
        handle = client.call(1)
        task = asyncio.create_task(handle.submitted())
        await asyncio.sleep(0.005)
        assert handle.status == "Submitting"
        handle.cancel()
        with pytest.raises(asyncio.CancelledError, match="submitted"):
            await handle
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(10)
        assert service.count("start") == 0
        assert client.stats().places == 0

    async def test_cancel_during_the_post(self, client, service):
        """A call whose POST is on its way when it is cancelled is followed until its place is free again."""
        handle = client.call(1, data={"seconds": 5})
        await asyncio.sleep(0.015)
        assert service.count("start") == 1
        handle.cancel()
        await asyncio.sleep(1)
        assert client.stats().running == 1
        await asyncio.sleep(10)
        assert client.stats().running == 0
        assert client.stats().places == 0

    async def test_cancel_running_detaches(self, client, service):
        """A running call continues when its handle is cancelled, and its place counts as taken until its end is seen."""
        handle = await started(client, seconds=5)
        handle.cancel()
        with pytest.raises(asyncio.CancelledError, match="continues"):
            await handle
        assert client.stats().running == 1
        assert client.stats().places == 1
        await asyncio.sleep(10)
        assert client.stats().running == 0
        assert client.stats().places == 0

    async def test_cancel_takes_a_message(self, client):
        """`cancel(msg)` passes the message on."""
        handle = client.call(1)
        handle.cancel("enough")
        with pytest.raises(asyncio.CancelledError, match="enough"):
            await handle

    async def test_cancel_twice_or_late(self, client):
        """Cancelling says False where there is nothing to cancel any more."""
        handle = client.call(1)
        assert (handle.cancel(), handle.cancel(), handle.detach()) == (True, False, False)
        ended = client.call(1)
        await ended
        assert ended.cancel() is False

    @pytest.mark.parametrize("after", [0, 0.005, 0.015, 0.5])
    async def test_detach(self, client, service, after):
        """A detached call continues from any state: queued, submitting, on its way or running."""
        handle = client.call(1, data={"seconds": 2})
        if after:
            await asyncio.sleep(after)
        assert handle.detach() is True
        assert handle.cancelled()
        await asyncio.sleep(5)
        assert len(service.calls) == 1
        assert client.stats().ended == 1

    async def test_other_handles_stay(self, client):
        """Cancelling one handle leaves another on the same call alone."""
        handle = await started(client)
        other = client.attach(handle.ref)
        handle.cancel()
        assert (await other).status == "Completed"


class TestAttach:
    async def test_two_handles_one_poll(self, client, service):
        """Handles on one call share its polls."""
        handle = await started(client, seconds=5)
        others = [client.attach(1, handle.call_id), client.attach(handle.ref), client.attach(handle.ref.token)]
        calls = await asyncio.gather(handle, *others)
        assert len({id(call) for call in calls}) == 1
        assert all(len(seen.body["items"]) == 1 for seen in service.of("poll"))

    async def test_running(self, client, service):
        """A call that another client started is tracked to its end."""
        call = service.start(seconds=5, value=8)
        await asyncio.sleep(1)
        handle = client.attach(1, call.id)
        assert handle.status == "Unknown"
        assert (await handle.submitted()).status == "Running"
        assert await handle.response() == 8
        assert handle.elapsed == 5

    async def test_finished(self, client, service):
        """A call that has ended settles with the first poll."""
        call = service.start(seconds=1)
        await asyncio.sleep(50)
        assert (await client.attach(1, call.id)).runtime == 1
        assert service.count("poll") == 1

    async def test_unknown(self, client, service):
        """A call that neither polls nor the list of calls know is lost within a second or so, with its reference."""
        handle = client.attach(1, 77)
        with pytest.raises(CallLost, match="no longer knows") as caught:
            await handle
        assert caught.value.ref == handle.ref
        assert 0.5 <= asyncio.get_running_loop().time() < 1.5
        with pytest.raises(CallLost):
            await handle.submitted()
        assert client.stats().running == 0

    async def test_by_external_id(self, client, service):
        """A function's external id serves to attach, too, and leads to the call that is followed already."""
        handle = await started(client)
        other = client.attach("double", handle.call_id)
        logs = asyncio.create_task(self.lines(other))
        waiting = asyncio.create_task(other.submitted())
        assert (await waiting).id == handle.call_id
        assert await other is await handle
        assert len(await logs) == 11
        assert all(len(seen.body["items"]) == 1 for seen in service.of("poll"))

    async def lines(self, handle):
        return [entry async for entry in handle.logs(follow=True)]

    async def test_by_external_id_twice(self, client, service):
        """Two handles by external id on a call without a record share one record."""
        call = service.start(seconds=3)
        one, two = client.attach("double", call.id), client.attach("double", call.id)
        first, second = await asyncio.gather(one.submitted(), two.submitted())
        assert first is second
        assert await one is await two

    async def test_before_its_acceptance_is_known(self, client, service):
        """A call that is attached to while its own POST is under way is one call, with one place and shared polls."""
        service.latency = 2.0
        handle = client.call(1, data={"seconds": 30})
        while not service.calls:
            await asyncio.sleep(0.1)
        other = client.attach(1, next(iter(service.calls)))
        assert await handle is await other
        assert client.stats().places == 0
        assert client.stats().running == 0

    async def test_by_who_is_told_of_its_acceptance(self, service):
        """An observer may attach to a call as soon as it gets its event."""
        others = []

        def attach(event):
            if isinstance(event, CallAccepted):
                others.append(client.attach(event.function_id, event.call_id))

        client = service.client(observers=[attach])
        async with client:
            assert await client.call(1) is await others[0]

    async def test_unknown_function(self, client):
        """The error of attaching by an unknown external id names it."""
        with pytest.raises(NotFound, match="missing"):
            await client.attach("missing", 5)

    async def test_bad_token(self, client):
        """A text that is not a token is rejected, with an example of one."""
        with pytest.raises(InvalidArgument, match="westeurope-1"):
            client.attach("cdf:a:b:1")

    async def test_another_project(self, client):
        """A reference to another project is refused before anything is sent."""
        ref = CallRef(cluster="cdf.test", project="other", function_id=1, call_id=2)
        with pytest.raises(InvalidArgument, match="another project"):
            client.attach(ref)


class TestNeverRetrieved:
    async def test_reported_with_ids_and_age(self, client, reports):
        """An error that was never retrieved is reported by asyncio, with function, call and age."""
        handle = await started(client, error="no")
        call_id = handle.call_id
        await asyncio.sleep(20)
        del handle
        gc.collect()
        (context,) = reports
        assert "never retrieved" in context["message"]
        assert f"call {call_id} of function 1: Failed, 10.0 s" in repr(context["future"])
        reports.clear()
        del context

    async def test_reported_without_garbage_collection(self, client, reports):
        """Nothing keeps a settled handle alive, so that its error is reported at once."""
        gc.disable()
        try:
            client.call(1, data={"error": "no"})
            await asyncio.sleep(5)
            assert len(reports) == 1
        finally:
            gc.enable()
            reports.clear()

    @pytest.mark.parametrize("take", ["await", "wait", "exception", "gather"])
    async def test_not_reported_once_taken(self, client, take):
        """An error that was awaited, waited for or retrieved is not reported."""
        handle = client.call(1, data={"error": "no"})
        if take == "wait":
            await handle.wait()
        elif take == "exception":
            await asyncio.wait([handle])
            handle.exception()
        elif take == "gather":
            await asyncio.gather(handle, return_exceptions=True)
        else:
            with pytest.raises(CallFailed):
                await handle

    async def test_detached_is_not_reported(self, client):
        """The failure of a call whose handle was detached is not reported."""
        handle = await started(client, error="no")
        handle.detach()
        await asyncio.sleep(20)

    async def test_expired_wait_can_be_shown_without_a_loop(self, client):
        """The report of a handle whose call still runs works where no loop runs: it is made whenever it is freed."""
        handle = await started(client, seconds=100)
        other = client.call(1, data={"seconds": 100}, timeout=5)
        await asyncio.wait([other])
        assert "WaitExpired" in repr(other.exception())
        assert "Running" in await asyncio.to_thread(repr, other)
        handle.detach()


class TestPickling:
    async def test_becomes_a_reference(self, client):
        """A handle pickles as its reference, running or ended, from which `attach` makes a handle again."""
        handle = await started(client)
        ref = pickle.loads(pickle.dumps(handle))
        assert ref == handle.ref
        assert b"token" not in pickle.dumps(handle)
        await handle
        assert (await client.attach(pickle.loads(pickle.dumps(handle)))).id == handle.call_id

    async def test_queued(self, client):
        """A handle without a call has nothing to pickle, and says what to await."""
        handle = client.call(1)
        with pytest.raises(WrongState, match="submitted"):
            pickle.dumps(handle)
        await handle

    async def test_detached(self, client):
        """A detached handle can be pickled too, to find the call again."""
        handle = await started(client)
        handle.detach()
        assert (await client.attach(pickle.loads(pickle.dumps(handle)))).status == "Completed"


async def test_logging_holds_no_secret(client, caplog):
    """Nothing that is logged of a call's life holds its nonce or the token."""
    caplog.set_level(logging.DEBUG, logger="aiocdf")
    await client.call(1)
    assert "nonce-" not in caplog.text
