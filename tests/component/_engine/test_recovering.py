"""Calls whose POST had no usable answer: what the client finds out about them, and what becomes of their handles."""

from __future__ import annotations

import asyncio
import itertools
import logging
from datetime import UTC, datetime, timedelta

import pytest

from aiocdf import (
    AiocdfError,
    CallAccepted,
    ClientClosed,
    PermissionDenied,
    ProtocolError,
    RequestDone,
    SubmissionUncertain,
    TransportTimeout,
    WaitExpired,
)
from aiocdf._engine.doubts import Interrupted
from aiocdf._policy.recovery import NotStarted, Started, Uncertain

pytestmark = pytest.mark.looptime

RESET = ProtocolError("reset")


def now():
    return asyncio.get_running_loop().time()


async def until(condition):
    """Let time pass until *condition* holds."""
    async with asyncio.timeout(1000):
        while not condition():
            await asyncio.sleep(0.01)


class TestFound:
    @pytest.mark.parametrize("ahead", [-120.0, 0.0, 120.0])
    async def test_whatever_the_clocks(self, client, service, ahead):
        """A call is found by its start time though the two clocks are minutes apart."""
        service.ahead = ahead
        service.start(1, seconds=1)
        await asyncio.sleep(3)
        await client.call(1)
        service.fault("start", service.late(RESET))
        handle = client.call(1, data={"value": "mine", "seconds": 5})
        assert await handle.response() == "mine"
        assert service.count("start") == 2

    async def test_first_call_of_all(self, client, service):
        """It is found though nothing is known of the service's clock but the dates of its answers."""
        service.fault("start", service.late(RESET))
        assert await client.call(1, data={"value": "mine"}).response() == "mine"
        assert service.count("start") == 1

    async def test_many_share_requests(self, client, service):
        """Many calls in doubt cost no more than three requests each, and fewer where they share them."""
        await asyncio.gather(*(client.call(n % 2 + 1) for n in range(4)))
        service.fault("start", *[service.late(RESET), RESET, None] * 10)
        handles = [client.call(n % 2 + 1, data={"value": n, "seconds": 3}) for n in range(60)]
        values = await asyncio.gather(*(handle.response() for handle in handles), return_exceptions=True)
        uncertain = [n for n, value in enumerate(values) if isinstance(value, SubmissionUncertain)]
        assert all(value == n for n, value in enumerate(values) if n not in uncertain)
        assert len(service.calls) == 64
        assert service.count("sessions") + service.count("list") <= 3 * 20

    async def test_told_to_observers(self, service):
        """Observers get events for the requests of recovery and for a call that it finds."""
        events = []
        async with service.client(observers=[events.append]) as client:
            service.fault("start", service.late(RESET))
            handle = client.call(1)
            await handle
            names = [event.name for event in events if isinstance(event, RequestDone)]
            assert {"read 1 sessions", "list calls of function 1"} <= set(names)
            assert client.stats().requests == len(names)
        assert [event.call_id for event in events if isinstance(event, CallAccepted)] == [handle.call_id]

    async def test_ended_meanwhile(self, client, service):
        """A call that has ended when it is found ends its handle at once."""
        service.fault("start", service.late(RESET))
        assert (await client.call(1, data={"seconds": 0.1})).status == "Completed"
        assert service.count("poll") == 0
        assert client.stats().places == 0

    async def test_attached_to_meanwhile(self, client, service):
        """A call that was attached before recovery found it is one call with two handles."""
        service.fault("start", service.late(RESET))
        handle = client.call(1, data={"seconds": 5})
        await until(lambda: service.calls)
        other = client.attach(1, next(iter(service.calls)))
        first, second = await asyncio.gather(handle, other)
        assert first == second
        assert (client.stats().made, client.stats().places) == (1, 0)

    async def test_timeout_counts_from_the_start(self, client, service):
        """`timeout=` counts from the call's start, which was before it was found."""
        service.fault("start", service.late(RESET))
        handle = client.call(1, data={"seconds": 60}, timeout=10)
        with pytest.raises(WaitExpired):
            await handle
        assert 9 < now() < 11


