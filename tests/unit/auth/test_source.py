from __future__ import annotations

import asyncio
import contextvars
import gc
import logging

import attrs
import pytest

from aiocdf import _clock
from aiocdf.auth import AccessToken, TokenSource
from aiocdf.errors import AuthError, ClientClosed, LoginRequired, OAuthError
from aiocdf.secret import Secret

pytestmark = pytest.mark.looptime


@attrs.define
class Issuer:
    """Credentials whose tokens are numbered; each takes a while to get, and lives for a while."""

    takes: float = 0.5
    life: float = 1000.0
    #: What fetching raises; None for a token.
    error: Exception | None = None
    same: bool = False
    fetched_at: list[float] = attrs.field(factory=list)

    async def fetch(self, transport, old=None) -> AccessToken:
        asked_at, wall = _clock.monotonic(), _clock.wall()
        self.fetched_at.append(asked_at)
        number = 1 if self.same else len(self.fetched_at)
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return AccessToken.lasting(Secret(f"t{number}"), self.life, asked_at=asked_at, asked_at_wall=wall)

    def session_item(self) -> None:
        return None


@pytest.fixture
def issuer():
    return Issuer()


@pytest.fixture
async def source(issuer):
    source = TokenSource(issuer, None)
    yield source
    await source.aclose()


async def reveal(source) -> str:
    return (await source.token()).reveal()


async def test_nothing_before_the_first_token(source, issuer) -> None:
    """A source that is not used sends no request."""
    await asyncio.sleep(100)

    assert issuer.fetched_at == []


async def test_token_is_kept(source, issuer) -> None:
    """A token that is good is given out again without asking."""
    tokens = {await reveal(source) for _ in range(10)}

    assert tokens == {"t1"}
    assert len(issuer.fetched_at) == 1


@pytest.mark.parametrize("age", [0, 990])
async def test_single_flight(source, issuer, age) -> None:
    """Statement 13: a hundred callers at the start, or at expiry, are one token request."""
    if age:
        await source.token()
        await asyncio.sleep(age)
    before = len(issuer.fetched_at)

    tokens = await asyncio.gather(*(reveal(source) for _ in range(100)))
    assert len(issuer.fetched_at) == before + 1
    assert set(tokens) == {f"t{before + 1}"}


@pytest.mark.parametrize("life", [0.4, 1.0, 30.0])
async def test_single_flight_with_short_lives(source, issuer, life) -> None:
    """Statement 13: a token that is stale as soon as it comes still serves all that waited for it."""
    issuer.life = life

    await asyncio.gather(*(source.token() for _ in range(20)))
    assert len(issuer.fetched_at) == 1


async def test_renewal_ahead_of_expiry(source, issuer) -> None:
    """In the last minute of its life the old token is given out at once while one request renews it."""
    await source.token()
    await asyncio.sleep(950)

    started = _clock.monotonic()
    assert {await reveal(source) for _ in range(100)} == {"t1"}
    assert _clock.monotonic() == started
    await asyncio.sleep(1)
    assert await reveal(source) == "t2"
    assert len(issuer.fetched_at) == 2


async def test_stale_token_is_not_used(source, issuer) -> None:
    """In the last seconds of its life a token is not given out any more, even where its renewal is under way."""
    issuer.takes = 45.0
    await source.token()
    await asyncio.sleep(900)
    assert await reveal(source) == "t1"

    await asyncio.sleep(47)  # requested at 0, received at 45, renewal began at 945
    issuer.takes = 0.5
    assert await reveal(source) == "t2"
    assert len(issuer.fetched_at) == 2


async def test_life_counts_from_before_the_request(source, issuer) -> None:
    """A token whose request took long is renewed that much earlier."""
    issuer.takes = 300.0
    await source.token()
    await asyncio.sleep(645)

    await source.token()
    await asyncio.sleep(0)
    assert len(issuer.fetched_at) == 2


async def test_sleep_of_the_computer(source, monkeypatch) -> None:
    """A token that expired while the computer slept is not given out, though the loop's clock stood still."""
    await source.token()
    woken = _clock.wall() + 3600
    monkeypatch.setattr(_clock, "wall", lambda: woken)

    assert await reveal(source) == "t2"


