from __future__ import annotations

import asyncio
import json
from urllib.parse import parse_qs

import attrs
import pytest

from aiocdf import _clock
from aiocdf.auth import (
    AccessToken,
    AuthorizationCode,
    BearerToken,
    DeviceCode,
    FileTokenStore,
    MemoryTokenStore,
    TokenSource,
    UserCredentials,
)
from aiocdf.auth.oauth.token import AccessToken as Token
from aiocdf.errors import (
    AuthError,
    ClientClosed,
    ConfigError,
    ConnectError,
    LoginRequired,
    OAuthError,
    TransportTimeout,
)
from aiocdf.secret import Secret

pytestmark = pytest.mark.looptime

TOKEN_URL = "https://idp.test/token"
GONE = (400, {"error": "invalid_grant"})


def answer(number, **changes):
    given = {"access_token": f"t{number}", "token_type": "bearer", "expires_in": 1000, "refresh_token": f"r{number}"}
    return given | changes


@attrs.frozen(kw_only=True)
class Visitor(UserCredentials):
    """Signs in without a user; tokens are numbered."""

    device_url: str | None = "https://idp.test/begin"
    refresh_token: Secret | None = attrs.field(factory=lambda: Secret("r1"))
    takes: float = 0.0
    visits: list[float] = attrs.field(factory=list, hash=False)

    _begins_at = "device_url"

    async def _sign_in(self, provider, transport) -> AccessToken:
        self.visits.append(_clock.monotonic())
        await asyncio.sleep(self.takes)
        return Token.lasting(
            Secret("t1"),
            1000,
            asked_at=_clock.monotonic(),
            asked_at_wall=_clock.wall(),
            refresh_token=self.refresh_token,
        )


@pytest.fixture(autouse=True)
def wall(monkeypatch) -> None:
    """Let the computer's clock go with the loop's."""
    monkeypatch.setattr(_clock, "wall", lambda: 1e9 + asyncio.get_running_loop().time())


@pytest.fixture
def store():
    return MemoryTokenStore()


@pytest.fixture
def visitor(store):
    return Visitor(token_url=TOKEN_URL, revoke_url="https://idp.test/revoke", client_id="app", store=store)


def sent(transport) -> list[dict[str, list[str]]]:
    return [parse_qs(request.body.decode()) for request in transport.requests]


async def kept(store) -> dict:
    """What the store holds of the one sign-in."""
    (text,) = store._texts.values()
    return json.loads(text.reveal())


async def test_sign_in_is_kept(visitor, script) -> None:
    """The user signs in once; other clients with the same store use the token without a request."""
    transport = script(answer(2))

    first = await visitor.fetch(transport)
    second = await attrs.evolve(visitor, visits=[]).fetch(transport)
    assert first.secret == second.secret == Secret("t1")
    assert (len(visitor.visits), transport.requests) == (1, [])


async def test_kinds_share_a_sign_in(store, visitor, script) -> None:
    """A sign-in for a client, scopes and audience is also valid for another flow with the same ones."""
    await visitor.fetch(None)

    device = DeviceCode(device_url="https://idp.test/device", token_url=TOKEN_URL, client_id="app", store=store)
    assert (await device.fetch(None)).secret == Secret("t1")


@pytest.mark.parametrize(
    "change",
    [{"client_id": "b"}, {"scopes": "a"}, {"audience": "a"}, {"resource": "urn:a"}, {"service": "https://x.test"}],
)
async def test_sign_ins_apart(change, visitor) -> None:
    """A token for something else is none for this."""
    await visitor.fetch(None)

    await attrs.evolve(visitor, **change).fetch(None)
    assert len(visitor.visits) == 2


async def test_refresh(visitor, store, script) -> None:
    """Statement 12: the refresh token is traded at the token endpoint, and the new one is kept in its place."""
    transport = script(answer(2))
    old = await visitor.fetch(transport)

    new = await visitor.fetch(transport, old)
    assert (new.secret, new.refresh_token) == (Secret("t2"), Secret("r2"))
    assert transport.requests[0].url == TOKEN_URL
    assert sent(transport) == [{"grant_type": ["refresh_token"], "refresh_token": ["r1"], "client_id": ["app"]}]
    assert (await kept(store))["refresh_token"] == "r2"


async def test_refresh_without_rotation(visitor, store, script) -> None:
    """Statement 12: where the answer has no refresh token, the old one is kept."""
    transport = script(answer(2, refresh_token=None))

    new = await visitor.fetch(transport, await visitor.fetch(transport))
    assert new.refresh_token == Secret("r1")
    assert (await kept(store))["refresh_token"] == "r1"