class TestNotStarted:
    async def test_hung_until_the_nonce_was_dead(self, client, service):
        """A POST that hung for a minute is sent again with a new nonce once the old one is surely dead."""

        async def hang(seen):
            await asyncio.sleep(60)
            raise TransportTimeout("slow")

        real, service.send = service.send, None

        async def send(request):
            if request.url.endswith("/1/call") and not service.count("start"):
                service.seen.append(service.seen[-1].__class__("start", now(), 1, {"nonce": "old"}, {}, request.url))
                await hang(request)
            return await real(request)

        service.send = send
        handle = client.call(1)
        assert (await handle).status == "Completed"
        assert 120 < now() < 130
        assert len(service.calls) == 1

    async def test_refused_later(self, client, service):
        """A refusal of the second POST is believed once the first can no longer start the call."""
        service.fault("start", RESET, service.error(403, "forbidden"))
        with pytest.raises(PermissionDenied, match="did not start"):
            await client.call(1)
        assert 120 < now() < 130
        assert client.stats().refused == 1

    async def test_bound_after_all(self, client, service):
        """A POST that arrives when its nonce was sent again makes that fail, and its call is found."""
        service.fault("start", RESET)
        handle = client.call(1, data={"value": "mine", "seconds": 5})
        await until(lambda: service.count("start") == 1)
        seen = service.of("start")[0]
        await until(lambda: service.count("start") == 2)
        service._start(seen)
        assert await handle.response() == "mine"
        assert len(service.calls) == 1

    async def test_nonce_of_the_callers(self, client, service):
        """A call with a nonce of the caller's own is not sent again, but that it did not start is known after a while."""
        service.nonces["own"] = now()
        service.fault("start", RESET)
        with pytest.raises(ProtocolError, match="did not start"):
            await client.call(1, nonce="own")
        assert service.count("start") == 1

    async def test_goes_on_in_the_queue(self, client, service):
        """A call that waits in the queue until its nonce is too old is asked about again."""
        await client.call(1)
        service.fault("start", RESET)
        handle = client.call(1)
        await until(lambda: client.stats().recovering)
        service.others[1] = 100
        await asyncio.sleep(100)
        service.others.clear()
        assert (await handle).status == "Completed"
        assert len(service.calls) == 2


class TestUncertain:
    async def test_somebody_elses_call(self, client, service):
        """If another client's call started at the same time, the error has the candidates, and what to do."""
        await client.call(1)
        service.fault("start", service.late(RESET))
        handle = client.call(1, data={"seconds": 5})
        await until(lambda: len(service.calls) == 2)
        other = service.start(1)
        with pytest.raises(SubmissionUncertain, match=f"{other.id}.*attach") as caught:
            await handle
        assert {call.id for call in caught.value.candidates} == set(list(service.calls)[1:])
        assert isinstance(caught.value.__cause__, ProtocolError)
        assert client.stats().places == 0

    async def test_scheduled_calls_are_nobodys(self, client, service):
        """Calls of a schedule make nothing uncertain."""
        await client.call(1)
        service.fault("start", service.late(RESET))
        handle = client.call(1, data={"value": "mine"})
        await until(lambda: len(service.calls) == 2)
        service.start(1, schedule=5)
        assert await handle.response() == "mine"

    async def test_sessions_cannot_be_read(self, client, service, caplog):
        """Without the capability to read sessions, what has not started is sent again, and that is logged once."""
        service.always("sessions", service.error(403, "forbidden"))
        service.fault("start", RESET, None, RESET)
        calls = await asyncio.gather(*(client.call(1) for _ in range(3)))
        assert {call.status for call in calls} == {"Completed"}
        assert len(service.calls) == 3
        assert service.count("sessions") == 1
        warnings = [record for record in caplog.records if getattr(record, "event", "") == "sessions_not_read"]
        assert len(warnings) == 1
        assert warnings[0].levelno == logging.WARNING

    async def test_sessions_cannot_be_read_and_it_started(self, client, service):
        """Without it, a call that is there may be another client's."""
        service.always("sessions", service.error(403, "forbidden"))
        service.fault("start", service.late(RESET))
        with pytest.raises(SubmissionUncertain) as caught:
            await client.call(1)
        assert [call.id for call in caught.value.candidates] == list(service.calls)

    async def test_calls_cannot_be_listed(self, client, service):
        """Without the capability to list calls, a call that has started is not found."""
        service.always("list", service.error(403, "forbidden"))
        service.fault("start", service.late(RESET))
        with pytest.raises(SubmissionUncertain, match="forbidden"):
            await client.call(1)
        assert now() < 5

    @pytest.mark.parametrize("done", [True, False])
    async def test_patience(self, client, service, done):
        """If no request for the signs succeeds, recovery tries for as long as calls wait for trouble to end."""
        await client.call(1)
        service.always("sessions", service.error(503, "busy"))
        service.fault("start", service.late(RESET) if done else RESET)
        with pytest.raises(SubmissionUncertain):
            await client.call(1)
        assert 600 < now() < 640
        assert service.count("sessions") < 60