async def test_clock_set_back(source, issuer, monkeypatch) -> None:
    """A wall clock that is set back does not keep a token alive."""
    await source.token()
    monkeypatch.setattr(_clock, "wall", lambda: 0.0)
    await asyncio.sleep(1000)

    assert await reveal(source) == "t2"


async def test_cancelled_caller_takes_nothing_away(source, issuer) -> None:
    """Statement 13: one of ten callers is cancelled; the others get the token of the same request."""
    callers = [asyncio.create_task(reveal(source)) for _ in range(10)]
    await asyncio.sleep(0.1)
    callers[0].cancel()

    results = await asyncio.gather(*callers, return_exceptions=True)
    assert isinstance(results[0], asyncio.CancelledError)
    assert results[1:] == ["t1"] * 9
    assert len(issuer.fetched_at) == 1


async def test_impatient_caller_loses_no_token(source, issuer) -> None:
    """Statement 13: a fetch goes on when its only caller gives up, and serves the next."""
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.token(), 0.1)

    assert await reveal(source) == "t1"
    assert len(issuer.fetched_at) == 1


async def test_failure_reaches_all_waiters(source, issuer) -> None:
    """Each waiter gets an error of its own, so that no traceback grows over all of them."""
    issuer.error = OAuthError("no access token: wrong", error="invalid_client", status=401)
    issuer.error.__cause__ = cause = ValueError("why")

    errors = await asyncio.gather(*(source.token() for _ in range(100)), return_exceptions=True)
    assert {(type(error), str(error), error.error, error.status) for error in errors} == {
        (OAuthError, "no access token: wrong", "invalid_client", 401)
    }
    assert all(error.__cause__ is cause for error in errors)
    assert len({id(error) for error in [*errors, issuer.error]}) == 101
    assert len(issuer.fetched_at) == 1


async def test_passing_failure_holds_for_a_second(source, issuer) -> None:
    """Callers that come one after the other to a failing provider do not hammer it, and soon try anew."""
    issuer.error = AuthError("down", passing=True)
    for _ in range(100):
        with pytest.raises(AuthError, match="down"):
            await source.token()
    assert len(issuer.fetched_at) == 1

    await asyncio.sleep(1)
    issuer.error = None
    assert await reveal(source) == "t2"


async def ask_each_half_second(source, seconds) -> None:
    for _ in range(2 * seconds):
        with pytest.raises(AuthError):
            await source.token()
        await asyncio.sleep(0.5)


async def test_refusals_back_off(source, issuer) -> None:
    """A provider that refuses is asked less and less often, down to once a minute; signing in starts afresh."""
    issuer.error, issuer.takes = OAuthError("no", error="invalid_client", status=401), 0.0
    await ask_each_half_second(source, 300)

    gaps = [later - sooner for sooner, later in zip(issuer.fetched_at, issuer.fetched_at[1:], strict=False)]
    assert gaps == [pytest.approx(seconds, abs=0.6) for seconds in (1, 2, 4, 8, 16, 32, 60, 60, 60)]
    with pytest.raises(AuthError):
        await source.login()
    assert issuer.fetched_at[-1] == _clock.monotonic()
    await asyncio.sleep(1)
    issuer.error = None
    await source.token()


@pytest.mark.parametrize("error", [AuthError("down", passing=True), LoginRequired("sign in")], ids=repr)
async def test_what_may_heal_does_not_back_off(source, issuer, error) -> None:
    """Trouble that passes is paced by who asks, and a sign-in may be made elsewhere at any time."""
    issuer.error, issuer.takes = error, 0.0
    await ask_each_half_second(source, 30)

    assert len(issuer.fetched_at) == 30


async def test_wish_of_the_provider(source, issuer) -> None:
    """A wait that a provider requests is obeyed, up to an hour."""
    issuer.error, issuer.takes = AuthError("busy", passing=True, retry_after=100.0), 0.0
    await ask_each_half_second(source, 201)
    assert [at - issuer.fetched_at[0] for at in issuer.fetched_at] == [0, 100, 200]

    issuer.error = AuthError("busy", passing=True, retry_after=1e9)
    await asyncio.sleep(100)
    await ask_each_half_second(source, 1)
    await asyncio.sleep(3600)
    issuer.error = None
    await source.token()


