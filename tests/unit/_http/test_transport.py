from __future__ import annotations

import asyncio
import datetime as dt
import gzip
import ipaddress
import socket
import ssl
import zlib
from contextlib import asynccontextmanager

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from aiocdf._http.transport import AiohttpTransport
from aiocdf._wire.http import Request
from aiocdf.errors import ConnectError, ProtocolError, TransportTimeout
from aiocdf.secret import Secret

TOKEN = "s3cr3t-token"
BODY = b'{"nonce":"s3cr3t-nonce"}'


def post(url: str, **fields) -> Request:
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    return Request(
        **{"name": "call function 12", "method": "POST", "url": url, "headers": headers, "body": BODY} | fields
    )


def get(url: str) -> Request:
    return post(url, method="GET", body=None)


def answering(*answers: bytes):
    """A handler that answers one request after the other on each connection, the last answer again and again."""

    async def handle(wire, reader, writer) -> None:
        while await wire.read(reader):
            writer.write(answers[min(len(wire.seen), len(answers)) - 1])
            await writer.drain()

    return handle


def http(body: bytes = b"{}", status: str = "200 OK", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


@asynccontextmanager
async def opened(*arguments, **settings):
    """A transport, for as long as it is open."""
    transport = AiohttpTransport(*arguments, **settings)
    await transport.open()
    try:
        yield transport
    finally:
        await transport.aclose()


async def fail(request: Request, transport: AiohttpTransport, leaks) -> Exception:
    """Send what must fail; whatever the error, nothing of aiohttp and no secret hangs on to it."""
    with pytest.raises((ConnectError, TransportTimeout, ProtocolError)) as caught:
        await transport.send(request)
    error = caught.value
    assert error.__cause__ is None
    assert error.__context__ is None
    assert not leaks(error)
    assert str(error).startswith(request.name)
    return error


async def test_answer(listen) -> None:
    """An answer arrives whole, header names in small letters, with the times between which it was made."""
    wire = await listen(answering(http(b'{"x":1}', "201 Created", "X-Request-ID: r-1", "Date: today")))
    async with opened() as transport:
        response = await transport.send(post(wire.url + "/call?x=1"))

    assert (response.status, response.body) == (201, b'{"x":1}')
    assert response.headers["x-request-id"] == "r-1"
    assert response.sent_at <= response.received_at
    head, _, body = wire.seen[0].partition(b"\r\n\r\n")
    assert body == BODY
    assert b"POST /call?x=1 HTTP/1.1" in head
    assert b"content-type: application/json" in head.lower()


@pytest.mark.parametrize("status", ["302 Found", "400 Bad Request", "401 No", "500 Oops", "599 Odd"])
async def test_error_statuses_are_answers(listen, status) -> None:
    """An error status is for others to judge, also where the caller's own session would raise."""
    wire = await listen(answering(http(b"no", status)))
    async with aiohttp.ClientSession(raise_for_status=True) as session, opened(session) as transport:
        response = await transport.send(post(wire.url))

    assert (response.status, response.body) == (int(status[:3]), b"no")


async def test_compressed_answer(listen) -> None:
    """Compressed answers are unpacked."""
    wire = await listen(answering(http(gzip.compress(b'{"x":1}'), "200 OK", "Content-Encoding: gzip")))
    async with opened() as transport:
        assert (await transport.send(get(wire.url))).body == b'{"x":1}'


async def test_compressed_answer_on_a_session_that_unpacks_none(listen) -> None:
    """Compressed answers are unpacked also where the caller's own session would not."""
    wire = await listen(answering(http(gzip.compress(b'{"x":1}'), "200 OK", "Content-Encoding: gzip")))
    async with aiohttp.ClientSession(auto_decompress=False) as session, opened(session) as transport:
        assert (await transport.send(get(wire.url))).body == b'{"x":1}'


async def test_connection_refused(leaks) -> None:
    """Without a listener nothing was sent; the message has the address and what to check."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/call?key=hidden"
        async with opened() as transport:
            error = await fail(post(url), transport, leaks)

    assert isinstance(error, ConnectError)
    assert "/call)" in str(error)
    assert "hidden" not in str(error)


async def test_no_such_host(leaks, monkeypatch) -> None:
    """An unknown host name is a connection that was never made."""

    async def resolve(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    async with opened() as transport:
        assert isinstance(await fail(post("http://nowhere.invalid/x"), transport, leaks), ConnectError)


@pytest.mark.parametrize("url", ["http://", "no url", "http://127.0.0.1:99999/"])
async def test_no_url(leaks, url) -> None:
    """An invalid address is a connection that was never made."""
    async with opened() as transport:
        assert isinstance(await fail(post(url), transport, leaks), ConnectError)


async def reset_after_reading(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.transport.abort()


async def close_after_reading(wire, reader, writer) -> None:
    await wire.read(reader)


async def close_within_the_head(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-")


async def close_within_the_body(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")


async def close_within_a_chunk(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{")


async def speak_no_http(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"220 smtp.test ESMTP ready\r\n\r\n")


async def send_bad_gzip(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(http(b"this is not gzip", "200 OK", "Content-Encoding: gzip"))


async def send_bad_chunks(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")


async def send_endless_headers(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nX: " + b"a" * 100_000 + b"\r\n\r\n")


@pytest.mark.parametrize(
    "handler",
    [
        reset_after_reading,
        close_after_reading,
        close_within_the_head,
        close_within_the_body,
        close_within_a_chunk,
        speak_no_http,
        send_bad_gzip,
        send_bad_chunks,
        send_endless_headers,
    ],
)
async def test_broken_answer(listen, leaks, handler) -> None:
    """When the connection breaks, or the answer is not HTTP, the service may have seen the request, and saw it once."""
    wire = await listen(handler)
    async with opened() as transport:
        error = await fail(post(wire.url), transport, leaks)

    assert isinstance(error, ProtocolError)
    assert "may have seen the request" in str(error)
    assert len(wire.seen) == 1


@pytest.mark.parametrize("last", [reset_after_reading, close_after_reading])
async def test_post_on_a_kept_connection_is_not_resent(listen, leaks, last) -> None:
    """A POST that finds its kept connection gone is not sent again by itself: it could run twice."""

    async def handle(wire, reader, writer) -> None:
        await wire.read(reader)
        writer.write(http())
        await writer.drain()
        await last(wire, reader, writer)

    wire = await listen(handle)
    async with opened() as transport:
        await transport.send(post(wire.url))
        error = await fail(post(wire.url), transport, leaks)

    assert isinstance(error, ProtocolError)
    assert (wire.connections, len(wire.seen)) == (1, 2)


async def test_kept_connection_that_went_stale(listen) -> None:
    """A connection that the server closed while it was idle is replaced, and the request sent once."""

    async def handle(wire, reader, writer) -> None:
        await wire.read(reader)
        writer.write(http())

    wire = await listen(handle)
    async with opened() as transport:
        await transport.send(post(wire.url))
        while transport._session.connector._conns:
            await asyncio.sleep(0)
            if all(
                not proto.is_connected() for conns in transport._session.connector._conns.values() for proto, _ in conns
            ):
                break
        await transport.send(post(wire.url))

    assert (wire.connections, len(wire.seen)) == (2, 2)


async def never_answer(wire, reader, writer) -> None:
    await wire.read(reader)
    await asyncio.Event().wait()


async def drip(wire, reader, writer) -> None:
    await wire.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b".")
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("handler", [never_answer, drip])
async def test_no_answer_in_time(listen, leaks, handler) -> None:
    """The whole answer has to be there in time; one that trickles in for ever is none."""
    wire = await listen(handler)
    async with opened(timeout=0.05) as transport:
        error = await fail(post(wire.url), transport, leaks)
        assert isinstance(error, TransportTimeout)
        assert isinstance(error, TimeoutError)

    async with opened(timeout=60.0) as transport:
        assert isinstance(await fail(post(wire.url, timeout=0.05), transport, leaks), TransportTimeout)


async def test_no_connection_in_time(leaks) -> None:
    """A server that takes no connections has seen nothing of the request."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        port = deaf.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # the backlog is full from here on
            async with opened(connect_timeout=0.05) as transport:
                error = await fail(post(f"http://127.0.0.1:{port}"), transport, leaks)

    assert isinstance(error, ConnectError)


@pytest.mark.parametrize("packed", [False, True])
async def test_too_large(listen, leaks, packed) -> None:
    """An answer beyond the limit is given up on where the limit is passed, unpacked size counting: no bomb bursts."""
    body = bytes(5_000_000)
    sent = http(zlib.compress(body, wbits=31), "200 OK", "Content-Encoding: gzip") if packed else http(body)
    wire = await listen(answering(sent))
    async with opened(max_body=100_000) as transport:
        error = await fail(post(wire.url), transport, leaks)

    assert isinstance(error, ProtocolError)
    assert "larger than 100000 bytes" in str(error)


@pytest.mark.parametrize("packed", [False, True])
async def test_limit_of_a_request(listen, leaks, packed) -> None:
    """A request may have a limit of its own, which counts unpacked bytes; a larger answer is not worth another attempt."""
    body = bytes(300_000)
    sent = http(zlib.compress(body, wbits=31), "200 OK", "Content-Encoding: gzip") if packed else http(body)
    wire = await listen(answering(sent))
    async with opened() as transport:
        assert len((await transport.send(post(wire.url, max_answer=300_000))).body) == 300_000
        error = await fail(post(wire.url, max_answer=299_999), transport, leaks)

    assert isinstance(error, ProtocolError)
    assert not error.passing
    assert "larger than 299999 bytes" in str(error)


async def test_broken_answer_that_repeats_a_secret(listen) -> None:
    """An answer that is not HTTP is quoted without what was sent."""
    wire = await listen(answering(b"HTTP/9 s3cr3t-nonce s3cr3t-token\r\n\r\n"))
    async with opened() as transport:
        with pytest.raises(ProtocolError) as caught:
            await transport.send(post(wire.url, secrets=(Secret(TOKEN), Secret("s3cr3t-nonce"))))

    assert "s3cr3t" not in f"{caught.value!r}{vars(caught.value)}"


async def test_body_of_just_the_limit(listen) -> None:
    """An answer as large as the limit is read."""
    wire = await listen(answering(http(bytes(100_000))))
    async with opened(max_body=100_000) as transport:
        assert len((await transport.send(get(wire.url))).body) == 100_000


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "303 See", "307 Temporary", "308 Permanent"])
async def test_redirects_are_not_followed(listen, status) -> None:
    """Statement 22: a redirect is an answer; neither token nor body goes where it points."""
    elsewhere = await listen(answering(http()))
    wire = await listen(answering(http(b"", status, f"Location: {elsewhere.url}/steal")))
    async with opened() as transport:
        response = await transport.send(post(wire.url))

    assert response.status == int(status[:3])
    assert (elsewhere.connections, len(wire.seen)) == (0, 1)


