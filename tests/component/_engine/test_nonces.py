from __future__ import annotations

import asyncio
import itertools
import logging

import attrs
import pytest

from aiocdf import BadRequest, PermissionDenied, Secret, Session
from aiocdf._engine.nonces import Nonces
from aiocdf._engine.tasks import Tasks
from aiocdf._policy.answer_times import AnswerTimes

pytestmark = pytest.mark.looptime

BEST, SECOND = {"tokenExchange": True}, {"oneshotTokenExchange": True}


def now():
    return asyncio.get_running_loop().time()


def refusal(kind=BadRequest):
    return kind("refused", status=400, code=400, detail="refused")


@attrs.define
class Sessions:
    """The resource: makes sessions after a while, or fails as set."""

    seconds: float = 0.1
    faults: list[Exception | None] = attrs.field(factory=list)
    asked: list[dict] = attrs.field(factory=list)
    within: list[float] = attrs.field(factory=list)
    making: int = 0
    most: int = 0
    _numbers: itertools.count = attrs.field(factory=lambda: itertools.count(1))

    async def new_session(self, item, *, within):
        self.asked.append(item)
        self.within.append(within)
        self.making += 1
        self.most = max(self.most, self.making)
        fault = self.faults.pop(0) if self.faults else None
        try:
            await asyncio.sleep(self.seconds)
        finally:
            self.making -= 1
        if fault is not None:
            raise fault
        number = next(self._numbers)
        return Session(id=number, status="READY", nonce=Secret(f"nonce-{number}"))


@pytest.fixture
def sessions():
    return Sessions()


@pytest.fixture
async def tasks():
    tasks = Tasks(asyncio.get_running_loop())
    yield tasks
    await tasks.aclose()


@pytest.fixture
async def nonces(sessions, tasks, reports):
    """Nonces of which one was requested and received."""
    nonces = Nonces(Sessions(seconds=0), [BEST], tasks, AnswerTimes(60.0))
    await nonces.fresh()
    nonces._service = sessions
    return nonces


async def take(nonces):
    return (await nonces.fresh()).secret.reveal()


class TestWaiting:
    async def test_made_when_asked_for(self, nonces, sessions):
        """Without one in hand, a nonce is made for who asks, and nothing beyond it."""
        assert await take(nonces) == "nonce-1"
        await asyncio.sleep(5)
        assert now() == pytest.approx(5.1)
        assert len(sessions.asked) == 1

    async def test_all_at_once(self, nonces, sessions):
        """Fifty who wait have fifty made at the same time, and each gets one of its own."""
        taken = await asyncio.gather(*(take(nonces) for _ in range(50)))
        assert len(set(taken)) == len(sessions.asked) == 50
        assert now() == pytest.approx(0.1)

    async def test_first_come_first_served(self, nonces, sessions):
        """The first waiter gets the first nonce, for whichever waiter it was made."""
        first = asyncio.create_task(take(nonces))
        await asyncio.sleep(0.05)
        sessions.seconds = 0.01
        second = asyncio.create_task(take(nonces))
        assert (await first, now()) == ("nonce-1", pytest.approx(0.06))
        assert (await second, now()) == ("nonce-2", pytest.approx(0.1))

    async def test_an_error_goes_to_one(self, nonces, sessions):
        """One refusal ends the wait of one; the others get theirs."""
        sessions.faults = [refusal(PermissionDenied)]
        taken = await asyncio.gather(*(take(nonces) for _ in range(5)), return_exceptions=True)
        assert [type(each) for each in taken] == [PermissionDenied, str, str, str, str]
        assert len(sessions.asked) == 5

    async def test_each_its_own_error(self, nonces, sessions):
        """If all are refused, no waiter waits for ever."""
        sessions.faults = [refusal() for _ in range(3)]
        faults = list(sessions.faults)
        taken = await asyncio.gather(*(take(nonces) for _ in range(3)), return_exceptions=True)
        assert taken == faults

    async def test_fault_of_our_own(self, nonces, sessions):
        """What should never be raised ends a wait as well."""
        sessions.faults = [ZeroDivisionError()]
        with pytest.raises(ZeroDivisionError):
            await nonces.fresh()
        assert await take(nonces) == "nonce-1"

    async def test_cancelled(self, nonces, sessions):
        """What was made for one who has given up goes to the next, or is kept."""
        waiting = [asyncio.create_task(take(nonces)) for _ in range(3)]
        await asyncio.sleep(0.05)
        waiting[0].cancel()
        assert await asyncio.gather(*waiting[1:]) == ["nonce-1", "nonce-2"]
        assert (await take(nonces), now()) == ("nonce-3", pytest.approx(0.1))
        assert len(sessions.asked) == 3

    async def test_all_cancelled(self, nonces, sessions):
        """After all waiters have given up, an error is ignored and a nonce is kept."""
        sessions.faults = [refusal()]
        waiting = [asyncio.create_task(take(nonces)) for _ in range(2)]
        await asyncio.sleep(0.05)
        for task in waiting:
            task.cancel()
        await asyncio.sleep(1)
        assert (await take(nonces), len(sessions.asked)) == ("nonce-1", 2)

    async def test_closed(self, nonces, sessions, tasks):
        """Closing ends what is being made; nothing is made after it."""
        nonces.prepare(5)
        await asyncio.sleep(0.05)
        await tasks.aclose()
        nonces.prepare(9)
        await asyncio.sleep(1)
        assert (len(sessions.asked), sessions.making) == (5, 0)


