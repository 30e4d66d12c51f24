"""What cuts work short: stray cancellations, the end of the loop, closing."""

from __future__ import annotations

import asyncio
import gc

import pytest

from aiocdf import BadRequest, ClientClosed, FunctionCall, ProtocolError, SubmissionUncertain


def now():
    return asyncio.get_running_loop().time()


def cancel_all():
    """Cancel every task of the loop but this one, as a careless shutdown does."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


def engine_parts():
    """How many objects there are of the classes that make calls happen."""
    gc.collect()
    names = {"Engine", "Poller", "Following", "Submitter", "Nonces", "Resolver", "Gate", "Ledger", "Client", "Service"}
    return {type(each).__name__ for each in gc.get_objects() if type(each).__name__ in names}


@pytest.mark.looptime
class TestStrayCancel:
    """A program cancels all tasks of the loop, and not in order to close the client."""

    @pytest.mark.parametrize(
        ("after", "doing"), [(0.005, "lookup"), (0.015, "session"), (1.0, None)], ids=["look-up", "session", "between"]
    )
    async def test_calls_go_on(self, client, service, reports, after, doing):
        """What has not been posted is begun again a moment later, and runs once."""
        handles = [client.call("double", data={"seconds": 3, "value": n}) for n in range(50)]
        await asyncio.sleep(after)
        if doing:
            assert service.seen[-1].kind == doing
        cancel_all()
        assert await asyncio.gather(*(handle.response() for handle in handles)) == list(range(50))
        assert len(service.calls) == 50
        assert now() < 15

    @pytest.mark.parametrize("repeatable", [False, True])
    async def test_during_the_post(self, client, service, reports, repeatable):
        """A POST that was cut short may have started its call, and is sent again if it did not."""
        handle = client.call(1, data={"seconds": 3}, retry=repeatable)
        await asyncio.sleep(0.015)
        assert service.seen[-1].kind == "start"
        cancel_all()
        assert (await handle).status == "Completed"
        assert len(service.calls) == 1
        assert (await client.call(1)).status == "Completed"
        assert client.stats().places == 0

    @pytest.mark.parametrize("times", [1, 5])
    async def test_during_a_poll(self, client, service, reports, times):
        """Running calls are polled again, and their ends are seen."""
        handles = [client.call(1, data={"seconds": 10}) for _ in range(20)]
        for _ in range(times):
            polls = service.count("poll")
            while service.count("poll") == polls:
                await asyncio.sleep(0.001)
            cancel_all()
            await asyncio.sleep(0.5)
        assert {call.status for call in await asyncio.gather(*handles)} == {"Completed"}
        assert client.stats().places == 0

    async def test_again_and_again(self, client, service, reports):
        """A call comes through however often all tasks are cancelled, as long as some time is between."""
        handle = client.call("double", data={"seconds": 2})
        for _ in range(20):
            cancel_all()
            await asyncio.sleep(1.5)
        assert (await handle).status == "Completed"
        assert len(service.calls) == 1

    async def test_while_the_queue_ends(self, client, service, reports):
        """When a function's queue is being ended, every call of it ends all the same."""
        service.status = "Failed"
        handles = [client.call(1) for _ in range(3000)]
        await asyncio.wait(handles, return_when=asyncio.FIRST_COMPLETED)
        assert not all(handle.done() for handle in handles)
        cancel_all()
        await asyncio.gather(*handles, return_exceptions=True)
        assert (client.stats().waiting, client.stats().places) == (0, 0)
        service.status = "Ready"
        assert (await client.call(1)).status == "Completed"

    @pytest.mark.parametrize("function", [1, "double"])
    async def test_before_the_first_step(self, client, service, reports, function):
        """What has not even begun is begun again: a look-up, and what is begun when the loop comes round."""
        handle = client.call(function, data={"seconds": 3})
        for _ in range(4):
            cancel_all()
            await asyncio.sleep(0)
        assert (await handle).status == "Completed"
        assert client.stats().places == 0

    async def test_poll_before_its_first_step(self, client, service, reports):
        """A poll that has not even begun is begun again."""
        handle = client.call(1, data={"seconds": 10})
        await handle.submitted()
        while not handle.done():
            cancel_all()
            await asyncio.sleep(1.7)
        assert (await handle).status == "Completed"


