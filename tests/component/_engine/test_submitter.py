from __future__ import annotations

import asyncio
import logging
from itertools import groupby, pairwise

import pytest

from aiocdf import (
    AuthError,
    BadRequest,
    BearerToken,
    CallsThrottled,
    ClientCredentials,
    ConnectError,
    DecodeError,
    PermissionDenied,
    ProtocolError,
    Retrying,
    SubmissionUncertain,
    TransportTimeout,
    Unauthorized,
)

pytestmark = pytest.mark.looptime

NO_ROUTE = ConnectError("no route")


def now():
    return asyncio.get_running_loop().time()


class TestAdmission:
    async def test_never_above_the_limits(self, client, service):
        """5,000 calls of five functions never run more than 100 a function and 250 a project, and lose none to a 429."""
        service.functions = {f"f{number}": number for number in range(1, 6)}
        handles = [client.call(n % 5 + 1, data={"seconds": 1 + n % 4}) for n in range(5000)]
        calls = await asyncio.gather(*handles)
        assert len({call.id for call in calls}) == len(service.calls) == 5000
        assert service.peak["project"] == 250
        assert max(service.peak[number] for number in range(1, 6)) <= 100
        assert client.stats().throttled == 0

    async def test_function_limit(self, client, service):
        """One function gets as many places as the service gives it, and no more."""
        await asyncio.gather(*(client.call(1, data={"seconds": 5}) for _ in range(300)))
        assert service.peak[1] == 100
        assert client.stats().throttled == 0

    async def test_fair_over_functions(self, client, service):
        """A function with few calls does not wait for one with many that came first."""
        many = [client.call(1, data={"seconds": 10}) for _ in range(1000)]
        few = [client.call(2, data={"seconds": 1}) for _ in range(10)]
        await asyncio.gather(*few)
        assert now() < 3
        for handle in many:
            handle.cancel()

    async def test_lone_calls_pass_the_queues(self, client, service):
        """Calls made one after the other start with the next free place, though a thousand of others wait for it."""
        service.functions = {f"f{number}": number for number in range(1, 5)}
        for n in range(2000):
            client.call(n % 3 + 1, data={"seconds": 8 + n % 5})
        await asyncio.sleep(30)
        waits = []
        for _ in range(5):
            asked = now()
            handle = client.call(4, data={"seconds": 1})
            await handle.submitted()
            waits.append(now() - asked)
            await handle
        assert client.stats().waiting > 500
        assert max(waits) < 1, waits

    async def test_turns(self, service):
        """Where places are scarce, functions take turns."""
        async with service.client(project_limit=1, max_concurrent_submissions=1) as client:
            handles = [client.call(function) for function in (1, 1, 1, 2, 2, 2)]
            await asyncio.gather(*handles)
        assert [key for key, _ in groupby(seen.function for seen in service.of("start"))] == [1, 2, 1, 2, 1, 2]

    async def test_first_come_first_served(self, service):
        """Calls of a function start in the order they were made."""
        async with service.client(max_concurrent_submissions=1) as client:
            await asyncio.gather(*(client.call(1, data={"n": n}) for n in range(300)))
        assert [seen.body["data"]["n"] for seen in service.of("start")] == list(range(300))

    async def test_no_task_for_each_call(self, client, service):
        """10,000 queued calls are 10,000 records, not tasks."""
        handles = [client.call("double", data={"seconds": 60}) for _ in range(10_000)]
        await asyncio.sleep(5)
        assert client.stats().waiting == 9900
        assert len(asyncio.all_tasks()) < 25
        for handle in handles:
            handle.cancel()
        await asyncio.sleep(100)
        assert len(service.calls) == 100


