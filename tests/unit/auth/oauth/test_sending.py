from __future__ import annotations

import base64
from urllib.parse import quote, quote_plus

import pytest

from aiocdf import _clock
from aiocdf.auth import ClientCredentials
from aiocdf.errors import AuthError, ConnectError, OAuthError, ProtocolError, TransportTimeout

pytestmark = pytest.mark.looptime

GOOD = {"access_token": "t0ken", "token_type": "bearer", "expires_in": 3600}


@pytest.mark.parametrize(
    "trouble",
    [ConnectError("refused"), TransportTimeout("slow"), ProtocolError("broke"), (429, {}), (500, {}), (503, b"<html>")],
    ids=lambda trouble: f"{trouble!r:.20}",
)
async def test_passing_trouble_is_waited_out(trouble, credentials, script) -> None:
    """A lost connection, a timeout, a 429 and a 5xx are tried again, at most twice."""
    transport = script(trouble, trouble, GOOD)

    token = await credentials.fetch(transport)
    assert token.secret.reveal() == "t0ken"
    assert len(transport.requests) == 3


async def test_limits_of_attempts(credentials, script) -> None:
    """A request that hangs is sent again soon; the second attempt may take what is left, for a provider that is slow."""
    transport = script(TransportTimeout("slow"), GOOD)

    await credentials.fetch(transport)
    assert [request.timeout for request in transport.requests] == [4.0, 30.0]


async def test_age_counts_from_the_last_attempt(credentials, script) -> None:
    """A token that came with the third attempt is not as old as the first."""
    transport = script((503, {}), (503, {}), GOOD, takes=1.0)

    token = await credentials.fetch(transport)
    assert token.asked_at == transport.times[-1]


@pytest.mark.parametrize("error", [ConnectError("refused"), TransportTimeout("slow"), ProtocolError("broke")])
async def test_unreachable(error, credentials, script) -> None:
    """A provider that is not reachable is given up after three attempts; the last error is the cause."""
    transport = script(error)

    with pytest.raises(AuthError, match=f"^no {error}$") as caught:
        await credentials.fetch(transport)
    assert caught.value.__cause__ is error
    assert len(transport.requests) == 3


async def test_failing_provider(credentials, script) -> None:
    """A provider that keeps failing is given up after three attempts, within seconds."""
    transport = script((503, {}))

    with pytest.raises(OAuthError, match="HTTP 503") as caught:
        await credentials.fetch(transport)
    assert caught.value.status == 503
    assert len(transport.requests) == 3
    assert transport.times[-1] - transport.times[0] <= 3.0


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302, 307, 200])
async def test_refusal_is_final(status, credentials, script) -> None:
    """Statement 22: a refusal is not repeated, nor is a redirect followed."""
    transport = script((status, {"error": "invalid_client", "error_description": "wrong"}))

    with pytest.raises(OAuthError) as caught:
        await credentials.fetch(transport)
    assert str(caught.value) == (
        f"no access token for client 'app' (POST https://idp.test/token): refused with HTTP {status}: "
        "invalid_client - wrong. Check client_id and client_secret, and that the secret has not expired."
    )
    assert len(transport.requests) == 1


@pytest.mark.parametrize("said", ["17", "Sun, 22 Nov 2026 00:00:17 GMT"])
async def test_retry_after(said, credentials, script) -> None:
    """A wait that the provider requests is obeyed."""
    headers = {"retry-after": said, "date": "Sun, 22 Nov 2026 00:00:00 GMT"}
    transport = script((429, {}), GOOD, headers=headers)

    await credentials.fetch(transport)
    assert 17.0 <= transport.times[1] - transport.times[0] <= 18.0


async def test_wish_of_the_last_answer(credentials, script) -> None:
    """The wait that a provider requests is in the error, so that the caller can wait before the next attempt."""
    transport = script((429, {}), headers={"retry-after": "3"})

    with pytest.raises(OAuthError) as caught:
        await credentials.fetch(transport)
    assert (caught.value.retry_after, caught.value.passing) == (3.0, True)
    assert len(transport.requests) == 3


async def test_wish_past_the_time_limit(credentials, script) -> None:
    """A wait that would end after the time for all attempts is not begun."""
    transport = script((503, {}), headers={"retry-after": "25"}, takes=6.0)

    with pytest.raises(OAuthError) as caught:
        await credentials.fetch(transport)
    assert (caught.value.retry_after, caught.value.passing) == (25.0, True)
    assert len(transport.requests) == 1
    assert _clock.monotonic() - transport.times[0] == pytest.approx(6.0)