class TestHandle:
    async def test_keeps_its_place(self, service):
        """A call in doubt may run, so it holds a place until that is known."""
        async with service.client(function_limit=1) as client:
            service.fault("start", service.late(RESET))
            first, second = client.call(1, data={"seconds": 10}), client.call(1)
            await asyncio.sleep(0.5)
            assert first.status == "Recovering"
            stats = client.stats()
            assert (stats.recovering, stats.waiting, stats.places) == (1, 1, 1)
            await asyncio.gather(first, second)
        assert service.peak[1] == 1

    async def test_cancelled(self, client, service, reports):
        """A cancelled call in doubt may have started, and says so; its place is free."""
        service.fault("start", service.late(RESET))
        handle = client.call(1)
        waiting = asyncio.create_task(handle.submitted())
        await until(lambda: client.stats().recovering)
        handle.cancel()
        with pytest.raises(asyncio.CancelledError, match="may have started"):
            await handle
        with pytest.raises(SubmissionUncertain):
            await waiting
        assert (client.stats().uncertain, client.stats().places) == (1, 0)
        await asyncio.sleep(200)
        assert service.count("start") == 1

    async def test_detached(self, client, service):
        """A detached call in doubt goes on: it runs once."""
        service.fault("start", RESET)
        handle = client.call(1)
        await until(lambda: client.stats().recovering)
        handle.detach()
        await until(lambda: client.stats().completed)
        assert len(service.calls) == 1

    async def test_closed(self, service, reports):
        """When the client closes, a call in doubt stays so."""
        async with service.client() as client:
            service.fault("start", service.late(RESET))
            handle = client.call(1)
            await until(lambda: client.stats().recovering)
        with pytest.raises(SubmissionUncertain, match="closed"):
            await handle

    @pytest.mark.parametrize("after", [0.02, 1.5, 3.0])
    async def test_stray_cancellation(self, client, service, reports, after):
        """What cuts the asking short does not end it."""
        service.fault("start", service.late(RESET), RESET)
        handles = [client.call(1, data={"seconds": 5}) for _ in range(2)]
        await asyncio.sleep(after)
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.gather(*handles, return_exceptions=True)
        assert len(service.calls) == 2
        assert client.stats().places == 0


class TestSpacing:
    async def test_kept_apart(self, client, service):
        """After POSTs that started their calls in doubt, the next ones go one by one."""
        service.latency = 0.1
        await asyncio.gather(*(client.call(n % 2 + 1) for n in range(60)))
        for _ in range(3):
            service.fault("start", service.late(RESET))
            await client.call(1)
        service.seen.clear()
        await asyncio.gather(*(client.call(1) for n in range(20)))
        times = [seen.at for seen in service.of("start")]
        assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= 0.09


