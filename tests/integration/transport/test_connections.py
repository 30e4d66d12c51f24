from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import textwrap

import aiohttp
import pytest

from aiocdf import BearerToken, Client, ConnectError, InvalidArgument, Settings, WrongState


def client(url, *, session=None, **settings):
    return Client(
        "acme", credentials=BearerToken("s3cr3t"), base_url=url, settings=Settings(**settings), session=session
    )


async def outcomes(client, count):
    """Make calls in ten sequences; return their errors."""
    errors = []

    async def sequence(first):
        for x in range(first, count, 10):
            try:
                await client.call(1, {"x": x})
            except Exception as error:  # noqa: BLE001 - the test shows what it was
                errors.append(error)

    async with client:
        await asyncio.gather(*map(sequence, range(10)))
    return errors


@pytest.mark.parametrize("how", [{"closes_after": 1}, {"closes_after": 2}, {"keeps": 0.1}], ids=str)
@pytest.mark.parametrize("burst", [True, False], ids=["burst", "sequences"])
async def test_server_that_closes_kept_connections(serve, how, burst):
    """Beside a server that closes connections without a word, no more than a few calls are in doubt, and none runs twice."""
    service = serve(**how)
    if burst:
        async with client(service.url) as opened:
            calls = [opened.call(1, {"x": x}) for x in range(150)]
            errors = [end for end in await asyncio.gather(*calls, return_exceptions=True) if isinstance(end, Exception)]
    else:
        errors = await outcomes(client(service.url), 150)

    assert len(errors) <= 5, errors[0]
    assert not any("closing transport" in str(error) for error in errors)
    assert max(service.started.values()) == 1


async def test_wait_for_a_connection_of_the_pool(serve):
    """A call whose POST waited too long for a connection was not sent, so it is sent again."""
    service = serve(delay=0.3)
    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session,
        client(service.url, session=session, request_timeout=0.5) as opened,
    ):
        ends = await asyncio.gather(*(opened.call(1, {"x": x}) for x in range(8)), return_exceptions=True)

    assert [end for end in ends if isinstance(end, Exception)] == []
    assert service.started == dict.fromkeys(range(8), 1)


async def test_large_header(serve):
    """The 12 kB header of a gateway does not lose the id of a call that runs."""
    service = serve(headers=f"Content-Security-Policy: {'a' * 12_000}\r\n")
    async with client(service.url) as opened:
        assert (await opened.call(1, {"x": 1})).status == "Completed"


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
async def test_localhost(serve, host):
    """`localhost` is both loopback addresses, whichever the server listens on."""
    service = serve(host=host)
    async with client(f"http://localhost:{service.port}") as opened:
        assert (await opened.call(1, {"x": 1})).status == "Completed"


DEFAULTS = {
    "auth": {"auth": ("user", "password")},
    "authorization": {"headers": {"Authorization": "Basic another"}},
    "cookies": {"cookies": {"a": "b"}},
    "compressed answers": {"auto_decompress": False},
    "errors that raise": {"raise_for_status": True},
    "HTTP/1.0": {"version": aiohttp.HttpVersion10},
    "another address": {"base_url": "http://127.0.0.1:1/"},
    "no time": {"timeout": aiohttp.ClientTimeout(total=1e-9, connect=1e-9, sock_read=1e-9)},
    "small buffers": {"read_bufsize": 16, "max_line_size": 50, "max_field_size": 50},
    "no automatic headers": {"skip_auto_headers": ["Content-Type", "User-Agent", "Accept-Encoding"]},
    "environment and netrc": {"trust_env": True},
}


@pytest.mark.filterwarnings("ignore:(The 'auth' parameter|BasicAuth) is deprecated:DeprecationWarning")
@pytest.mark.parametrize("defaults", DEFAULTS.values(), ids=DEFAULTS)
async def test_session_with_defaults(serve, tmp_path, monkeypatch, defaults):
    """A call works on a session of the caller's, whatever it is for; its own access stays with it."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password hidden\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    service = serve()
    if "auth" in defaults:
        defaults = {"auth": aiohttp.BasicAuth(*defaults["auth"])}
    async with aiohttp.ClientSession(**defaults) as session, client(service.url, session=session) as opened:
        await opened.call(1, {"x": 1})

    access = {
        line
        for head in service.heads
        for line in head.lower().splitlines()
        if line.startswith(("authorization", "cookie"))
    }
    assert access == {"authorization: bearer s3cr3t"}


async def test_middleware_of_the_session(serve):
    """What a session does to its own requests, such as sending them again, it does not do to the client's."""
    service = serve()

    async def twice(request, handler):
        await handler(request)
        return await handler(request)

    async with (
        aiohttp.ClientSession(middlewares=(twice,)) as session,
        client(service.url, session=session) as opened,
    ):
        await opened.call(1, {"x": 1})

    assert service.started == {1: 1}