def certificate(folder) -> ssl.SSLContext:
    """A server's side of TLS, with a self-signed certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    today = dt.datetime.now(dt.UTC)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "server.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + signed.public_bytes(serialization.Encoding.PEM)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


async def test_unknown_certificate(listen, leaks, tmp_path) -> None:
    """Statement 25: a server that we cannot trust gets not one byte of the request."""
    wire = await listen(answering(http()), tls=certificate(tmp_path))
    async with opened() as transport:
        error = await fail(post(wire.url), transport, leaks)

    assert isinstance(error, ConnectError)
    assert "certificate" in str(error)
    assert wire.seen == []


async def test_private_authority(listen, tmp_path) -> None:
    """Statement 25: a private authority is trusted through a session of the caller's with its own context."""
    wire = await listen(answering(http()), tls=certificate(tmp_path))
    trusting = aiohttp.TCPConnector(ssl=ssl.create_default_context(cafile=tmp_path / "server.pem"))
    async with aiohttp.ClientSession(connector=trusting) as session, opened(session) as transport:
        assert (await transport.send(post(wire.url))).status == 200


async def test_tls_where_there_is_none(listen, leaks) -> None:
    """Where the server speaks no TLS, it gets nothing of the request."""

    async def greet(wire, reader, writer) -> None:
        writer.write(b"220 smtp.test ESMTP ready\r\n")
        await reader.read()

    wire = await listen(greet)
    async with opened() as transport:
        error = await fail(post(wire.url.replace("http:", "https:")), transport, leaks)

    assert isinstance(error, ConnectError)