async def test_wish_of_the_provider_while_the_token_is_good(source, issuer) -> None:
    """It gets it for a renewal ahead of expiry, too."""
    await source.token()
    issuer.error, issuer.takes = AuthError("busy", passing=True, retry_after=30.0), 0.0
    await asyncio.sleep(945)
    for _ in range(80):
        await source.token()
        await asyncio.sleep(0.5)

    assert len(issuer.fetched_at) == 3


async def test_error_that_quotes_the_old_token(source, issuer, caplog) -> None:
    """What fetching raises is shown and logged without the token that it was to replace."""
    token = Secret("s3cr3t-old-token")
    lasting = AccessToken.lasting(token, 1000.0, asked_at=_clock.monotonic(), asked_at_wall=_clock.wall())
    source._current = attrs.evolve(lasting, refresh_token=Secret("s3cr3t-refresh"))
    issuer.error = AuthError("ValueError: s3cr3t-old-token, s3cr3t-refresh")
    await asyncio.sleep(950)
    await source.token()
    await asyncio.sleep(45)

    with pytest.raises(AuthError, match=r"ValueError: \*\*\*") as caught:
        await source.token()
    assert "s3cr3t" not in f"{caught.value!r}{caplog.text}"
    assert "could not be renewed" in caplog.text


async def test_unexpected_error_reaches_waiters(source, issuer) -> None:
    """An exception of custom credentials is raised unchanged."""
    issuer.error = ZeroDivisionError("oops")

    with pytest.raises(ZeroDivisionError, match="oops"):
        await source.token()


async def test_fetch_that_cancels_itself(source, issuer) -> None:
    """A fetch that ends in cancellation from within is an error for its waiters, and does not cancel them."""
    issuer.error = asyncio.CancelledError()

    with pytest.raises(AuthError, match="cancelled") as caught:
        await source.token()
    assert caught.value.passing


async def test_failed_renewal_keeps_the_token(source, issuer, caplog) -> None:
    """While the old token is good, failures are logged once and spread out: 5 s, doubling up to a minute."""
    issuer.life = 10_000.0
    await source.token()
    issuer.error = AuthError("down")
    issuer.takes = 0.0
    await asyncio.sleep(9_940)
    for _ in range(480):
        assert await reveal(source) == "t1"
        await asyncio.sleep(0.1)

    gaps = [later - sooner for sooner, later in zip(issuer.fetched_at[1:], issuer.fetched_at[2:], strict=False)]
    assert gaps == [pytest.approx(5, abs=0.2), pytest.approx(10, abs=0.2), pytest.approx(20, abs=0.2)]
    assert [(record.name, record.levelname) for record in caplog.records] == [("aiocdf.auth.source", "WARNING")]
    assert "could not be renewed" in caplog.text
    assert "down" in caplog.text


async def test_failure_that_waiters_see_is_not_logged(source, issuer, caplog) -> None:
    """Where the old token is of no use any more, the error goes to who waits and not to the log."""
    await source.token()
    await asyncio.sleep(995)
    issuer.error = AuthError("down")

    with pytest.raises(AuthError, match="down"):
        await source.token()
    assert caplog.records == []


async def test_recovery_starts_afresh(source, issuer, caplog) -> None:
    """After a success the next failure is the first again: logged, and tried anew after 5 s."""
    await source.token()
    for _ in range(2):
        await asyncio.sleep(945)
        issuer.error = AuthError("down")
        await source.token()
        await asyncio.sleep(6)
        issuer.error = None
        await source.token()
        await asyncio.sleep(1)

    assert len(caplog.records) == 2


async def test_refused_token_is_renewed_once(source, issuer) -> None:
    """A hundred requests whose token is refused are one token request, and all are worth another attempt."""
    used = await source.token()
    await asyncio.sleep(100)

    assert all(await asyncio.gather(*(source.rejected(used) for _ in range(100))))
    assert await reveal(source) == "t2"
    assert len(issuer.fetched_at) == 2