async def test_targets_of_a_refresh(visitor, script) -> None:
    """Whom the token is for is said with each request."""
    visitor = attrs.evolve(visitor, audience="https://api.test", resource=["urn:a", "urn:b"])
    transport = script(answer(2))

    await visitor.fetch(transport, await visitor.fetch(transport))
    assert sent(transport)[0]["audience"] == ["https://api.test"]
    assert sent(transport)[0]["resource"] == ["urn:a", "urn:b"]


async def test_kept_token_that_is_old(visitor, script) -> None:
    """A token that a store kept past its time is renewed, not used."""
    transport = script(answer(2))
    await visitor.fetch(transport)
    await asyncio.sleep(950)

    assert (await visitor.fetch(transport)).secret == Secret("t2")


async def test_clock_set_back(visitor, script, monkeypatch) -> None:
    """A token from the future is of no known age, so it is renewed."""
    transport = script(answer(2))
    await visitor.fetch(transport)
    monkeypatch.setattr(_clock, "wall", lambda: 1e8)

    assert (await visitor.fetch(transport)).secret == Secret("t2")


async def test_somebody_else_was_faster(visitor, script) -> None:
    """Statement 13: two clients that share a store and are refused the same token make one refresh grant."""
    transport = script(answer(2), takes=1.0)
    old = await visitor.fetch(transport)

    tokens = await asyncio.gather(*(visitor.fetch(transport, old) for _ in range(5)))
    assert {token.secret.reveal() for token in tokens} == {"t2"}
    assert len(transport.requests) == 1


OVER = ["invalid_grant", "interaction_required", "login_required", "consent_required", "account_selection_required"]


@pytest.mark.parametrize("refusal", [*((400, {"error": code}) for code in OVER), (400, b""), (400, b"\r\n")], ids=str)
async def test_end_of_a_sign_in(refusal, visitor, store, script) -> None:
    """A sign-in that the provider refuses to renew is deleted; the user is not asked while a client is at work."""
    transport = script(refusal)
    old = await visitor.fetch(transport)

    with pytest.raises(LoginRequired, match="'app' has no sign-in that can be renewed") as caught:
        await visitor.fetch(transport, old)
    assert isinstance(caught.value.__cause__, OAuthError)
    assert (len(transport.requests), len(visitor.visits), store._texts) == (1, 1, {})


PAGES = [b"<html>Sign in to the Wi-Fi", b"blocked", {}, {"message": "Forbidden"}, []]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        *((status, body) for status in (200, 302, 400, 401, 403, 404, 407, 418, 451) for body in PAGES),
        *((status, b"") for status in (200, 302, 401, 403, 404, 407)),
    ],
)
async def test_gateway_ends_nothing(status, body, visitor, store, script) -> None:
    """An answer of another server than the provider does not end the sign-in; such trouble is temporary."""
    transport = script((status, body))
    old = await visitor.fetch(transport)

    with pytest.raises(OAuthError, match="The sign-in is kept") as caught:
        await visitor.fetch(transport, old)
    assert caught.value.passing
    assert (await kept(store))["refresh_token"] == "r1"
    transport.answers = (answer(2),)
    assert (await visitor.fetch(transport, old)).secret == Secret("t2")


async def test_first_token_after_the_end(visitor, script) -> None:
    """A client that starts with a sign-in that is over has its user sign in."""
    await visitor.fetch(None)
    await asyncio.sleep(2000)

    assert (await visitor.fetch(script(GONE))).secret == Secret("t1")
    assert len(visitor.visits) == 2


async def test_nobody_to_ask(visitor) -> None:
    """If the user may not be asked, an error is raised instead of a sign-in."""
    with pytest.raises(LoginRequired):
        await attrs.evolve(visitor, ask_user=False).fetch(None)
    assert visitor.visits == []


@pytest.mark.parametrize("trouble", [(503, b""), TransportTimeout("slow"), ConnectError("refused")], ids=str)
async def test_trouble_ends_nothing(trouble, visitor, store, script) -> None:
    """A provider that cannot answer has not refused: the sign-in stays, and one more attempt is all that is made."""
    transport = script(trouble)
    old = await visitor.fetch(transport)

    with pytest.raises(AuthError) as caught:
        await visitor.fetch(transport, old)
    assert not isinstance(caught.value, LoginRequired)
    assert len(transport.requests) == 2
    assert (await kept(store))["refresh_token"] == "r1"