class TestInterrupted:
    """Submissions of a process that ended before it knew."""

    def interrupted(self, session, sent=0.0, **more):
        return Interrupted(
            function="double",
            session_id=session,
            sent_from=datetime.now(UTC) - timedelta(seconds=now() - sent),
            clock_error=0.0,
            **more,
        )

    async def find(self, client, interrupted, **more):
        return await asyncio.gather(*await client._ready().engine.find(interrupted, **more))

    async def submit(self, service, *, done):
        """Be the process that ends."""
        async with service.client() as client:
            service.fault("start", service.late(RESET) if done else RESET)
            client.call(1, data={"seconds": 5}).detach()
            await until(lambda: client.stats().recovering)
        return max(service.sessions)

    async def test_started(self, service):
        """A submission that started is found, and can be attached to."""
        session = await self.submit(service, done=True)
        async with service.client() as client:
            (found,) = await self.find(client, [self.interrupted(session)])
            assert isinstance(found, Started)
            assert (await client.attach("double", found.call.id)).status == "Completed"

    async def test_not_started(self, service):
        """One that did not start is known for that once its nonce is surely dead."""
        session = await self.submit(service, done=False)
        async with service.client() as client:
            assert await self.find(client, [self.interrupted(session)]) == [NotStarted()]
        assert 120 < now() < 200

    async def test_each_by_itself(self, service):
        """One outcome is available before the others are known; after a search is cancelled, no request is sent for it."""
        first = await self.submit(service, done=True)
        second = await self.submit(service, done=False)
        async with service.client() as client:
            searches = await client._ready().engine.find([self.interrupted(first), self.interrupted(second)])
            assert isinstance(await searches[0], Started)
            assert now() < 30
            assert not searches[1].done()
            searches[1].cancel()
            service.seen.clear()
            await asyncio.sleep(300)
            assert service.count("sessions") == 0

    async def test_known_calls(self, service):
        """Calls that the journal knows are not this one."""
        session = await self.submit(service, done=True)
        other = service.start(1)
        async with service.client() as client:
            (found,) = await self.find(client, [self.interrupted(session)])
            assert isinstance(found, Uncertain)
            (found,) = await self.find(client, [self.interrupted(session)], known=[other.id])
            assert isinstance(found, Started)

    async def test_starts_after(self, service):
        """A later bound of the start distinguishes two."""
        service.start(1)
        await asyncio.sleep(1)
        at = now()
        session = await self.submit(service, done=True)
        async with service.client() as client:
            (found,) = await self.find(client, [self.interrupted(session)])
            assert isinstance(found, Uncertain)
            after = datetime.fromtimestamp(1_700_000_000.0 + at, UTC)
            (found,) = await self.find(client, [self.interrupted(session, starts_after=after)])
            assert isinstance(found, Started)

    async def test_closed_meanwhile(self, service, reports):
        """The closing of the client ends the search."""
        session = await self.submit(service, done=False)
        async with service.client() as client:
            search = asyncio.create_task(self.find(client, [self.interrupted(session)]))
            await asyncio.sleep(1)
        with pytest.raises(ClientClosed):
            await search


class TestBeforePost:
    async def test_each_post(self, client, service):
        """The hook is awaited before each POST, with the session's id, and the POST comes after it."""
        posts = []

        async def before_post(session):
            await asyncio.sleep(0.5)
            posts.append((session, service.count("start")))

        service.fault("start", RESET)
        await client._call(1, before_post=before_post)
        session = next(iter(service.sessions))
        assert posts == [(session, 0), (session, 1)]

    @pytest.mark.parametrize("error", [OSError("disk full"), AiocdfError("no")], ids=str)
    async def test_failure(self, client, service, error):
        """What it raises ends the call before anything is sent, and the nonce is kept for another."""

        async def before_post(session):
            raise error

        with pytest.raises(AiocdfError) as caught:
            await client._call(1, before_post=before_post)
        assert error in (caught.value.__cause__, caught.value) or str(caught.value) == str(error)
        assert (service.count("start"), client.stats().places) == (0, 0)
        await client.call(1)
        assert service.count("session") <= 2
