"""Trouble that says nothing of a call: it waits, for as long as it may, and few requests are spent on it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter

import attrs
import pytest

from aiocdf import (
    AccessToken,
    AuthError,
    BadRequest,
    Conflict,
    ConnectError,
    DecodeError,
    FunctionNotReady,
    NotFound,
    OAuthError,
    PermissionDenied,
    ProtocolError,
    Secret,
    ServerError,
    SubmissionUncertain,
    TransportTimeout,
    Unauthorized,
)

pytestmark = pytest.mark.looptime

NO_ROUTE = ConnectError("no route")
RETRYABLE = {"cdf-is-auto-retryable": "true"}
HTML = {"content-type": "text/html"}


def now():
    return asyncio.get_running_loop().time()


def made(service, fault):
    """A fault of the service's, from how the tables below write it."""
    if isinstance(fault, tuple):
        return service.error(*fault[:2], headers=fault[2] if len(fault) > 2 else None)
    return service.answer(200, fault, HTML) if isinstance(fault, str) else fault


@attrs.define
class Provider:
    """Credentials that get a token, or fail as set."""

    error: Exception | None = None
    asked: int = 0

    async def fetch(self, transport, old=None):
        self.asked += 1
        if self.error is not None:
            raise self.error
        return AccessToken(
            secret=Secret("token"), asked_at=now(), asked_at_wall=time.time(), renew_after=5.0, stale_after=10.0
        )

    def session_item(self):
        return None


# By the request that meets it.
PASSING = [
    *((kind, NO_ROUTE) for kind in ("lookup", "session", "start")),
    *((kind, (503, "busy", RETRYABLE)) for kind in ("lookup", "session", "start")),
    *(
        (kind, fault)
        for kind in ("lookup", "session")
        for fault in (
            (500, "oops"),
            (503, "busy"),
            "<html>Hello",
            TransportTimeout("slow"),
            ProtocolError("reset"),
        )
    ),
]
passing = pytest.mark.parametrize(("kind", "fault"), PASSING, ids=lambda value: str(value)[:30])


