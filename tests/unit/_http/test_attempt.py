"""What proves that no byte of a request left, and what does not."""

from __future__ import annotations

import asyncio
import time

import aiohttp
import pytest

from aiocdf._http.transport import AiohttpTransport
from aiocdf._wire.http import Request
from aiocdf.errors import ConnectError, ProtocolError, TransportTimeout

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


def post(url, **fields):
    return Request(**{"name": "call", "method": "POST", "url": url, "body": b"{}", "repeatable": False} | fields)


async def answer_once(wire, reader, writer):
    await wire.read(reader)
    writer.write(ANSWER)


async def answer_always(wire, reader, writer):
    while await wire.read(reader):
        writer.write(ANSWER)


@pytest.fixture
async def transport():
    transport = AiohttpTransport(timeout=5)
    await transport.open()
    yield transport
    await transport.aclose()


async def test_end_that_the_loop_has_not_seen(listen, transport):
    """A kept connection whose end waits to be read is not written to, however busy the loop was."""
    wire = await listen(answer_once)
    await transport.send(post(wire.url))
    (kept,) = transport._session.connector._conns.values()
    kept[0][0].transport.pause_reading()  # as if the loop had no turn since
    await asyncio.sleep(0.05)
    assert kept[0][0].is_connected()

    await transport.send(post(wire.url))

    assert (wire.connections, len(wire.seen)) == (2, 2)


async def test_end_between_choice_and_write(listen, transport, monkeypatch):
    """A connection that ends between its choice and the write is replaced at once."""
    wire = await listen(answer_always)
    await transport.send(post(wire.url))
    write_headers = aiohttp.http.StreamWriter.write_headers

    async def close_first(writer, *arguments):
        if wire.connections == 1:
            writer.transport.close()
        await write_headers(writer, *arguments)

    monkeypatch.setattr(aiohttp.http.StreamWriter, "write_headers", close_first)
    await transport.send(post(wire.url))

    assert (wire.connections, len(wire.seen)) == (2, 2)


async def test_every_connection_ends(listen, transport, monkeypatch):
    """Where each connection ends before the write, the request is given up as not sent."""
    wire = await listen(answer_always)

    async def close_first(writer, *_):
        writer.transport.close()
        writer._headers_buf = b"x"

    monkeypatch.setattr(aiohttp.http.StreamWriter, "write_headers", close_first)
    with pytest.raises(ConnectError) as caught:
        await transport.send(post(wire.url))

    assert caught.value.passing
    assert wire.seen == []


async def test_host_that_closes_soon(listen, transport):
    """To a host that closes connections right after an answer, what must not be repeated goes on new ones."""

    async def close_on_the_second(wire, reader, writer):
        await wire.read(reader)
        writer.write(ANSWER)
        await wire.read(reader)

    wire = await listen(close_on_the_second)
    await transport.send(post(wire.url))
    with pytest.raises(ProtocolError):
        await transport.send(post(wire.url))  # this one was written, so it is in doubt
    for _ in range(3):
        await transport.send(post(wire.url))
    assert wire.connections == 4

    with pytest.raises(ProtocolError):
        await transport.send(post(wire.url, repeatable=True))
    assert wire.connections == 4


async def test_written_request_that_times_out(listen, transport):
    """The time for the answer counts from the write, and what was written is in doubt."""

    async def never(wire, reader, writer):
        await wire.read(reader)
        await asyncio.Event().wait()

    wire = await listen(never)
    with pytest.raises(TransportTimeout):
        await transport.send(post(wire.url, timeout=0.05))


async def test_wait_for_the_pool(listen):
    """A request that waited too long for a connection is not sent, and one that got it late has its whole time."""

    async def slowly(wire, reader, writer):
        while await wire.read(reader):
            await asyncio.sleep(0.2)
            writer.write(ANSWER)

    wire = await listen(slowly)
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        transport = AiohttpTransport(session)
        began = time.monotonic()
        sent = [transport.send(post(wire.url, timeout=0.3)) for _ in range(3)]
        first, second, third = await asyncio.gather(*sent, return_exceptions=True)

    assert (first.status, second.status) == (200, 200)
    assert isinstance(third, ConnectError)
    assert third.passing
    assert time.monotonic() - began < 5
    assert len(wire.seen) == 2


@pytest.mark.parametrize(
    "fields",
    [
        {"headers": {"x": "a\nb"}},
        {"headers": {"x": 5}},
        {"headers": {"authorization": "Bearer s3cr3t\n"}},
        {"method": "PO ST\n"},
        {"url": "http://127.0.0.1:99999/"},
        {"url": "ftp://127.0.0.1/"},
        {"url": "http://a..b/"},
    ],
    ids=str,
)
async def test_what_aiohttp_refuses(listen, transport, fields):
    """What aiohttp refuses to send was not sent, and does not heal by itself."""
    wire = await listen(answer_always)
    with pytest.raises(ConnectError) as caught:
        await transport.send(post(**{"url": wire.url} | fields))

    assert wire.seen == []
    assert "s3cr3t" not in str(caught.value)
    assert not caught.value.passing


class Own(aiohttp.ClientRequest):
    """A kind of request that writes more than the body."""


async def test_own_kind_of_request(listen):
    """With a session's own kind of request, nothing is proved once it has a connection."""

    async def hook(*_):
        raise ConnectionResetError("of the hook")

    trace = aiohttp.TraceConfig()
    trace.on_request_headers_sent.append(hook)
    wire = await listen(answer_always)
    for kind, error in ((Own, ProtocolError), (aiohttp.ClientRequest, ConnectError)):
        async with aiohttp.ClientSession(request_class=kind, trace_configs=[trace]) as session:
            with pytest.raises(error):
                await AiohttpTransport(session).send(post(wire.url))


async def test_session_that_is_a_fake():
    """A session that raises before it requests a connection proves nothing."""

    class Fake:
        closed = False

        def request(self, *_, **__):
            raise aiohttp.ServerDisconnectedError

    with pytest.raises(ProtocolError):
        await AiohttpTransport(Fake()).send(post("http://127.0.0.1:1/"))