@pytest.mark.parametrize("turns", range(7))
@pytest.mark.parametrize("faults", [[], ["busy"], ["refused"]], ids=str)
def test_stray_cancel_at_any_step(new_service, virtual, turns, faults):
    """In whatever turn of the loop all tasks are cancelled, every call ends, no place is lost, and the client works on."""

    async def scenario(seconds):
        service = new_service()
        service.fault("session", *[service.error(503, "busy") for fault in faults if fault == "busy"])
        service.fault("start", *[service.error(400, "odd") for fault in faults if fault == "refused"])
        async with service.client() as client:
            handles = [client.call(function, data={"seconds": 0.1}) for function in (1, 2, "double", "double")]
            await asyncio.sleep(seconds)
            for _ in range(turns):
                await asyncio.sleep(0)
            cancel_all()
            ended = await asyncio.gather(*handles, return_exceptions=True)
            assert {type(each) for each in ended} <= {FunctionCall, SubmissionUncertain, BadRequest}
            assert len(service.calls) <= 4
            again = await asyncio.gather(*(client.call(name, data={"seconds": 0}) for name in (1, 2, "double")))
            assert {call.status for call in again} == {"Completed"}
            assert (client.stats().places, client.stats().waiting) == (0, 0)

    async def scenarios():
        for step in range(60):
            await scenario(step * 0.005)

    virtual(scenarios())


class TestEndOfTheLoop:
    """The loop ends before the client was closed, as where `asyncio.run` returns."""

    @pytest.fixture(autouse=True)
    def collected(self):
        """What a client that was not closed has to say is for its own test."""
        yield
        vars(self).clear()
        gc.collect()

    def test_every_state(self, service):
        """All open handles end with ClientClosed: looked up, queued, submitting, running; without a word of noise."""
        reported = []

        async def leave_open():
            asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
            client = service.client(function_limit=2)
            await client.start()
            running = [client.call(1, data={"seconds": 50}) for _ in range(2)]
            await asyncio.gather(*(handle.submitted() for handle in running))
            others = [client.call(1), client.call("missing"), client.call(2), client.attach(2, 5)]
            await asyncio.sleep(0.003)
            return [*running, *others]

        handles = asyncio.run(leave_open())
        assert {type(handle.exception()) for handle in handles} == {ClientClosed}
        assert "continues" in str(handles[0].exception())
        gc.collect()
        assert reported == []

    def test_doubt_is_not_denied(self, service):
        """A call in doubt does not say that it never started."""

        async def leave_open():
            client = service.client()
            await client.start()
            service.fault("start", ProtocolError("reset"))
            service.always("session", service.error(503, "busy"))
            service.fault("session", None)
            handle = client.call(1, retry=True)
            await asyncio.sleep(0.1)
            return handle

        assert "may have started" in str(asyncio.run(leave_open()).exception())

    def test_who_waits(self, service):
        """Tasks that wait when the loop ends are cancelled, as always; their handles end with ClientClosed."""

        async def leave_open():
            client = service.client()
            await client.start()
            handle = client.call(1, data={"seconds": 50})
            self.waiting = asyncio.create_task(handle.wait())
            await handle.submitted()
            return handle

        assert isinstance(asyncio.run(leave_open()).exception(), ClientClosed)
        assert self.waiting.cancelled()

    def test_after_closing(self, service):
        """A client that was closed has nothing to say when the loop ends."""

        async def close():
            async with service.client() as client:
                handle = client.call(1)
                await asyncio.sleep(0)
            return handle, handle.exception()

        handle, error = asyncio.run(close())
        assert handle.exception() is error


@pytest.mark.looptime
class TestClosing:
    async def test_in_slices(self, service):
        """While thousands of calls are ended, the loop comes round for others."""
        rounds = 0

        async def others():
            nonlocal rounds
            while True:
                await asyncio.sleep(0)
                rounds += 1

        async with service.client() as client:
            handles = [client.call(1) for _ in range(5000)]
            task = asyncio.create_task(others())
            await asyncio.sleep(0)
            rounds = 0
        assert rounds >= 5000 / 250 - 1
        task.cancel()
        assert {type(handle.exception()) for handle in handles} == {ClientClosed}

    async def test_cancelled_meanwhile(self, service):
        """When closing is cancelled, every handle ends all the same."""
        client = service.client()
        await client.start()
        handles = [client.call(1) for _ in range(5000)]
        closing = asyncio.create_task(client.aclose())
        while not handles[0].done():
            await asyncio.sleep(0)
        assert not handles[-1].done()
        closing.cancel()
        await asyncio.wait([closing])
        assert {type(handle.exception()) for handle in handles} == {ClientClosed}

    async def test_calls_made_meanwhile(self, service):
        """While a client closes, it takes no more calls."""
        client = service.client()
        await client.start()
        for _ in range(2000):
            client.call(1)
        closing = asyncio.create_task(client.aclose())
        await asyncio.sleep(0)
        with pytest.raises(ClientClosed):
            client.call(1)
        await closing


def test_kept_handle(new_service):
    """A handle that is kept when its client has closed keeps nothing of the engine alive."""
    before = engine_parts()

    async def work():
        async with new_service().client() as client:
            ended, open_ = client.call(1, data={"seconds": 0}), client.call("double", data={"seconds": 50})
            await ended
            await open_.submitted()
            assert "Engine" in engine_parts()
        return ended, open_

    kept = asyncio.run(work())
    assert engine_parts() == before
    assert [handle.done() for handle in kept] == [True, True]