async def test_mistake_ends_nothing(visitor, store, script) -> None:
    """A refusal that is not about the sign-in, such as of the client itself, leaves it as it is."""
    transport = script((401, {"error": "invalid_client"}))
    old = await visitor.fetch(transport)

    with pytest.raises(OAuthError, match=r"invalid_client.*The sign-in is kept") as caught:
        await visitor.fetch(transport, old)
    assert not caught.value.passing
    assert (await kept(store))["refresh_token"] == "r1"


async def test_store_that_changed_meanwhile(visitor, store, script) -> None:
    """If a process without the lock renewed first, the refusal is not final: its token is used."""

    class Racer(type(script())):
        async def send(self, request):
            response = await super().send(request)
            (key,) = store._texts
            store._texts[key] = Secret(store._texts[key].reveal().replace('"r1"', '"r9"'))
            return response

    transport = Racer(GONE, answer(2))
    old = await visitor.fetch(transport)

    assert (await visitor.fetch(transport, old)).secret == Secret("t2")
    assert [form["refresh_token"] for form in sent(transport)] == [["r1"], ["r9"]]


async def test_sign_in_without_refresh_token(visitor, script) -> None:
    """Without a refresh token a sign-in serves to its end, and nothing is tried before that."""
    visitor = attrs.evolve(visitor, refresh_token=None)
    token = await visitor.fetch(None)

    assert token.renew_after == token.stale_after == 990
    with pytest.raises(LoginRequired):
        await visitor.fetch(None, token)


async def test_token_url_that_changed(visitor, store, script) -> None:
    """A refresh token goes nowhere but where it came from, whatever the settings and the store say now."""
    await visitor.fetch(None)
    (key,) = store._texts
    text = store._texts.pop(key).reveal().replace(TOKEN_URL, "https://evil.test/token")
    store._texts[key] = Secret(text)
    transport = script(answer(2))

    await visitor.fetch(transport)
    assert transport.requests == []
    assert len(visitor.visits) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"access_token": 1}', "\x00", "[" * 100_000])
async def test_damaged_store(text, visitor, store) -> None:
    """A stored text of another program counts as no sign-in."""
    await visitor.fetch(None)
    (key,) = store._texts
    store._texts[key] = Secret(text)

    await visitor.fetch(None)
    assert len(visitor.visits) == 2


async def test_time_limit(visitor) -> None:
    """A sign-in that the user does not complete ends with an error."""
    with pytest.raises(LoginRequired, match="within 300 s"):
        await attrs.evolve(visitor, takes=1000).fetch(None)
    assert _clock.monotonic() - visitor.visits[0] == pytest.approx(300)


async def test_timeout_of_somebody_else(visitor, monkeypatch) -> None:
    """A TimeoutError that is not the time limit's comes out as it is."""

    async def fail(*_):
        raise TimeoutError("the tab did not load")

    monkeypatch.setattr(Visitor, "_sign_in", fail)
    with pytest.raises(TimeoutError, match="the tab did not load"):
        await visitor.fetch(None)


async def test_cancelled_refresh_is_kept(visitor, store, script) -> None:
    """Statement 13: a refresh whose caller is cancelled after the provider rotated is kept all the same."""
    old = await visitor.fetch(None)
    fetching = asyncio.create_task(visitor.fetch(script(answer(2), takes=2.0), old))
    await asyncio.sleep(1)
    fetching.cancel()

    with pytest.raises(asyncio.CancelledError):
        await fetching
    assert (await kept(store))["refresh_token"] == "r2"


@pytest.mark.parametrize(("takes", "refresh_token"), [(2.0, "r2"), (29.0, "r2"), (1000.0, "r1")])
async def test_closing_waits_for_the_answer(takes, refresh_token, visitor, store, script) -> None:
    """Statement 13: a client that is closed during a refresh keeps an answer that comes within its time limit."""
    source = TokenSource(visitor, script(answer(2), takes=takes))
    used = await source.token()
    await asyncio.sleep(100)
    waiting = asyncio.create_task(source.rejected(used))
    await asyncio.sleep(1)
    started = _clock.monotonic()
    await source.aclose()

    assert _clock.monotonic() - started == pytest.approx(min(takes, 30.0) - 1, abs=0.1)
    assert (await kept(store))["refresh_token"] == refresh_token
    with pytest.raises(ClientClosed):
        await waiting