class TestConcurrencyLimit:
    async def test_never_reaches_the_user(self, client, service):
        """Where others take most places, calls are turned away, stay queued in their order, and all complete."""
        service.others[1] = 90
        calls = await asyncio.gather(*(client.call(1, data={"n": n, "seconds": 2}) for n in range(60)))
        assert {call.status for call in calls} == {"Completed"}
        assert service.peak[1] <= 100
        assert client.stats().throttled > 0
        assert "running calls of the function" in client.stats().throttle_cause
        assert client.stats().function_windows[1] < 100
        assert client.stats().places == 0

    async def test_project_limit(self, client, service):
        """A full project does not count as a full function: its cause is reported, and all calls complete."""
        service.others[7] = 245
        calls = await asyncio.gather(*(client.call(n % 2 + 1) for n in range(20)))
        assert {call.status for call in calls} == {"Completed"}
        assert "running calls of the project" in client.stats().throttle_cause

    async def test_full_of_others(self, client, service):
        """With every place taken by others, the client tries at most once a second, and goes on when there is one."""
        service.others[1] = 100
        handle = client.call(1)
        await asyncio.sleep(1000)
        assert handle.status in {"Queued", "Submitting"}  # it waits, or is just trying
        assert 1000 / 10 <= service.count("start") <= 1000
        service.others.clear()
        assert (await handle).status == "Completed"

    async def test_believed_after_a_few(self, client, service):
        """A call is turned away four times in a row before that is believed; then it tries about every two seconds."""
        service.others[1] = 100
        handle = client.call(1)
        await asyncio.sleep(60)
        handle.cancel()
        times = [seen.at for seen in service.of("start")]
        gaps = [later - earlier for earlier, later in pairwise(times)]
        assert times[3] < 0.2
        assert min(gaps[3:]) >= 1.8
        assert max(gaps[3:]) <= 2.25

    async def test_a_few_say_nothing(self, client, service):
        """A few 429s among calls that are accepted close no window."""
        service.fault("start", *[None, service.error(429, "too many running calls of this function"), None] * 10)
        await asyncio.gather(*(client.call(1, data={"seconds": 1}) for _ in range(50)))
        assert now() < 2
        assert client.stats().function_windows[1] == 100

    async def test_as_long_as_the_service_asks(self, client, service):
        """A full function that says when to come again is not tried before."""
        full = service.error(429, "too many running calls of this function", headers={"retry-after": "30"})
        service.fault("start", full)
        await client.call(1)
        first, second = (seen.at for seen in service.of("start"))
        assert second - first >= 30

    async def test_vague(self, client, service):
        """A vague 429 is blamed on the function where calls of other functions pass, and those are not slowed."""
        real = service._start
        service._start = lambda seen: service.error(429, "Too Many Requests") if seen.function == 1 else real(seen)
        blamed = [client.call(1) for _ in range(20)]
        for _ in range(10):
            await asyncio.gather(*(client.call(2, data={"seconds": 0.5}) for _ in range(50)))
        assert now() < 12
        assert "running calls of the function" in client.stats().throttle_cause
        service._start = real
        assert {call.status for call in await asyncio.gather(*blamed)} == {"Completed"}
        assert now() < 20

    async def test_keeps_its_place(self, service):
        """A call that was turned away starts before those that came after it."""
        service.fault("start", service.error(429, "too many running calls of this function"))
        async with service.client(max_concurrent_submissions=1) as client:
            await asyncio.gather(*(client.call(1, data={"n": n}) for n in range(5)))
        assert [seen.body["data"]["n"] for seen in service.of("start")] == [0, 0, 1, 2, 3, 4]

    async def test_warns_with_the_cause_and_not_too_often(self, service, caplog):
        """A 429 is logged one to three times a minute, and observers get each one."""
        service.others[1] = 100
        events = []
        async with service.client(observers=[events.append]) as client:
            handle = client.call(1)
            await asyncio.sleep(100)
            handle.cancel()
        warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
        assert 100 / 60 <= len(warnings) <= 3 * 100 / 60
        assert "running calls of the function" in warnings[0].getMessage()
        throttled = sum(isinstance(event, CallsThrottled) for event in events)
        assert throttled in (service.count("start"), service.count("start") - 1)  # the last may be on its way

    async def test_cancelled_on_its_way(self, client, service):
        """A call that is cancelled while its POST is rejected is not queued again, and observers get no event for a 429."""
        service.others[1] = 100
        handle = client.call(1)
        task = asyncio.create_task(handle.submitted())
        await asyncio.sleep(0.015)
        handle.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(60)
        assert service.count("start") == 1
        assert client.stats().waiting == 0