async def test_late_refusal_of_an_old_token(source, issuer) -> None:
    """A token that was replaced in the meantime is not replaced once more."""
    used = await source.token()
    await asyncio.sleep(100)
    assert await source.rejected(used)

    assert await source.rejected(used)
    assert len(issuer.fetched_at) == 2


async def test_young_token_is_not_to_blame(source, issuer) -> None:
    """A service that refuses every token costs no token requests within 30 s."""
    used = await source.token()

    assert not any([await source.rejected(used) for _ in range(100)])
    assert len(issuer.fetched_at) == 1


async def test_refusal_where_renewal_fails(source, issuer, caplog) -> None:
    """When there is no new token, the service's own refusal stands; the failure is logged."""
    used = await source.token()
    await asyncio.sleep(100)
    issuer.error = AuthError("down")

    assert not await source.rejected(used)
    assert "down" in caplog.text
    assert await reveal(source) == "t1"


async def test_refusal_of_the_only_token(source, issuer) -> None:
    """Credentials that know only one token make no second attempt worth while."""
    issuer.same = True
    used = await source.token()
    await asyncio.sleep(100)

    assert not await source.rejected(used)


async def test_refusal_before_any_token(source) -> None:
    """A token that is none of this source's makes no second attempt worth while before there is one."""
    assert not await source.rejected(Secret("elsewhere"))


async def test_fetch_knows_nothing_of_its_caller(source, issuer) -> None:
    """The fetch serves everybody and runs without its first caller's context."""
    variable = contextvars.ContextVar("variable", default="none")
    variable.set("the caller's")
    seen = []

    async def fetch(transport, old):
        seen.append(variable.get())
        raise AuthError("enough")

    with pytest.raises(AuthError):
        await TokenSource(type("Spy", (), {"fetch": staticmethod(fetch)})(), None).token()
    assert seen == ["none"]


async def test_close_ends_the_fetch(source) -> None:
    """Closing cancels the fetch and awaits its end; present and later waiters get an error."""
    waiting = asyncio.create_task(source.token())
    await asyncio.sleep(0.1)
    await source.aclose()
    assert "aiocdf token" not in {task.get_name() for task in asyncio.all_tasks()}

    with pytest.raises(ClientClosed, match="the client is closed"):
        await waiting
    with pytest.raises(ClientClosed):
        await source.token()


async def test_close_forgets_the_token(source) -> None:
    """A closed source gives out nothing, and may be closed again."""
    used = await source.token()
    await source.aclose()
    await source.aclose()

    with pytest.raises(ClientClosed):
        await source.token()
    assert not await source.rejected(used)


async def test_failure_that_nobody_awaits(issuer, caplog) -> None:
    """An error of a fetch whose callers are gone is no "exception was never retrieved"."""
    issuer.error = AuthError("down")
    source = TokenSource(issuer, None)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(source.token(), 0.1)
    await asyncio.sleep(1)
    del source
    gc.collect()

    assert [record for record in caplog.records if record.name == "asyncio"] == []


async def test_errors_show_no_token(source, issuer, shown) -> None:
    """Statements 16 and 17: neither the source nor its errors' tracebacks show a token."""
    await source.token()
    await asyncio.sleep(995)
    issuer.error = AuthError("down")
    with pytest.raises(AuthError) as caught:
        await source.token()

    assert "'t1'" not in shown(caught.value)
    assert "t1" not in f"{source!r} {source}"


async def test_log_holds_no_secret(credentials, script, caplog) -> None:
    """Statement 20: at the lowest level, across success and failure, the log holds neither token nor secret."""
    caplog.set_level(logging.DEBUG)
    transport = script({"access_token": "t0ken", "token_type": "bearer", "expires_in": 100}, (400, {"error": "t"}))
    source = TokenSource(credentials, transport)
    used = await source.token()
    await asyncio.sleep(80)
    await source.token()
    await asyncio.sleep(3)
    assert not await source.rejected(used)
    await source.aclose()

    assert "could not be renewed" in caplog.text
    assert "t0ken" not in caplog.text
    assert "s3cr3t" not in caplog.text