async def test_closing_that_is_cancelled(visitor, store, script) -> None:
    """Statement 13: closing that is cancelled still waits for the answer; a second cancellation ends the wait."""
    for again, refresh_token in ((True, "r1"), (False, "r2")):
        source = TokenSource(visitor, script(answer(2), takes=20.0))
        used = await source.token()
        await asyncio.sleep(100)
        asyncio.create_task(source.rejected(used)).add_done_callback(lambda task: task.exception())
        await asyncio.sleep(1)
        closing = asyncio.create_task(source.aclose())
        for _ in range(2 if again else 1):
            await asyncio.sleep(1)
            closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert (await kept(store))["refresh_token"] == refresh_token


async def test_closing_does_not_wait_for_a_turn(visitor, store, script) -> None:
    """A client that only waits for others to renew the sign-in has sent nothing, and closes at once."""
    source = TokenSource(visitor, script(answer(2)))
    used = await source.token()
    await asyncio.sleep(100)
    async with store.lock("any"):
        asyncio.create_task(source.rejected(used)).add_done_callback(lambda task: task.exception())
        await asyncio.sleep(1)
        started = _clock.monotonic()
        await source.aclose()
        assert _clock.monotonic() == started


async def test_one_time_limit(visitor, store, script) -> None:
    """All attempts of a refresh together take no longer than others wait for their turn."""
    old = await visitor.fetch(None)
    hung, other = script(answer(2), takes=1000.0), script(TransportTimeout("slow"), answer(2), takes=20.0)
    for transport, seconds in ((hung, 30.0), (other, 30.0)):
        started = _clock.monotonic()
        turn = asyncio.create_task(visitor.fetch(transport, old))
        await asyncio.sleep(0)
        with pytest.raises(AuthError, match="no answer within 30 s") as caught:
            await turn
        assert caught.value.passing
        assert _clock.monotonic() - started == pytest.approx(seconds)
    first, second = (asyncio.create_task(visitor.fetch(transport, old)) for transport in (hung, script(answer(3))))
    assert isinstance((await asyncio.gather(first, return_exceptions=True))[0], AuthError)
    assert (await second).secret == Secret("t3")


async def test_logout(visitor, store, script) -> None:
    """Signing out deletes the sign-in here, and revokes the refresh token at the provider."""
    transport = script(b"")
    await visitor.fetch(transport)

    await visitor.logout(transport)
    assert store._texts == {}
    assert transport.requests[0].url == "https://idp.test/revoke"
    assert sent(transport) == [{"token": ["r1"], "token_type_hint": ["refresh_token"], "client_id": ["app"]}]


async def test_logout_where_nothing_can_be_revoked(visitor, store, script) -> None:
    """Without an address for it, a refresh token or a sign-in, signing out only deletes what is stored."""
    transport = script(b"")
    for change in ({"revoke_url": None}, {"refresh_token": None}):
        changed = attrs.evolve(visitor, **change)
        await changed.fetch(transport)
        await changed.logout(transport)
        await changed.logout(transport)

    assert (store._texts, transport.requests) == ({}, [])


async def test_logout_at_a_provider_that_fails(visitor, store, script) -> None:
    """If revoking at the provider fails, the caller gets an error, and is signed out here."""
    transport = script((503, b""))
    await visitor.fetch(transport)

    with pytest.raises(AuthError, match="no end of the sign-in for client 'app'"):
        await visitor.logout(transport)
    assert store._texts == {}


async def test_source_signs_in_and_out(visitor, store, script) -> None:
    """A token source signs in anew when asked to, also right after it failed, and forgets its token on signing out."""
    transport = script(b"")
    source = TokenSource(visitor, transport)

    assert (await source.login()).secret == Secret("t1")
    await source.logout()
    assert store._texts == {}
    await source.token()
    assert len(visitor.visits) == 2
    await asyncio.sleep(2000)
    transport.answers = (GONE,)
    with pytest.raises(LoginRequired):
        await source.token()
    await source.login()
    assert len(visitor.visits) == 3
    await source.aclose()


async def test_nothing_shows_a_token(visitor, store) -> None:
    """Statement 16: neither credentials nor tokens nor stores show one."""
    token = await visitor.fetch(None)
    source = TokenSource(visitor, None)
    await source.token()

    shown = f"{visitor}{token}{store}{source}{attrs.asdict(visitor)}{attrs.asdict(token)}{vars(store)}"
    assert "t1" not in shown
    assert "r1" not in shown


async def test_errors_show_no_secret(visitor, script, shown) -> None:
    """Statements 17 and 18: no error on the way shows a token, neither in text nor in locals."""
    for reply in (GONE, (401, {"error": "invalid_client"}), answer("t0ken", token_type="mac")):
        old = await visitor.fetch(None)
        with pytest.raises(AuthError) as caught:
            await visitor.fetch(script(reply), old)
        assert "'r1'" not in (report := shown(caught.value))
        assert "t0ken" not in report