class TestWaiting:
    @passing
    async def test_passes(self, client, service, kind, fault):
        """A call waits while no session or no connection is available, and runs once after the trouble has ended."""
        await client.call("other")
        service.always(kind, made(service, fault))
        handles = [client.call("double", data={"seconds": 1}) for _ in range(50)]
        await asyncio.sleep(300)
        assert not any(handle.done() for handle in handles)
        assert client.stats().waiting >= 49
        service.always(kind, None)
        ended_at = now()
        assert {call.status for call in await asyncio.gather(*handles)} == {"Completed"}
        assert now() - ended_at < 10
        assert len(service.calls) == 51
        assert client.stats().pauses == ()

    @passing
    async def test_patience(self, client, service, kind, fault):
        """When its patience is over, a call fails with a copy of the last trouble, which says that it was not started."""
        await client.call("other")
        service.always(kind, made(service, fault))
        began_at = now()
        handles = [client.call("double") for _ in range(50)]
        with pytest.raises(Exception, match=r"not (started|looked up)") as caught:
            await handles[0]
        assert type(caught.value) is type(caught.value.__cause__)
        assert not isinstance(caught.value, SubmissionUncertain)
        assert 600 <= now() - began_at < 620
        ended = await asyncio.gather(*handles, return_exceptions=True)
        assert {type(error) for error in ended} == {type(caught.value)}
        assert len({id(error) for error in ended}) == 50
        assert now() - began_at < 625
        stats = client.stats()
        assert (stats.refused, stats.places, stats.waiting) == (50, 0, 0)

    @pytest.mark.parametrize("kind", ["lookup", "session", "start"])
    async def test_few_requests(self, client, service, kind):
        """While the trouble lasts, one request every one to three seconds probes, however many calls wait."""
        await client.call("other")
        service.always(kind, NO_ROUTE)
        for _ in range(500):
            client.call("double")
        service.seen.clear()
        await asyncio.sleep(10)
        assert len(service.seen) <= 40 + 15
        service.seen.clear()
        await asyncio.sleep(300)
        assert 300 / 3 <= len(service.seen) <= 300

    @pytest.mark.parametrize("kind", ["lookup", "session", "start"])
    async def test_for_ever(self, service, kind):
        """With `patience=None`, calls wait for ever."""
        async with service.client(patience=None) as client:
            await client.call("other")
            service.always(kind, NO_ROUTE)
            handle = client.call("double")
            await asyncio.sleep(1500)
            assert handle.status in {"Queued", "Submitting"}
            service.always(kind, None)
            assert (await handle).status == "Completed"

    @pytest.mark.parametrize("kind", ["lookup", "session", "start"])
    async def test_each_call_has_its_patience(self, client, service, kind):
        """A call that is made late in an outage waits as long as one that was made early."""
        await client.call("other")
        service.always(kind, NO_ROUTE)
        early = client.call("double")
        await asyncio.sleep(300)
        late, last = client.call("double"), client.call("double")
        await asyncio.wait([early])
        assert 600 <= now() < 620
        assert isinstance(early.exception(), ConnectError)
        await asyncio.sleep(200)
        assert not late.done()
        with pytest.raises(ConnectError):
            await late
        assert 900 <= now() < 920
        assert isinstance(last.exception(), ConnectError)
        last = client.call("double")
        await asyncio.sleep(300)
        service.always(kind, None)
        assert (await last).status == "Completed"

    async def test_attached_in_vain(self, client, service):
        """The error of an attached call whose function is not found does not say that the call was not started."""
        await client.call("other")
        service.always("lookup", NO_ROUTE)
        with pytest.raises(ConnectError) as caught:
            await client.attach("double", 12)
        assert "not started" not in str(caught.value)
        assert 600 <= now() < 620

    async def test_no_token_for_a_while(self, service):
        """Calls wait for an identity provider that is out of order, which gets at most one request a second."""
        provider = Provider()
        async with service.client(credentials=provider) as client:
            await client.call("double")
            await asyncio.sleep(20)
            provider.error, provider.asked = AuthError("down", passing=True), 0
            handles = [client.call("double") for _ in range(50)]
            await asyncio.sleep(300)
            assert client.stats().waiting >= 49
            assert 300 / 10 <= provider.asked <= 300
            provider.error = None
            assert {call.status for call in await asyncio.gather(*handles)} == {"Completed"}

    async def test_slow_service(self, client, service):
        """Faults among successes pause nothing."""
        service.fault("session", *[None, None, (service.error(503, "busy"))] * 30)
        await asyncio.gather(*(client.call(1, data={"seconds": 1}) for _ in range(100)))
        assert now() < 5

    async def test_as_long_as_the_service_asks(self, client, service):
        """A service that says when to come again is not asked before."""
        await client.call(1)
        service.fault("session", *[service.error(503, "busy", headers={"retry-after": "100"})] * 5)
        began_at = now()
        await asyncio.gather(*(client.call(1) for _ in range(5)))
        sent = [seen.at - began_at for seen in service.of("start")[1:]]
        assert all(at < 1 or at >= 100 for at in sent)
        assert now() - began_at >= 100

    async def test_withdrawn(self, client, service):
        """A call that is cancelled while it waits for trouble to pass never starts."""
        service.always("session", service.error(503, "busy"))
        handle = client.call(1)
        await asyncio.sleep(30.3)
        handle.cancel()
        service.always("session", None)
        await asyncio.sleep(30)
        assert service.count("start") == 0
        assert client.stats().withdrawn == 1

    async def test_log(self, client, service, caplog):
        """Trouble is logged one to three times a minute, with the number of calls that wait."""
        await client.call(1)
        service.always("session", service.error(503, "busy"))
        handles = [client.call(1) for _ in range(7)]
        await asyncio.sleep(100)
        warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
        assert 100 / 60 <= len(warnings) <= 3 * 100 / 60
        assert "busy" in warnings[-1]
        for handle in handles:
            handle.cancel()