async def test_one_time_limit_for_all_attempts(credentials, script) -> None:
    """A second attempt has what the first left of half a minute."""
    transport = script(TransportTimeout("slow"), GOOD, takes=20.0)
    started = _clock.monotonic()

    with pytest.raises(AuthError, match="no answer within 30 s") as caught:
        await credentials.fetch(transport)
    assert _clock.monotonic() - started == pytest.approx(30.0)
    assert caught.value.passing
    assert caught.value.__context__ is None


async def test_what_does_not_pass_is_not_tried_again(credentials, script) -> None:
    """A certificate that is refused, or an answer that is too large, is the same the next time."""
    transport = script(ConnectError("certificate", passing=False))

    with pytest.raises(AuthError) as caught:
        await credentials.fetch(transport)
    assert not caught.value.passing
    assert len(transport.requests) == 1


async def test_answer_is_limited(credentials, script) -> None:
    """The request has the maximum size of an answer of a provider."""
    transport = script(GOOD)

    await credentials.fetch(transport)
    assert transport.requests[0].max_answer == 256 * 1024


SECRET = 's3cr3t+/"%& of app'
SECRETS = {"client_secret": SECRET, "extra": {"assertion": "s3cr3t-too"}}
WRITTEN = {
    "raw": SECRET,
    "form": quote_plus(SECRET),
    "quoted": quote(SECRET),
    "extra": "s3cr3t-too",
    "basic": base64.b64encode(f"app:{quote_plus(SECRET)}".encode()).decode(),
    "cut": "x" * 990 + SECRET,
}


@pytest.mark.parametrize(
    ("method", "written"),
    [("client_secret_basic", written) for written in WRITTEN]
    + [("client_secret_post", written) for written in WRITTEN if written != "basic"],
)
@pytest.mark.parametrize("member", ["error", "error_description"])
async def test_provider_that_repeats_a_secret(member, written, method, script, shown) -> None:
    """Statement 18: what a provider says is shown without what was sent to it, in whichever encoding it says it."""
    credentials = ClientCredentials(token_url="https://idp.test/token", client_id="app", auth_method=method, **SECRETS)
    said = {"error": "invalid_client"} | {member: f"bad '{WRITTEN[written]}'"}
    with pytest.raises(OAuthError) as caught:
        await credentials.fetch(script((401, said)))

    report = shown(caught.value)
    assert "s3cr" not in report
    assert WRITTEN[written] not in report
    assert "*" in str(caught.value)


async def test_transport_that_repeats_a_secret(credentials, script) -> None:
    """So is the error of a custom transport."""
    with pytest.raises(AuthError) as caught:
        await credentials.fetch(script(ProtocolError("sent client_secret=s3cr3t and s3cr3t-too")))

    assert "s3cr3t" not in f"{caught.value!r}{caught.value.__cause__!r}"


@pytest.mark.parametrize("said", ["soon", "-1", "", "nan"])
async def test_unreadable_retry_after(said, credentials, script) -> None:
    """Instead of an unreadable wait, the default applies."""
    transport = script((429, {}), GOOD, headers={"retry-after": said})

    await credentials.fetch(transport)
    assert transport.times[1] - transport.times[0] <= 1.0


async def test_endless_retry_after(credentials, script) -> None:
    """If a provider requests a wait of more than a minute, the request fails at once."""
    transport = script((429, {}), GOOD, headers={"retry-after": "3600"})

    with pytest.raises(OAuthError, match="request rate"):
        await credentials.fetch(transport)
    assert _clock.monotonic() - transport.times[0] < 1.0


@pytest.mark.parametrize(
    "answer",
    [
        (401, {"error": "invalid_client"}),
        GOOD | {"token_type": "mac"},
        (500, GOOD),
        (200, b'{"access_token": "t0ken"'),
        ConnectError("refused"),
    ],
    ids=lambda answer: f"{answer!r:.20}",
)
async def test_errors_show_no_secret(answer, credentials, script, shown) -> None:
    """Statements 17, 18 and 19: no error of the request shows secret or token, neither in text nor in attributes or locals."""
    with pytest.raises(AuthError) as caught:
        await credentials.fetch(script(answer))

    report = shown(caught.value)
    assert "s3cr3t" not in report
    assert "t0ken" not in report