@pytest.mark.parametrize("kind", [AuthorizationCode, DeviceCode])
@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"client_id": ""}, "client_id is empty"),
        ({"issuer": "http://idp.test"}, "issuer http://idp.test is plain http"),
        ({"issuer": "https://localhost:80@evil.test"}, "user name"),
        ({"revoke_url": "http://idp.test"}, "revoke_url http://idp.test is plain http"),
        ({"extra": {"state": "x", "scope": "x"}}, "extra must not set scope, state"),
        ({"store": "file"}, "store is not a token store. Give one, such as FileTokenStore"),
        ({"store": None}, "store is not a token store"),
        ({"store": MemoryTokenStore}, "store is not a token store"),
        ({"issuer": "https://me:s3cr3t@idp.test"}, "issuer https://idp.test has a user name"),
        ({"issuer": "https://idp.test?p=s3cr3t"}, "issuer https://idp.test has a query"),
        ({"issuer": "https://login.microsoftonline.com/{tenantid}/v2.0"}, "has a placeholder"),
        ({"issuer": 5}, "issuer is not an absolute URL"),
        ({"revoke_url": "https://me:s3cr3t@idp.test"}, "revoke_url https://idp.test has a user name"),
        ({"service": "http://cdf.test"}, "service http://cdf.test is plain http"),
        ({"service": "s3cr3t"}, "service is not an absolute URL"),
        ({"scopes": 5}, "scopes must be"),
        ({"scopes": ["s3cr3t\udcff"]}, "scopes must be"),
        ({"resource": [None]}, "resource must be"),
        ({"audience": b"s3cr3t"}, "audience is not text"),
        ({"extra": "s3cr3t"}, "extra must be a mapping"),
        ({"extra": {"login_hint": "s3cr3t\udcff"}}, "extra sets login_hint to a value that is empty or not text"),
        ({"extra": {"max_age": 5}}, "extra sets max_age to a value that is empty or not text"),
        ({"time_limit": "3"}, "time_limit must be a number above 0, not '3'"),
        ({"time_limit": 0}, "time_limit must be a number above 0, not 0"),
    ],
)
def test_what_cannot_be(kind, given, problem, shown) -> None:
    """Statements 17 and 24: what could only fail later is refused when credentials are made, and not shown."""
    with pytest.raises(ConfigError, match=problem) as caught:
        kind(**{"issuer": "https://idp.test", "client_id": "app"} | given)

    assert "s3cr3t" not in shown(caught.value)


@pytest.mark.parametrize(("kind", "name"), [(AuthorizationCode, "authorize_url"), (DeviceCode, "device_url")])
def test_short_forms_show_nothing(kind, name, shown) -> None:
    """Statement 17: nor do the short forms show what they refuse."""
    for changes in ({name: "https://me:s3cr3t@idp.test"}, {"tenant": "s3cr3t\udcff"}, {"unknown": "s3cr3t"}):
        with pytest.raises((ConfigError, TypeError)) as caught:
            kind.entra(**{"tenant": "acme.com", "client_id": "app", "cluster": "api"} | changes)
        assert "s3cr3t" not in shown(caught.value)


@pytest.mark.parametrize("kind", [AuthorizationCode, DeviceCode, BearerToken, UserCredentials, FileTokenStore])
def test_half_made(kind) -> None:
    """Statement 16: a value whose `__init__` raised has a repr, which error reports may use."""
    assert repr(kind.__new__(kind)).startswith(f"{kind.__name__}(")


def test_endpoints_with_a_query() -> None:
    """Endpoints may have a query, which repr leaves out (RFC 6749 section 3.1)."""
    urls = dict.fromkeys(("token_url", "authorize_url", "revoke_url"), "https://idp.test/x?p=s3cr3t")

    assert "s3cr3t" not in repr(AuthorizationCode(client_id="app", **urls))


@pytest.mark.parametrize("issuer", ["https://idp.test/.well-known/openid-configuration"])
def test_issuer_of_the_documents_address(issuer) -> None:
    """The address of the discovery document is as good as the issuer."""
    assert DeviceCode(client_id="app", issuer=issuer).issuer == "https://idp.test"


def test_users_have_nothing_to_hand_over(visitor) -> None:
    """Sessions are made by exchanging a user's token."""
    assert visitor.session_item() is None