async def test_no_cookie_is_kept(listen) -> None:
    """Statement 27: what a server sets as a cookie never comes back to it, or to another."""
    wire = await listen(answering(http(b"{}", "200 OK", "Set-Cookie: track=1; Path=/")))
    async with opened() as transport:
        await transport.send(post(wire.url.replace("127.0.0.1", "localhost")))
        await transport.send(post(wire.url.replace("127.0.0.1", "localhost")))

    assert b"cookie" not in b"".join(wire.seen).lower()


async def test_environment_is_not_read(listen, tmp_path, monkeypatch) -> None:
    """Statement 26: neither proxies nor netrc entries of the environment change where and as whom a request goes."""
    proxy, wire = await listen(answering(http())), await listen(answering(http()))
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password stolen\n")
    monkeypatch.setenv("NETRC", str(netrc))
    monkeypatch.setenv("HTTP_PROXY", proxy.url)
    monkeypatch.setenv("http_proxy", proxy.url)
    async with opened() as transport:
        await transport.send(post(wire.url))

    assert f"Bearer {TOKEN}".encode() in wire.seen[0]
    assert proxy.connections == 0


async def test_own_session_stays_open(listen) -> None:
    """A session of the caller's is used as it is, and stays the caller's to close."""
    wire = await listen(answering(http()))
    async with aiohttp.ClientSession(headers={"x-mine": "1"}) as session:
        async with opened(session) as transport:
            await transport.send(post(wire.url))
        assert not session.closed

    assert b"x-mine: 1" in wire.seen[0].lower()