class TestRateLimit:
    async def test_retry_after_is_obeyed(self, client, service):
        """A POST that is turned away for the rate of requests holds all POSTs for as long as the service asks."""
        service.fault("start", service.error(429, "too many requests", headers={"retry-after": "20"}))
        first = client.call(1)
        await asyncio.sleep(1)
        second = client.call(2)
        assert {call.status for call in await asyncio.gather(first, second)} == {"Completed"}
        starts = [seen.at for seen in service.of("start")]
        assert len(starts) == 3
        assert min(starts[1:]) >= 20
        assert client.stats().throttled == 1

    async def test_other_functions_wait_no_longer(self, client, service):
        """A pause holds all for as long as the service asks, not until some other function's window opens."""
        service.fault(
            "start",
            service.error(429, "too many running calls of this function", headers={"retry-after": "600"}),
            service.error(429, "too many requests"),
        )
        closed = client.call(1)
        await asyncio.sleep(1)
        await client.call(2)
        assert now() < 10
        closed.cancel()

    async def test_sessions_are_left_alone(self, service):
        """In a pause no sessions are made ahead of need either, and one that is refused ahead of need is the last."""
        async with service.client(function_limit=20) as client:
            running = [client.call(1, data={"seconds": 3 + n / 10}) for n in range(20)]
            await asyncio.gather(*(handle.submitted() for handle in running))
            service.always("session", service.error(429, "too many requests", headers={"retry-after": "120"}))
            service.seen.clear()
            queued = [client.call(1) for _ in range(50)]
            await asyncio.sleep(100)
            asked = [seen.at for seen in service.of("session")]
            assert len(asked) < 20
            assert asked[-1] - asked[0] < 4, "the first of the running calls has ended by then, and one more has asked"
            for handle in queued:
                handle.cancel()

    async def test_rate_is_learned(self, client, service):
        """If the service accepts a limited rate of calls, the client soon sends at about that rate, and few in vain."""
        tokens, filled_at, real = 10.0, 0.0, service._start

        def start(seen):
            nonlocal tokens, filled_at
            tokens, filled_at = min(10.0, tokens + 10.0 * (now() - filled_at)), now()
            if tokens < 1:
                return service.error(429, "too many requests")
            tokens -= 1
            return real(seen)

        service._start = start
        calls = await asyncio.gather(*(client.call(n % 2 + 1, data={"seconds": 0.1}) for n in range(400)))
        assert {call.status for call in calls} == {"Completed"}
        assert now() < 1.3 * 400 / 10
        assert client.stats().throttled < 0.25 * 400
        assert "requests" in client.stats().throttle_cause

    async def test_rate_recovers(self, client, service):
        """When the limit has gone, the rate grows until there is none to be felt."""
        service.fault("start", *[service.error(429, "too many requests")] * 5)
        await asyncio.gather(*(client.call(1) for _ in range(20)))
        await asyncio.sleep(120)
        began_at = now()
        await asyncio.gather(*(client.call(n % 2 + 1) for n in range(100)))
        assert now() - began_at < 3

    async def test_of_sessions(self, client, service):
        """Sessions that are turned away for good keep the call in the queue instead of failing it."""
        service.always("session", service.error(429, "too many requests"))
        handle = client.call(1)
        await asyncio.sleep(300)
        assert handle.status in {"Queued", "Submitting"}
        service.always("session", None)
        assert (await handle).status == "Completed"

    async def test_longer_than_we_like_to_wait(self, client, service):
        """Ten minutes of `Retry-After` are waited for, in the queue."""
        service.fault("session", service.error(429, "too many requests", headers={"retry-after": "600"}))
        assert (await client.call(1)).status == "Completed"
        assert 600 <= now() < 1000