async def test_session_that_raises_in_a_hook(serve):
    """What a hook of the session raises is an error of ours, and at once where nothing was sent."""

    async def hook(*_):
        raise LookupError("of the hook")

    trace = aiohttp.TraceConfig()
    trace.on_connection_create_start.append(hook)
    trace.on_connection_reuseconn.append(hook)
    async with (
        aiohttp.ClientSession(trace_configs=[trace]) as session,
        client(serve().url, session=session) as opened,
    ):
        with pytest.raises(ConnectError, match="of the hook"):
            await opened.call(1, {"x": 1})


@pytest.mark.parametrize("name", ["content-length", "Expect", "Transfer-Encoding", "Content-Encoding", "host"])
async def test_session_whose_headers_break_requests(name):
    """A session with default headers of one request is refused when the client is made."""
    async with aiohttp.ClientSession(headers={name: "1"}) as session:
        with pytest.raises(InvalidArgument, match=f"(?i){name}"):
            client("http://127.0.0.1:1", session=session)


async def test_session_of_another_loop():
    """A session of another event loop is refused when the client starts."""

    async def make():
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector())

    loop = asyncio.new_event_loop()
    session = await asyncio.to_thread(loop.run_until_complete, make())
    with pytest.raises(WrongState, match="another event loop"):
        await client("http://127.0.0.1:1", session=session).start()
    await asyncio.to_thread(loop.run_until_complete, session.close())
    loop.close()


@pytest.mark.parametrize("when", ["before", "while they wait for a connection"])
async def test_closed_session(serve, when):
    """A session that is closed ends calls that were not sent, at once, and says why."""
    service = serve(delay=0.3)
    session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1))
    async with client(service.url, session=session) as opened:
        if when == "before":
            await session.close()
        calls = [opened.call(1, {"x": x}) for x in range(4)]
        while when != "before" and not service.heads:
            await asyncio.sleep(0.01)
        await session.close()
        async with asyncio.timeout(5):
            ends = await asyncio.gather(*calls, return_exceptions=True)

    assert {type(end) for end in ends} == {ConnectError}
    assert all("pool is closed" in str(end) for end in ends)


async def test_no_server():
    """On loopback, the error asks whether the local server runs; of http it says nothing about TLS."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        async with client(url, connect_patience=0.1) as opened:
            with pytest.raises(ConnectError, match="aiocdf serve") as caught:
                await opened.call(1)

    assert "ssl" not in str(caught.value)


def run(program):
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True
    ).stderr


NEVER_CLOSED = """
    import asyncio, aiohttp, aiocdf, socket

    async def main():
        server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
        url = "http://127.0.0.1:%d" % server.sockets[0].getsockname()[1]
        session = {session}
        client = aiocdf.Client("acme", credentials=aiocdf.BearerToken("t"), base_url=url, session=session)
        await client.start()
        await asyncio.sleep(0.1)
        server.close()
        if session:
            await session.close()

    asyncio.run(main())
"""


@pytest.mark.parametrize("session", ["None", "aiohttp.ClientSession()"])
def test_never_closed(session):
    """A client that was never closed says so itself, and the HTTP library says nothing."""
    told = run(NEVER_CLOSED.format(session=session))

    assert "ResourceWarning: <Client of project acme at " in told
    assert told.count("was never closed") == 2  # a warning, and a line in the log
    assert "Unclosed" not in told
    assert "Traceback" not in told


DROPPED = """
    import asyncio, gc, aiocdf
    from aiohttp import web

    async def main():
        app = web.Application()
        app.router.add_get("/{path:.*}", lambda _: web.json_response({"subject": "me"}))
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        url = "http://127.0.0.1:%d" % site._server.sockets[0].getsockname()[1]
        client = aiocdf.Client("acme", credentials=aiocdf.BearerToken("t"), base_url=url)
        await client.start()
        await client.tokens.inspect()
        del client
        gc.collect()
        await asyncio.sleep(0.1)
        await runner.cleanup()

    asyncio.run(main())
"""


def test_dropped():
    """The same when the last reference to a client goes while the loop runs on, and a connection is open."""
    told = run(DROPPED)

    assert told.count("was never closed") == 2
    assert "Unclosed" not in told
    assert "Traceback" not in told