class TestStock:
    async def test_in_hand(self, nonces, sessions):
        """What was made ahead is there at once, the oldest first."""
        nonces.prepare(3)
        await asyncio.sleep(1)
        assert [await take(nonces) for _ in range(3)] == ["nonce-1", "nonce-2", "nonce-3"]
        assert now() == 1
        assert len(sessions.asked) == 3

    async def test_never_more_than_needed(self, nonces, sessions):
        """Repeated requests do not make more nonces than are needed."""
        for count in (3, 3, 1, 0, 3):
            nonces.prepare(count)
            await asyncio.sleep(0.06)
        assert len(sessions.asked) == 3
        nonces.prepare(4)
        await asyncio.sleep(1)
        assert len(sessions.asked) == 4

    async def test_beside_those_who_wait(self, nonces, sessions):
        """What is wanted ahead comes on top of what is waited for."""
        waiting = asyncio.create_task(take(nonces))
        await asyncio.sleep(0.05)
        nonces.prepare(2)
        nonces.prepare(2)
        assert await waiting == "nonce-1"
        await asyncio.sleep(1)
        assert len(sessions.asked) == 3
        assert [await take(nonces), await take(nonces)] == ["nonce-2", "nonce-3"]
        assert len(sessions.asked) == 3

    async def test_being_made(self, nonces, sessions):
        """Who asks while one is being made ahead gets that one."""
        nonces.prepare(1)
        await asyncio.sleep(0.09)
        assert (await take(nonces), now()) == ("nonce-1", pytest.approx(0.1))
        assert len(sessions.asked) == 1

    async def test_expired(self, nonces, sessions):
        """Nonces of ten seconds are dropped, and another is made."""
        nonces.prepare(3)
        await asyncio.sleep(10.5)
        assert (await take(nonces), now()) == ("nonce-4", pytest.approx(10.6))
        assert len(sessions.asked) == 4

    async def test_expired_are_not_in_hand(self, nonces, sessions):
        """What is too old does not count as in hand; what is young does."""
        nonces.prepare(2)
        await asyncio.sleep(5)
        nonces.prepare(3)
        await asyncio.sleep(5.05)
        nonces.prepare(3)
        await asyncio.sleep(1)
        assert [await take(nonces) for _ in range(3)] == ["nonce-3", "nonce-4", "nonce-5"]
        assert len(sessions.asked) == 5

    async def test_given_back(self, nonces, sessions):
        """A nonce that was not spent is the next one, before those in stock."""
        nonces.prepare(2)
        await asyncio.sleep(1)
        first = await nonces.fresh()
        nonces.give_back(first)
        assert [await take(nonces) for _ in range(2)] == ["nonce-1", "nonce-2"]
        assert len(sessions.asked) == 2

    async def test_given_back_to_a_waiter(self, nonces, sessions):
        """A nonce that was not spent goes to who waits, and what was being made for that one is kept."""
        spare = await nonces.fresh()
        waiting = asyncio.create_task(take(nonces))
        await asyncio.sleep(0.05)
        nonces.give_back(spare)
        assert (await waiting, now()) == ("nonce-1", pytest.approx(0.15))
        await asyncio.sleep(1)
        assert await take(nonces) == "nonce-2"
        assert len(sessions.asked) == 2

    async def test_given_back_too_late(self, nonces, sessions):
        """A nonce that is given back ten seconds after its request is not used."""
        old = await nonces.fresh()
        await asyncio.sleep(10.5)
        nonces.give_back(old)
        assert await take(nonces) == "nonce-2"

    async def test_how_old_it_is(self, nonces):
        """A nonce has the times between which it was made."""
        nonce = await nonces.fresh()
        assert nonce.made_at == 0.0
        assert nonce.made_by == now()

    async def test_nothing_before_the_first(self, sessions, tasks):
        """Before the first request, no nonce is made in advance: callers may give a nonce with each call."""
        nonces = Nonces(sessions, [BEST], tasks, AnswerTimes(60.0))
        nonces.prepare(5)
        await asyncio.sleep(1)
        assert sessions.asked == []

    async def test_age_counts_from_the_request(self, nonces, sessions):
        """A session that took long to be made is as old as its request."""
        sessions.seconds = 8
        nonces.prepare(1)
        await asyncio.sleep(9.9)
        assert await take(nonces) == "nonce-1"
        nonces.prepare(1)
        await asyncio.sleep(10.1)
        assert await take(nonces) == "nonce-3"

    async def test_refused(self, nonces, sessions, caplog):
        """A refusal without a waiter is not an error; the next waiter gets it."""
        caplog.set_level(logging.DEBUG, "aiocdf.engine")
        sessions.faults = [refusal(), refusal()]
        nonces.prepare(1)
        await asyncio.sleep(1)
        assert "no session was created in advance: refused" in caplog.text
        with pytest.raises(BadRequest):
            await nonces.fresh()