class TestNonce:
    async def test_fresh_for_each_call(self, client, service):
        """Each call has its own nonce, at most ten seconds old, with any length of the queue."""
        await asyncio.gather(*(client.call(1, data={"seconds": 30}) for _ in range(1000)))
        used = [seen.body["nonce"] for seen in service.of("start")]
        assert len(set(used)) == len(used) == 1000
        assert max(seen.at - service.nonces[seen.body["nonce"]] for seen in service.of("start")) < 10.1

    @pytest.mark.parametrize("fault", [NO_ROUTE, (429, "too many running calls of this function")], ids=str)
    async def test_not_spent(self, client, service, fault):
        """What an attempt did not spend, for it met no connection or a full function, another one uses."""
        service.fault("start", *[service.error(*fault) if isinstance(fault, tuple) else fault] * 2)
        await asyncio.gather(*(client.call(1) for _ in range(10)))
        assert (service.count("session"), service.count("start")) == (10, 12)

    async def test_not_spent_for_long(self, client, service):
        """A nonce that an attempt did not spend is not used after ten seconds."""
        service.fault("start", service.error(429, "too many requests", headers={"retry-after": "12"}))
        await client.call(1)
        assert (service.count("session"), service.count("start")) == (2, 2)

    async def test_of_the_caller_not_spent(self, client, service):
        """A nonce of the caller's that an attempt did not spend is used again by its own call, and by no other."""
        service.fault("start", NO_ROUTE, NO_ROUTE)
        service.nonces["mine"] = now()
        await asyncio.gather(client.call(1, nonce="mine"), client.call(1))
        used = [seen.body["nonce"] for seen in service.of("start")]
        assert (used.count("mine"), len(set(used)), service.count("session")) == (3, 2, 1)

    async def test_died_on_the_way(self, client, service):
        """A nonce that the service calls invalid means that the call has not started: another one is made."""
        service.fault("start", service.error(400, "Invalid nonce."))
        assert (await client.call(1)).status == "Completed"
        assert (service.count("session"), service.count("start")) == (2, 2)

    async def test_of_the_caller(self, client, service):
        """A nonce of the caller's is used as it is, and is not replaced when the service refuses it."""
        service.nonces["mine"] = now()
        await client.call(1, nonce="mine")
        assert service.count("session") == 0
        with pytest.raises(BadRequest, match="invalid nonce"):
            await client.call(1, nonce="mine")
        assert service.count("start") == 2

    async def test_capability(self, client, service):
        """The error for a missing permission to create sessions names the capability."""
        service.always("session", service.error(403, "forbidden"))
        with pytest.raises(PermissionDenied, match="sessionsAcl:CREATE"):
            await client.call(1)
        assert client.stats().places == 0

    async def test_nonsense_instead_of_a_session(self, client, service):
        """HTML instead of a session says that this is not the API."""
        service.always("session", service.answer(200, "<html>", {"content-type": "text/html"}))
        with pytest.raises(DecodeError, match="an HTML page"):
            await client.call(1)

    async def test_falls_back_to_one_shot(self, client, service):
        """Where token exchange is refused, one-shot exchange is used, and remembered."""
        service.refused_grants = {"tokenExchange"}
        for _ in range(3):
            await client.call(1)
        grants = [next(iter(seen.body["items"][0])) for seen in service.of("session")]
        assert grants == ["tokenExchange", "oneshotTokenExchange", "oneshotTokenExchange", "oneshotTokenExchange"]

    async def test_no_grant_at_all(self, client, service):
        """Where every grant is refused, the service's own words are raised."""
        service.refused_grants = {"tokenExchange", "oneshotTokenExchange"}
        with pytest.raises(BadRequest, match="grant"):
            await client.call(1)

    async def test_own_credentials(self, service):
        """A client with an id and a secret makes sessions with them."""
        own = ClientCredentials(token_url="https://idp.test/token", client_id="app", client_secret="hush")
        async with service.client(credentials=own) as client:
            await client.call(1)
        assert service.of("session")[0].body["items"] == [{"clientId": "app", "clientSecret": "hush"}]


