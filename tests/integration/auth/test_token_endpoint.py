from __future__ import annotations

import asyncio
import base64
import datetime as dt
import ipaddress
import logging
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import attrs
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from aiocdf import _clock
from aiocdf._http.sender import Sender
from aiocdf._http.transport import AiohttpTransport
from aiocdf._wire.http import Request
from aiocdf.auth import ClientCredentials, TokenSource
from aiocdf.config import Retrying
from aiocdf.errors import AuthError, ConnectError, OAuthError

ODD = "a+b/c%d:e&f=g ~h\u00fc"

pytestmark = pytest.mark.usefixtures("no_pauses")


@attrs.define
class Issuer:
    """A token endpoint that keeps what it is sent and gives numbered tokens."""

    #: Answers to give before tokens.
    answers: list[Callable[[web.Request], web.StreamResponse]] = attrs.field(factory=list)
    takes: float = 0.0
    requests: list[web.Request] = attrs.field(factory=list)
    forms: list[dict[str, str]] = attrs.field(factory=list)
    url: str = ""

    async def token(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.forms.append(dict(await request.post()))
        await asyncio.sleep(self.takes)
        if self.answers:
            return self.answers.pop(0)(request)
        answer = web.json_response(
            {"access_token": f"t0ken{len(self.requests)}", "token_type": "Bearer", "expires_in": 3600}
        )
        answer.set_cookie("session", "c00kie")
        return answer


Serve = Callable[..., Awaitable[Issuer]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Start token endpoints on loopback."""
    runners = []

    async def start(*, context: ssl.SSLContext | None = None, **given) -> Issuer:
        issuer = Issuer(**given)
        app = web.Application()
        app.router.add_post("/token", issuer.token)
        runners.append(runner := web.AppRunner(app))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        issuer.url = f"http{'s' if context else ''}://127.0.0.1:{runner.addresses[0][1]}/token"
        return issuer

    yield start
    for runner in runners:
        await runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """The transport that a client has."""
    transport = AiohttpTransport()
    await transport.open()
    yield transport
    await transport.aclose()


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the waiting out of retries."""
    monkeypatch.setattr(_clock, "jitter", lambda low, _high: low)


@pytest.fixture
def unknown_ca(tmp_path: Path) -> ssl.SSLContext:
    """A server's certificate that nobody vouches for."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = tmp_path / "server.pem"
    path.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def application(issuer: Issuer, **changes) -> ClientCredentials:
    given = {"token_url": issuer.url, "client_id": "app", "client_secret": "s3cr3t"}
    return ClientCredentials(**given | changes)


async def test_secret_in_the_body(serve, transport) -> None:
    """Statement 26: id and secret of any characters arrive in the form, and in no URL or header."""
    issuer = await serve()
    credentials = application(issuer, client_id=ODD, client_secret=ODD, scopes="one two", audience="https://api.test")

    token = await credentials.fetch(transport)
    assert token.secret.reveal() == "t0ken1"
    assert issuer.forms == [
        {
            "grant_type": "client_credentials",
            "client_id": ODD,
            "client_secret": ODD,
            "scope": "one two",
            "audience": "https://api.test",
        }
    ]
    assert issuer.requests[0].query_string == ""
    assert "Authorization" not in issuer.requests[0].headers


async def test_secret_in_a_header(serve, transport) -> None:
    """By Basic, the secret goes in the header and nowhere else."""
    issuer = await serve()

    await application(issuer, auth_method="client_secret_basic").fetch(transport)
    assert issuer.forms == [{"grant_type": "client_credentials"}]
    assert issuer.requests[0].headers["Authorization"] == f"Basic {base64.b64encode(b'app:s3cr3t').decode()}"


async def test_hundred_callers_one_request(serve, transport) -> None:
    """Statement 13: a hundred callers of a slow provider are one request on the wire."""
    issuer = await serve(takes=0.05)
    source = TokenSource(application(issuer), transport)

    tokens = await asyncio.gather(*(source.token() for _ in range(100)))
    await source.aclose()
    assert {token.reveal() for token in tokens} == {"t0ken1"}
    assert len(issuer.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_not_followed(serve, transport, status) -> None:
    """Statement 22: a redirect takes the secret nowhere; the error says what to do."""
    elsewhere = await serve()
    issuer = await serve(answers=[lambda _request: web.Response(status=status, headers={"Location": elsewhere.url})])

    with pytest.raises(OAuthError, match="set token_url to its target"):
        await application(issuer).fetch(transport)
    assert elsewhere.requests == []


async def test_unknown_authority(serve, transport, unknown_ca) -> None:
    """Statement 25: where the server's certificate is not vouched for, nothing is sent."""
    issuer = await serve(context=unknown_ca)

    with pytest.raises(AuthError, match="certificate") as caught:
        await application(issuer).fetch(transport)
    assert isinstance(caught.value.__cause__, ConnectError)
    assert issuer.requests == []


async def test_no_cookies(serve, transport) -> None:
    """Statement 27: a provider's cookie is not kept."""
    issuer = await serve()

    for _ in range(2):
        await application(issuer).fetch(transport)
    assert [dict(request.cookies) for request in issuer.requests] == [{}, {}]


async def test_environment_is_not_asked(serve, transport, tmp_path, monkeypatch) -> None:
    """Statement 26: neither a netrc entry nor a proxy from the environment has a part in the request."""
    issuer, proxy = await serve(), await serve()
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login eve password evil\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)

    await application(issuer).fetch(transport)
    assert [request.headers.get("Authorization") for request in issuer.requests] == [None]
    assert proxy.requests == []


async def test_passing_trouble(serve, transport) -> None:
    """A provider that fails twice is asked three times."""
    issuer = await serve(answers=[lambda _request: web.Response(status=503), lambda _request: web.Response(status=429)])

    token = await application(issuer).fetch(transport)
    assert token.secret.reveal() == "t0ken3"


async def test_provider_that_is_not_there(serve, transport) -> None:
    """A provider that cannot be reached is named by its URL, with the cause."""
    issuer = await serve()
    credentials = application(issuer, token_url="http://127.0.0.1:1/token")

    with pytest.raises(AuthError, match=r"^no access token for client 'app' \(POST http://127.0.0.1:1/token\)"):
        await credentials.fetch(transport)


async def test_refusal_in_any_words(serve, transport) -> None:
    """An Entra-like refusal, with line breaks and letters that Authlib refuses, comes out whole on one line."""
    said = {"error": "invalid_client", "error_description": 'AADSTS7000215: "Invalid"\r\nTrace: \u00e9'}
    issuer = await serve(answers=[lambda _request: web.json_response(said, status=401)])

    with pytest.raises(OAuthError) as caught:
        await application(issuer).fetch(transport)
    assert caught.value.description == 'AADSTS7000215: "Invalid" Trace: \u00e9'
    assert len(issuer.requests) == 1


async def test_answer_in_drips(serve, transport) -> None:
    """An answer that comes in pieces is read to its end."""
    issuer = await serve()
    issuer.answers.append(lambda _request: Drips())

    assert (await application(issuer).fetch(transport)).secret.reveal() == "dr1p"


class Drips(web.StreamResponse):
    """A token answer that comes byte by byte."""

    async def prepare(self, request):
        writer = await super().prepare(request)
        for letter in b'{"access_token": "dr1p", "token_type": "bearer"}':
            await self.write(bytes([letter]))
        return writer


async def test_refused_requests_share_one_renewal(serve, transport, monkeypatch) -> None:
    """Statement 13: a hundred requests whose token is refused cost one token request and are sent once more each."""
    issuer = await serve()
    seen = []

    def api(request: web.Request) -> web.Response:
        seen.append(request.headers["Authorization"])
        return web.Response(status=401 if seen[-1] == "Bearer t0ken1" else 200)

    service = await serve(answers=[api] * 200)
    source = TokenSource(application(issuer), transport)
    await source.token()
    later = _clock.wall() + 60
    monkeypatch.setattr(_clock, "wall", lambda: later)
    sender = Sender(transport, source, headers={}, retry=Retrying(), emit=lambda _event: None)

    answers = await asyncio.gather(
        *(sender.send(Request(name="x", method="POST", url=service.url)) for _ in range(100))
    )
    await source.aclose()
    assert {answer.status for answer in answers} == {200}
    assert len(issuer.requests) == 2
    assert Counter(seen) == {"Bearer t0ken1": 100, "Bearer t0ken2": 100}


async def test_log_holds_no_secret(serve, transport, caplog) -> None:
    """Statement 20: at the lowest level, nobody logs a token or secret, be it success or failure."""
    caplog.set_level(logging.DEBUG)
    issuer = await serve()
    for method in ("client_secret_post", "client_secret_basic"):
        await application(issuer, auth_method=method).fetch(transport)
    issuer.answers.append(lambda _request: web.json_response({"error": "invalid_client"}, status=401))
    with pytest.raises(OAuthError):
        await application(issuer).fetch(transport)

    assert "t0ken" not in caplog.text
    assert "s3cr3t" not in caplog.text
    assert base64.b64encode(b"app:s3cr3t").decode() not in caplog.text