class TestGrants:
    async def test_kept_to(self, sessions, tasks, reports):
        """The first grant that works is kept to, also by those who ask later."""
        sessions.faults = [refusal()]
        nonces = Nonces(sessions, [BEST, SECOND], tasks, AnswerTimes(60.0))
        await take(nonces)
        await asyncio.gather(*(take(nonces) for _ in range(3)))
        assert sessions.asked == [BEST, SECOND, SECOND, SECOND, SECOND]

    async def test_at_the_same_time(self, sessions, tasks, reports):
        """Several who find out at the same time all get a nonce."""
        sessions.faults = [refusal() for _ in range(4)]
        nonces = Nonces(sessions, [BEST, SECOND], tasks, AnswerTimes(60.0))
        assert len(set(await asyncio.gather(*(take(nonces) for _ in range(4))))) == 4


class TestFanOut:
    @pytest.mark.parametrize("seconds", [0.5, 3])
    async def test_none_left_over(self, client, service, seconds):
        """Of 200 calls through 100 places each has one session, and none is left: no more are made than are queued."""
        handles = [client.call(1, {"seconds": seconds + n / 100}) for n in range(200)]
        await asyncio.gather(*handles)
        assert service.count("start") == 200
        assert set(service.nonces) == service.bound

    async def test_few_are_left_over(self, client, service):
        """Calls that turn out to run longer than nonces live cost a few in vain: one in ten seconds, when it is known."""
        handles = [client.call(1, {"seconds": 25 + n / 10}) for n in range(200)]
        await asyncio.gather(*handles)
        assert service.count("start") == 200
        assert len(set(service.nonces) - service.bound) <= 20

    @pytest.mark.parametrize("latency", [0.02, 0.05, 0.12])
    async def test_in_hand_when_a_place_is_free(self, service, latency):
        """Once ends have been seen, POSTs go out with the poll's answer: their nonces were made before it came."""
        service.latency = latency
        async with service.client() as client:
            await asyncio.gather(*(client.call(1, {"seconds": 2 + n % 17 / 10}) for n in range(500)))
        answers = {round(seen.at + service.latency, 3) for seen in service.of("poll")}
        prompt = [round(seen.at, 3) in answers for seen in service.of("start")]
        assert sum(prompt[200:]) > 0.9 * 300

    async def test_in_hand_when_a_worker_is_free(self, service):
        """While all workers are busy and there are places, the nonces of the next calls are made: none waits for one."""
        service.latency = 0.1
        async with service.client(max_concurrent_submissions=5) as client:
            await asyncio.gather(*(client.call(n % 2 + 1) for n in range(20)))  # by now all workers may be used
            service.seen.clear()
            began_at = now()
            await asyncio.gather(*(client.call(n % 2 + 1) for n in range(19)))
        starts = [seen.at - began_at for seen in service.of("start")]
        # Later, only one function has calls, and half of the workers are enough for it.
        assert starts[:8] == pytest.approx([0.1] * 4 + [0.2] * 4)  # one in ten workers is left for probes
        assert set(service.nonces) == service.bound

    async def test_not_made_without_a_place(self, service):
        """While all workers are busy and no place is free, no nonces are made: who knows when one will be."""
        service.latency = 0.1
        async with service.client(max_concurrent_submissions=10, function_limit=5) as client:
            handles = [client.call(1, {"seconds": 60}) for _ in range(20)]
            await asyncio.sleep(0.32)
            assert (service.count("session"), service.count("start")) == (5, 5)
            for handle in handles:
                handle.cancel()

    async def test_not_made_while_nothing_may_start(self, client, service):
        """While the service wants no POST for a minute, nonces are made for ends that are expected, not for free places."""
        service.fault("start", service.error(429, "too many requests", headers={"retry-after": "60"}))
        handles = [client.call(1, {"seconds": 200}) for _ in range(100)]
        await asyncio.sleep(2)
        made, started = service.count("session"), service.count("start")
        await asyncio.sleep(50)
        assert started == service.count("start") < 100
        assert service.count("session") - made <= 10
        for handle in handles:
            handle.cancel()

    async def test_fresh(self, service):
        """However the ends are spread, no nonce is older than ten seconds at its POST."""
        service.function_limit = 5
        async with service.client(function_limit=5) as client:
            await asyncio.gather(*(client.call(1, {"seconds": 1 + n * 7 % 40}) for n in range(60)))
        ages = [seen.at - service.nonces[seen.body["nonce"]] for seen in service.of("start")]
        assert max(ages) <= 10.0

    async def test_nonces_of_the_caller(self, client, service):
        """Calls that bring their own nonces have no session made, however many queue: there may be no right to."""
        service.nonces = dict.fromkeys((f"mine-{n}" for n in range(150)), 0.0)
        await asyncio.gather(*(client.call(1, nonce=nonce) for nonce in service.nonces))
        assert service.count("session") == 0

    async def test_queue_that_was_given_up(self, client, service):
        """When the queued calls are cancelled, no more than a few nonces were made in vain, and no more follow."""
        handles = [client.call(1, {"seconds": 5}) for _ in range(300)]
        await asyncio.sleep(4)
        for handle in handles[100:]:
            handle.cancel()
        made = service.count("session")
        await asyncio.gather(*handles[:100])
        assert service.count("start") == 100
        assert made == service.count("session") <= 100 + client.settings.max_concurrent_submissions