class TestFaultsOfThePost:
    async def test_never_arrived(self, client, service):
        """A POST without a connection is sent again with the same nonce: the service has seen nothing of it."""
        service.fault("start", NO_ROUTE, NO_ROUTE)
        assert (await client.call(1)).status == "Completed"
        assert (service.count("start"), service.count("session"), len(service.calls)) == (3, 1, 1)

    @pytest.mark.parametrize("done", [True, False], ids=["started", "not started"])
    @pytest.mark.parametrize(
        "fault",
        [ProtocolError("reset"), TransportTimeout("slow"), (500, "oops"), (502, "gateway"), (503, "busy"), "<html>"],
        ids=str,
    )
    async def test_in_doubt(self, client, service, fault, done):
        """A call whose POST had no usable answer runs once, whether that POST has started it or not."""
        if isinstance(fault, tuple):
            fault = service.error(*fault)
        elif isinstance(fault, str):
            fault = service.answer(201, fault, {"content-type": "text/html"})
        service.fault("start", service.late(fault) if done else fault)
        call = await client.call("double")
        assert call.status == "Completed"
        assert list(service.calls) == [call.id]
        assert service.count("start") == (1 if done else 2)
        assert len({seen.body["nonce"] for seen in service.of("start")}) == 1
        assert client.stats().places == 0

    async def test_repeatable(self, client, service):
        """With `retry=True`, a POST whose fate is not known is sent again, with a new nonce."""
        service.fault(
            "start", service.late(ProtocolError("reset")), TransportTimeout("slow"), service.error(503, "busy")
        )
        assert (await client.call(1, retry=True)).status == "Completed"
        assert (service.count("start"), service.count("session"), len(service.calls)) == (4, 4, 2)

    async def test_repeated_in_vain(self, client, service):
        """With `retry=True`, the attempts still end some time, and the error says how many there were."""
        service.always("start", ProtocolError("reset"))
        with pytest.raises(SubmissionUncertain, match="6 times") as caught:
            await client.call(1, retry=True)
        assert "retry=True" not in str(caught.value)
        assert service.count("start") == Retrying().attempts

    async def test_repeated_no_sooner_than_asked(self, client, service):
        """With `retry=True`, the client obeys the service's `Retry-After`."""
        service.fault("start", service.error(503, "busy", headers={"retry-after": "30"}))
        await client.call(1, retry=True)
        first, second = service.of("start")
        assert second.at - first.at >= 30

    async def test_safe_by_the_services_own_word(self, client, service):
        """A 503 that the service itself calls safe to send again is."""
        service.fault("start", service.error(503, "busy", headers={"cdf-is-auto-retryable": "true"}))
        assert (await client.call(1)).status == "Completed"
        assert service.count("start") == 2

    async def test_missing_capability(self, client, service):
        """The error for a missing permission to call functions names the capability."""
        service.always("start", service.error(403, "forbidden"))
        with pytest.raises(PermissionDenied, match="functionsAcl:RUN"):
            await client.call(1)

    async def test_unauthorized(self, client, service):
        """A token that the service does not accept fails the call, sent once."""
        service.always("start", service.error(401, "who are you?"))
        with pytest.raises(Unauthorized):
            await client.call(1)
        assert service.count("start") == 1

    async def test_no_token(self, service):
        """Calls without a token fail with the reason, and hold no places."""

        def token():
            raise ValueError("the safe is closed")

        async with service.client(credentials=BearerToken(token)) as client:
            ended = await asyncio.gather(*(client.call(1) for _ in range(300)), return_exceptions=True)
            assert {type(error) for error in ended} == {AuthError}
            assert client.stats().places == 0

    async def test_fault_of_our_own(self, client, service, reports):
        """A bug in aiocdf itself during a POST leaves doubt, which is cleared up as any other, and costs no place."""
        service.fault("start", RuntimeError("a bug"))
        assert (await client.call(1)).status == "Completed"
        assert len(service.calls) == 1
        assert reports.pop()["message"] == "a background task of aiocdf failed"
        assert client.stats().places == 0
        assert (await client.call(1)).status == "Completed"