class TestFirstContact:
    """Before the service has ever answered, a wrong setting is likelier than an outage."""

    @pytest.mark.parametrize("function", [1, "double"])
    @pytest.mark.parametrize("fault", [NO_ROUTE, "<html>Hello"], ids=["no route", "web page"])
    async def test_soon(self, client, service, function, fault):
        """Where nothing listens, or something else than the API, calls fail within seconds."""
        for kind in ("lookup", "session", "start"):
            service.always(kind, made(service, fault))
        ended = await asyncio.gather(*(client.call(function) for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in ended} == {ConnectError if fault is NO_ROUTE else DecodeError}
        assert 10 <= now() < 14

    async def test_no_token(self, service):
        """The same where an identity provider has never been reached."""
        provider = Provider(AuthError("no such host", passing=True))
        async with service.client(credentials=provider) as client:
            with pytest.raises(AuthError):
                await client.call(1)
        assert 10 <= now() < 14

    async def test_provider_that_answers(self, service):
        """An identity provider that answers that it is out of order is waited for: the setting is right."""
        provider = Provider(OAuthError("busy", status=503))
        async with service.client(credentials=provider) as client:
            with pytest.raises(OAuthError):
                await client.call(1)
        assert 600 <= now() < 620

    @pytest.mark.parametrize("kind", ["session", "lookup"])
    async def test_service_that_answers(self, client, service, kind):
        """A service that answers that it is out of order is waited for, also for no connection after that."""
        service.fault(kind, service.error(503, "busy"))
        service.always(kind, NO_ROUTE)
        with pytest.raises(ConnectError):
            await client.call("double")
        assert 600 <= now() < 620

    async def test_session_that_was_made(self, client, service):
        """A session that was made shows that the service is there."""
        service.always("start", NO_ROUTE)
        with pytest.raises(ConnectError):
            await client.call(1)
        assert 600 <= now() < 620

    async def test_setting(self, service):
        """`connect_patience` is for how long, and None is for as long as ever."""
        service.always("session", NO_ROUTE)
        async with service.client(connect_patience=3.0) as client:
            with pytest.raises(ConnectError):
                await client.call(1)
            assert 3 <= now() < 7
        began_at = now()
        async with service.client(connect_patience=None) as client:
            with pytest.raises(ConnectError):
                await client.call(1)
            assert 600 <= now() - began_at < 620


class TestWhatDoesNotHeal:
    @pytest.mark.parametrize("kind", ["lookup", "session", "start"])
    @pytest.mark.parametrize(
        ("fault", "error"),
        [
            ((401, "who are you?"), Unauthorized),
            ((403, "forbidden"), PermissionDenied),
            ((409, "conflict"), Conflict),
            (ConnectError("bad certificate", passing=False), ConnectError),
        ],
        ids=lambda value: getattr(value, "__name__", str(value)),
    )
    async def test_at_once(self, client, service, kind, fault, error):
        """A refusal that stays, or a certificate that is not trusted, ends all calls at once."""
        service.always(kind, made(service, fault))
        ended = await asyncio.gather(*(client.call("double") for _ in range(100)), return_exceptions=True)
        assert {type(each) for each in ended} == {error}
        assert now() < 1
        assert client.stats().places == 0

    @pytest.mark.parametrize(
        "wrong",
        [OAuthError("bad secret", error="invalid_client", status=401), AuthError("no file")],
        ids=["secret", "token"],
    )
    async def test_no_token_for_good(self, service, wrong):
        """A wrong secret ends all calls at once, with one question to the identity provider."""
        provider = Provider(wrong)
        async with service.client(credentials=provider) as client:
            ended = await asyncio.gather(*(client.call(n % 2 + 1) for n in range(500)), return_exceptions=True)
            assert {type(error) for error in ended} == {type(wrong)}
            assert (provider.asked, len(service.seen)) == (1, 0)
            assert now() < 1
            assert client.stats().places == 0

    async def test_unknown_function(self, client, service):
        """A function that does not exist ends its whole queue after one look, and few POSTs."""
        other = [client.call(1) for _ in range(5)]
        ended = await asyncio.gather(*(client.call(77) for _ in range(1000)), return_exceptions=True)
        assert {type(error) for error in ended} == {NotFound}
        assert service.count("lookup") == 1
        assert sum(seen.function == 77 for seen in service.of("start")) <= 20
        await asyncio.gather(*other)

    async def test_not_ready(self, client, service):
        """A function that is not Ready ends its whole queue after one look, and few POSTs."""
        service.status = "Deploying"
        ended = await asyncio.gather(*(client.call(1) for _ in range(1000)), return_exceptions=True)
        assert {type(error) for error in ended} == {FunctionNotReady}
        assert (service.count("lookup"), service.count("start") <= 20) == (1, True)
        service.status = "Ready"
        assert (await client.call(1)).status == "Completed"

    async def test_one_bad_call(self, client, service):
        """A call that is refused for its data ends alone."""
        service.fault("start", None, service.error(400, "data is too odd"))
        ended = await asyncio.gather(*(client.call(1) for _ in range(100)), return_exceptions=True)
        assert [type(each) for each in ended if isinstance(each, Exception)] == [BadRequest]


class TestPauses:
    async def test_what_is_told(self, client, service):
        """The client shows what is paused and why, and so does each handle that waits."""
        await client.call("other")
        service.always("session", service.error(503, "busy"))
        handle = client.call(1)
        await asyncio.sleep(60.3)
        (pause,) = client.stats().pauses
        assert (pause.function_id, pause.state) == (None, "open")
        assert pause.seconds == pytest.approx(60, abs=1)
        assert "busy" in pause.reason
        while handle.status != "Queued":  # it may be trying just now
            await asyncio.sleep(0.005)
        assert "busy" in handle.reason
        assert handle.reason in repr(handle)
        service.always("session", None)
        await handle
        assert handle.reason is None
        assert client.stats().pauses == ()

    async def test_look_up(self, client, service):
        """A pause of look-ups is shown too."""
        await client.call(1)
        service.always("lookup", service.error(503, "busy"))
        handle = client.call("double")
        await asyncio.sleep(60)
        assert "busy" in client.stats().pauses[0].reason
        assert "busy" in handle.reason
        service.always("lookup", None)
        await handle
        assert client.stats().pauses == ()

    async def test_of_one_function(self, client, service):
        """A function whose POSTs fail is paused alone; others go on."""
        real = service._start
        service._start = lambda seen: (
            service.error(503, "busy", headers=RETRYABLE) if seen.function == 1 else real(seen)
        )
        bad = [client.call(1) for _ in range(50)]
        for _ in range(5):
            await asyncio.gather(*(client.call(2, data={"seconds": 1}) for _ in range(50)))
        assert now() < 15
        assert [pause.function_id for pause in client.stats().pauses] == [1]
        assert sum(seen.function == 1 for seen in service.of("start")) < 40
        service._start = real
        assert {call.status for call in await asyncio.gather(*bad)} == {"Completed"}
        assert now() < 30

    async def test_of_all_functions(self, client, service):
        """Where the POSTs of several functions fail and none succeeds, the project is paused."""
        await asyncio.gather(client.call(1), client.call(2))
        service.always("start", service.error(503, "busy", headers=RETRYABLE))
        handles = [client.call(n % 2 + 1) for n in range(100)]
        await asyncio.sleep(60)
        assert None in {pause.function_id for pause in client.stats().pauses}
        service.seen.clear()
        await asyncio.sleep(100)
        assert service.count("start") < 110
        service.always("start", None)
        assert {call.status for call in await asyncio.gather(*handles)} == {"Completed"}

    async def test_comes_back_slowly(self, client, service):
        """After trouble, the number of calls under way doubles from one: what comes back is not hit by all who waited."""
        await client.call(1)
        service.always("session", service.error(503, "busy"))
        handles = [client.call(1, data={"seconds": 5}) for _ in range(100)]
        await asyncio.sleep(60)
        service.seen.clear()
        service.always("session", None)
        await asyncio.gather(*handles)
        bursts = list(Counter(round(seen.at, 3) for seen in service.of("start")).values())
        assert bursts[:4] == [1, 2, 4, 8]


class TestDoubt:
    async def test_costs_no_calls(self, client, service):
        """POSTs that end in doubt for two minutes cost no call, and few are sent while the function is paused."""
        await client.call(1)
        service.always("start", ProtocolError("reset"))
        handles = [client.call(1) for _ in range(1000)]
        await asyncio.sleep(120)
        service.always("start", None)
        ended = await asyncio.gather(*handles, return_exceptions=True)
        assert [each for each in ended if isinstance(each, Exception)] == []
        assert len(service.calls) == 1001
        assert sum(1 < seen.at < 120 for seen in service.of("start")) < 80

    async def test_from_the_start(self, client, service):
        """With nothing known, no more than two POSTs of a function are under way, and so no more are in doubt at once."""
        service.latency = 1.0
        service.always("start", ProtocolError("reset"))
        handles = [client.call(1) for _ in range(100)]
        await asyncio.sleep(2.5)
        assert client.stats().recovering == service.count("start") == 2
        for handle in handles:
            handle.cancel()
        await asyncio.gather(*handles, return_exceptions=True)

    @pytest.mark.parametrize(
        "then",
        [(403, "forbidden"), (401, "who are you?"), (400, "no such thing"), (404, "where?"), (400, "nonce was used")],
        ids=str,
    )
    async def test_is_sticky(self, client, service, then):
        """After a POST in doubt, a refusal of the next says nothing of the first: the call may have started."""
        service.fault("start", service.late(ProtocolError("reset")))
        service.always("start", service.error(*then))
        handle = client.call(1, retry=True)
        with pytest.raises(SubmissionUncertain, match="may or may not have started") as caught:
            await handle
        assert isinstance(caught.value.__cause__, ProtocolError)
        assert (client.stats().uncertain, client.stats().refused) == (1, 0)

    async def test_session_refused_later(self, client, service):
        """The same if no session is available for the next POST."""
        service.fault("start", ProtocolError("reset"))
        service.fault("session", None)
        service.always("session", service.error(403, "forbidden"))
        with pytest.raises(SubmissionUncertain):
            await client.call(1, retry=True)

    async def test_cancelled_later(self, client, service):
        """A call in doubt that is cancelled in the queue is uncertain, and so is the error of `submitted()`."""
        service.always("start", service.error(503, "busy", headers={"retry-after": "60"}))
        handle = client.call(1, retry=True)
        waiting = asyncio.create_task(handle.submitted())
        await asyncio.sleep(1)
        assert handle.status == "Queued"
        handle.cancel()
        with pytest.raises(asyncio.CancelledError, match="may have started"):
            await handle
        with pytest.raises(SubmissionUncertain):
            await waiting
        stats = client.stats()
        assert (stats.uncertain, stats.withdrawn, stats.cancelled) == (1, 0, 0)

    async def test_closed_later(self, service):
        """A call in doubt does not say that it never started when the client closes."""
        async with service.client() as client:
            service.always("start", service.error(503, "busy", headers={"retry-after": "60"}))
            handle = client.call(1, retry=True)
            await asyncio.sleep(1)
        assert "may have started" in str(handle.exception())

    async def test_patience_over(self, client, service):
        """A call in doubt whose patience ends is uncertain, not refused."""
        await client.call(1)
        service.fault("start", ProtocolError("reset"))
        service.always("session", service.error(503, "busy"))
        service.fault("session", None)
        handle = client.call(1, retry=True)
        with pytest.raises(SubmissionUncertain) as caught:
            await handle
        assert isinstance(caught.value.__cause__, ProtocolError)
        assert 600 <= now() < 640

    async def test_function_gone_later(self, service):
        """A call in doubt is uncertain when its function's queue ends."""
        async with service.client(max_concurrent_submissions=1) as client:
            service.fault("start", service.late(ProtocolError("reset")), ProtocolError("reset"), None)
            handles = [client.call(1, retry=True) for _ in range(2)]
            await asyncio.sleep(0.025)
            service.functions.clear()
            ended = await asyncio.gather(*handles, return_exceptions=True)
        assert SubmissionUncertain in {type(error) for error in ended}
        assert {type(error) for error in ended} <= {SubmissionUncertain, NotFound}


class TestStart:
    @pytest.mark.parametrize(("functions", "first", "later"), [(1, 2, 20), (2, 4, 36)])
    async def test_more_with_each_success(self, service, functions, first, later):
        """A function begins with two attempts and has half of the workers in the end; beside others the project has more."""
        service.latency = 1.0
        most = []
        async with service.client() as client:
            handles = [client.call(n % functions + 1, data={"seconds": 0.5}) for n in range(300)]
            for _ in range(30):
                await asyncio.sleep(0.5)
                most.append(client.stats().submitting)
            await asyncio.gather(*handles)
        assert most[0] == most[1] == first
        assert max(most) == later


async def test_server_error_of_a_session(client, service):
    """The error that is raised in the end is the service's own, and a copy for each handle."""
    service.always("session", service.error(500, "oops", headers={"x-request-id": "r1"}))
    handle = client.call(1)
    with pytest.raises(ServerError, match="oops") as caught:
        await handle
    assert (caught.value.status, caught.value.request_id) == (500, "r1")
    assert isinstance(caught.value.__cause__, ServerError)
    assert caught.value.__cause__ is not caught.value