async def test_closed(leaks) -> None:
    """With a closed session, or before and after its own time, nothing is sent and the error says why."""
    session = aiohttp.ClientSession()
    await session.close()
    async with opened() as transport:
        pass

    for closed in (AiohttpTransport(session), transport, AiohttpTransport()):
        error = await fail(post("http://127.0.0.1:1"), closed, leaks)
        assert isinstance(error, ConnectError)
        assert "the connection pool is closed" in str(error)


async def test_session_closed_under_way(listen, leaks) -> None:
    """Closing the pool while a request is out ends that request with an error of ours."""
    wire = await listen(never_answer)
    async with opened() as transport:
        task = asyncio.ensure_future(fail(post(wire.url), transport, leaks))
        while not wire.seen:
            await asyncio.sleep(0.001)

    assert isinstance(await task, ProtocolError)


@pytest.mark.parametrize("handler", [never_answer, drip])
async def test_cancelled(listen, leaks, handler) -> None:
    """A request that is cut off leaves no connection behind, and no header in a traceback made of it."""
    wire = await listen(handler)
    async with opened() as transport:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(0.05):
                await transport.send(post(wire.url))

        assert len(wire.seen) == 1
        assert not transport._session.connector._acquired
    assert not leaks(caught.value)


async def test_header_that_cannot_be(listen, leaks) -> None:
    """A header value with a line break, as a token pasted badly has, goes nowhere and is not quoted."""
    wire = await listen(answering(http()))
    async with opened() as transport:
        await fail(post(wire.url, headers={"authorization": f"Bearer {TOKEN}\nX: 1"}), transport, leaks)

    assert wire.seen == []
