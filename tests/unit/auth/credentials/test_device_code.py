from __future__ import annotations

import asyncio
from urllib.parse import parse_qs

import pytest

from aiocdf import _clock
from aiocdf.auth import DeviceCode, DevicePrompt
from aiocdf.errors import AuthError, ConfigError, LoginRequired, OAuthError, TransportTimeout

pytestmark = pytest.mark.looptime

GRANT = {
    "device_code": "d3vice",
    "user_code": "WDJB-MJHT",
    "verification_uri": "https://idp.test/device",
    "verification_uri_complete": "https://idp.test/device?user_code=WDJB-MJHT",
    "expires_in": 300,
    "interval": 7,
}
TOKEN = {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r3fresh"}


def error(name, status=400):
    return status, {"error": name}


PENDING, SLOW_DOWN = error("authorization_pending"), error("slow_down")


def device(prompt, **changes) -> DeviceCode:
    given = {"device_url": "https://idp.test/device", "token_url": "https://idp.test/token", "client_id": "cli"}
    return DeviceCode(**given | {"prompt": prompt, "scopes": "read offline_access"} | changes)


async def waits(transport) -> list[float]:
    """Sign in, and return the seconds between the requests."""
    await device(lambda _prompt: None).fetch(transport)
    return [later - sooner for sooner, later in zip(transport.times, transport.times[1:], strict=False)]


async def test_sign_in(script) -> None:
    """The user is shown the page and the code; the token comes after they have entered it."""
    transport, shown = script(GRANT, PENDING, TOKEN), []

    token = await device(shown.append, audience="https://api.test", extra={"login_hint": "me"}).fetch(transport)
    assert token.secret.reveal() == "t0ken"
    assert shown == [
        DevicePrompt(
            user_code="WDJB-MJHT",
            verification_uri="https://idp.test/device",
            verification_uri_complete="https://idp.test/device?user_code=WDJB-MJHT",
            expires_in=300.0,
        )
    ]
    forms = [parse_qs(request.body.decode()) for request in transport.requests]
    assert forms[0] == {
        "client_id": ["cli"],
        "scope": ["read offline_access"],
        "audience": ["https://api.test"],
        "login_hint": ["me"],
    }
    assert forms[1:] == 2 * [
        {
            "grant_type": ["urn:ietf:params:oauth:grant-type:device_code"],
            "device_code": ["d3vice"],
            "client_id": ["cli"],
        }
    ]


async def test_prompt_may_be_async(script) -> None:
    """An `async def` prompt is awaited before the first question."""
    at = []

    async def prompt(_prompt):
        await asyncio.sleep(100)
        at.append(_clock.monotonic())

    transport = script(GRANT, TOKEN)
    await device(prompt).fetch(transport)
    assert transport.times[1] == at[0] + 7


async def test_prompt_that_fails(script) -> None:
    """What a prompt raises is the caller's to see, and ends the sign-in."""
    transport = script(GRANT, TOKEN)

    with pytest.raises(ZeroDivisionError):
        await device(lambda _prompt: 1 / 0).fetch(transport)
    assert len(transport.requests) == 1


async def test_default_prompt(script, capsys) -> None:
    """Statement 14: without a prompt of the caller's, page and code are printed, and standard output stays clean."""
    credentials = DeviceCode(device_url="https://idp.test/device", token_url="https://idp.test/token", client_id="cli")

    await credentials.fetch(script(GRANT, TOKEN))
    printed = capsys.readouterr()
    assert printed.err == "To sign in, open https://idp.test/device and enter the code WDJB-MJHT\n"
    assert printed.out == ""


@pytest.mark.parametrize(
    ("answers", "gaps"),
    [
        ([GRANT, PENDING, PENDING, TOKEN], [7, 7, 7]),
        ([GRANT | {"interval": None}, TOKEN], [5]),
        ([GRANT | {"interval": "2"}, TOKEN], [2]),
        ([GRANT, SLOW_DOWN, PENDING, SLOW_DOWN, TOKEN], [7, 12, 12, 17]),
        ([GRANT, TransportTimeout("slow"), PENDING, TransportTimeout("slow"), TOKEN], [7, 14, 14, 28]),
        ([GRANT, (503, b"<html>"), (429, {}), TOKEN], [7, 14, 28]),
    ],
    ids=["interval", "unsaid", "text", "slow_down", "no answer", "failing"],
)
async def test_intervals(answers, gaps, script) -> None:
    """Statement 14: questions begin after the interval, 5 s if unsaid, 5 s more on slow_down, twice as much without an answer."""
    assert await waits(script(*answers)) == pytest.approx(gaps)


@pytest.mark.parametrize("last", ["access_denied", "expired_token", "invalid_grant"])
async def test_end_without_token(last, script) -> None:
    """The user's no, and a code that expired, end the sign-in with the provider's own word for it."""
    transport = script(GRANT, PENDING, error(last))

    with pytest.raises(OAuthError, match=last):
        await device(lambda _prompt: None).fetch(transport)
    assert len(transport.requests) == 3


async def test_nobody_enters_the_code(script) -> None:
    """Statement 14: questions stop when the code expires, and the error says so."""
    transport = script(GRANT, PENDING)

    with pytest.raises(LoginRequired, match="within 300 s"):
        await device(lambda _prompt: None).fetch(transport)
    assert transport.times[-1] - transport.times[0] < 300
    assert len(transport.requests) == 1 + 300 // 7


async def test_users_limit(script) -> None:
    """The time limit of the credentials ends the sign-in too."""
    started = _clock.monotonic()

    with pytest.raises(LoginRequired, match="within 60 s"):
        await device(lambda _prompt: None, time_limit=60).fetch(script(GRANT, PENDING))
    assert _clock.monotonic() - started == pytest.approx(60)


@pytest.mark.parametrize(
    "answer",
    [
        error("unauthorized_client", 401),
        (200, b"<html>"),
        {name: value for name, value in GRANT.items() if name != "device_code"},
        GRANT | {"user_code": ""},
        GRANT | {"verification_uri": None},
        (404, {}),
    ],
    ids=["refused", "html", "no device code", "no user code", "no page", "not found"],
)
async def test_no_code_to_show(answer, script) -> None:
    """If the provider gives no code, none is shown, and the error names the request."""
    shown = []

    with pytest.raises(OAuthError, match="no device code for client 'cli'"):
        await device(shown.append).fetch(script(answer))
    assert shown == []


async def test_terminal_is_safe(script) -> None:
    """What the provider wants to be shown cannot steer a terminal."""
    shown = []

    await device(shown.append).fetch(script(GRANT | {"user_code": "A\x1b[2JB\r\nC"}, TOKEN))
    assert str(shown[0]) == "To sign in, open https://idp.test/device and enter the code A [2JB C"


async def test_errors_show_no_secret(script, shown) -> None:
    """Statements 16 and 17: neither the device code nor a token is in what an error shows."""
    with pytest.raises(AuthError) as caught:
        await device(lambda _prompt: None).fetch(script(GRANT, TOKEN | {"token_type": "mac"}))

    report = shown(caught.value)
    for secret in ("d3vice", "t0ken", "r3fresh"):
        assert secret not in report


def test_entra() -> None:
    """The usual addresses and scopes of Entra ID, and the client that Cognite's own tools use."""
    credentials = DeviceCode.entra(tenant="acme.com", cluster="westeurope-1")

    assert credentials.client_id == "fb9d503b-ac25-44c7-a75d-8fbcd3a206bd"
    assert credentials.device_url == "https://login.microsoftonline.com/acme.com/oauth2/v2.0/devicecode"
    assert credentials.scopes == (
        "https://westeurope-1.cognitedata.com/IDENTITY",
        "https://westeurope-1.cognitedata.com/user_impersonation",
        "offline_access",
    )
    assert DeviceCode.entra(tenant="a", cluster="api", scopes="x").scopes == ("x",)


def test_cognite() -> None:
    """Cognite's own provider publishes its addresses."""
    assert DeviceCode.cognite(client_id="cli").issuer == "https://auth.cognite.com"


@pytest.mark.parametrize(
    "given",
    [
        {},
        {"token_url": "https://idp.test/token"},
        {"device_url": "https://idp.test/device"},
        {"issuer": "https://idp.test", "token_url": "https://idp.test/token"},
        {"issuer": "https://idp.test", "device_url": "https://idp.test/device"},
    ],
)
def test_where_to_sign_in(given) -> None:
    """Either the issuer or the addresses are given, not both and not half."""
    with pytest.raises(ConfigError, match="give either issuer, or token_url and device_url"):
        DeviceCode(client_id="cli", **given)


async def test_provider_without_device_codes(script) -> None:
    """A provider that has no such sign-in says so through us."""
    document = {"issuer": "https://idp.test", "token_endpoint": "https://idp.test/token"}

    with pytest.raises(OAuthError, match="offers no sign-in with a device code"):
        await DeviceCode(client_id="cli", issuer="https://idp.test").fetch(script(document))


async def test_user_says_no(script) -> None:
    """Here a user is asked, and the refusal says that it may be theirs; no further question is sent."""
    transport = script(GRANT, PENDING, error("access_denied"))

    with pytest.raises(OAuthError, match=r"the sign-in was refused: access_denied\. The user, or a rule") as caught:
        await device(lambda _prompt: None).fetch(transport)
    assert (caught.value.error, caught.value.status, len(transport.requests)) == ("access_denied", 400, 3)


async def test_endpoints_with_a_query(script) -> None:
    """A query of an endpoint is sent with the requests."""
    urls = {"device_url": "https://idp.test/device?p=a", "token_url": "https://idp.test/token?p=b"}
    transport = script(GRANT, TOKEN)

    await device(lambda _prompt: None, **urls).fetch(transport)
    assert [request.url for request in transport.requests] == [*urls.values()]
