from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import socket

import pytest

from aiocdf.auth.oauth import loopback
from aiocdf.auth.oauth.loopback import Loopback
from aiocdf.errors import AuthError, OAuthError
from aiocdf.secret import Secret

CODE = Secret("c0de")


def read(query: str):
    """Take one query for the answer, and one for a refusal."""
    return {"good": CODE, "bad": OAuthError("no")}.get(query)


async def ask(listener: Loopback, head: str) -> str:
    """Send a request and return the whole answer; empty where the connection is closed without one."""
    port = int(listener.redirect_uri.rpartition(":")[2].partition("/")[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.encode("latin-1"))
    try:
        return (await reader.read()).decode()
    except ConnectionError:
        return ""
    finally:
        writer.close()


def get(target: str) -> str:
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@pytest.fixture
async def listener():
    async with Loopback("http://127.0.0.1/callback", read) as listener:
        yield listener


@pytest.mark.parametrize(("query", "says"), [("good", "All done here"), ("bad", "Not signed in")])
async def test_answer(listener, query, says) -> None:
    """The outcome is handed on, and the browser is told which of the two it is."""
    answer = await ask(listener, get(f"/callback?{query}"))

    assert answer.startswith("HTTP/1.1 200 OK\r\n")
    assert says in answer
    assert await listener.outcome == CODE or isinstance(listener.outcome.result(), OAuthError)


@pytest.mark.parametrize("query", ["good", "bad", "<script>alert(1)</script>"])
async def test_page_is_our_own(listener, query) -> None:
    """Statement 9: nothing of the query is in the page; it is kept by no cache, framed by nobody, and leads nowhere."""
    answer = await ask(listener, get(f"/callback?{query}"))
    head, _, page = answer.partition("\r\n\r\n")

    assert "script" not in page
    assert "http" not in page
    assert f"Content-Length: {len(page.encode())}" in head
    assert "Cache-Control: no-store" in head
    assert "Referrer-Policy: no-referrer" in head
    style = page.partition("<style>")[2].partition("</style>")[0]
    hashed = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert f"Content-Security-Policy: default-src 'none'; style-src 'sha256-{hashed}'" in head
    assert "$" not in page
    assert "Location" not in head


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (get("/callback?other"), "400 Bad Request"),
        (get("/callback"), "400 Bad Request"),
        (get("/"), "404 Not Found"),
        (get("/callback/?good"), "404 Not Found"),
        (get("/CALLBACK?good"), "404 Not Found"),
        (get("//callback?good"), "404 Not Found"),
        (get("http://127.0.0.1/callback?good"), "404 Not Found"),
        ("POST /callback?good HTTP/1.1\r\nContent-Length: 0\r\n\r\n", "405 Method Not Allowed"),
        ("HEAD /callback?good HTTP/1.1\r\n\r\n", "405 Method Not Allowed"),
        ("\r\n\r\n", "404 Not Found"),
        ("\xff\xfe \x00\r\n\r\n", "404 Not Found"),
    ],
)
async def test_strangers(listener, head, status) -> None:
    """Statements 3 and 8: only GET on the exact path with our own state counts, and the true answer may still come."""
    assert (await ask(listener, head)).startswith(f"HTTP/1.1 {status}\r\n")
    assert not listener.outcome.done()

    await ask(listener, get("/callback?good"))
    assert await listener.outcome == CODE


async def test_long_head(listener) -> None:
    """Statement 8: a head of more than 16 KiB is not read to its end."""
    assert await ask(listener, f"GET /callback?good HTTP/1.1\r\nX: {'x' * 20_000}\r\n\r\n") == ""
    assert not listener.outcome.done()


async def test_slow_head(listener, monkeypatch) -> None:
    """Statement 8: who does not come out with a request is hung up on."""
    monkeypatch.setattr("aiocdf.auth.oauth.loopback._PATIENCE", 0.05)

    assert await ask(listener, "GET /callback?good HTTP/1.1\r\n") == ""
    assert not listener.outcome.done()


async def test_spare_connections(listener) -> None:
    """Statement 8: a hundred connections that say nothing keep nobody waiting, and end with the listener."""
    port = int(listener.redirect_uri.split(":")[2].partition("/")[0])
    spare = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]

    await ask(listener, get("/callback?good"))
    assert await listener.outcome == CODE
    await listener.__aexit__(None, None, None)
    assert [await reader.read() for reader, _ in spare] == [b""] * 100
    for _, writer in spare:
        writer.close()


async def test_second_answer(listener) -> None:
    """A page that is loaded again changes nothing."""
    for query in ("good", "bad"):
        await ask(listener, get(f"/callback?{query}"))

    assert await listener.outcome == CODE


async def test_browser_that_left(listener) -> None:
    """The answer counts also where the browser does not stay for ours."""
    port = int(listener.redirect_uri.split(":")[2].partition("/")[0])
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(get("/callback?good").encode())
    writer.transport.abort()
    writer2 = (await asyncio.open_connection("127.0.0.1", port))[1]
    writer2.write(get("/callback?good").encode())
    await writer2.drain()

    assert await listener.outcome == CODE
    writer2.close()


async def test_where_it_listens(listener) -> None:
    """Statement 7: on 127.0.0.1 and no other address, at a free port, which is part of the redirect address."""
    ((host, port),) = addresses(listener)

    assert host == "127.0.0.1"
    assert listener.redirect_uri == f"http://127.0.0.1:{port}/callback"


def addresses(listener: Loopback) -> list[tuple[str, int]]:
    """Where it listens."""
    return [one.getsockname()[:2] for server in listener._servers for one in server.sockets]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return free.getsockname()[1]


@pytest.mark.parametrize(("host", "at"), [("localhost", ["127.0.0.1", "::1"]), ("[::1]", ["::1"])])
async def test_other_hosts(host, at) -> None:
    """Statements 7 and 10: a registered address is used byte for byte; `localhost` is an address of either family."""
    port = free_port()
    async with Loopback(f"http://{host}:{port}", read) as listener:
        assert listener.redirect_uri == f"http://{host}:{port}"
        assert addresses(listener) == [(address, port) for address in at]


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
async def test_localhost_in_either_family(family) -> None:
    """A browser that takes localhost for either of its addresses brings the answer, at one free port of both."""
    async with Loopback("http://localhost/callback", read) as listener:
        (_, port), _ = addresses(listener)
        assert listener.redirect_uri == f"http://localhost:{port}/callback"
        reader, writer = await asyncio.open_connection(family, port)
        writer.write(get("/callback?good").encode())
        assert b"All done here" in await reader.read()
        writer.close()

        assert await listener.outcome == CODE
    for address in ("127.0.0.1", "::1"):
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(address, port)


@pytest.mark.parametrize(
    ("missing", "trouble", "left"),
    [
        ("::1", errno.EADDRNOTAVAIL, "127.0.0.1"),
        ("::1", errno.EAFNOSUPPORT, "127.0.0.1"),
        ("127.0.0.1", errno.EADDRNOTAVAIL, "::1"),
    ],
)
async def test_localhost_in_one_family(missing, trouble, left, monkeypatch) -> None:
    """Where a computer has one of the families only, that is enough."""
    bound = loopback._bound

    def refuse(address: str, port: int) -> socket.socket:
        if address == missing:
            raise OSError(trouble, "not here")
        return bound(address, port)

    monkeypatch.setattr(loopback, "_bound", refuse)
    async with Loopback("http://localhost", read) as listener:
        assert [address for address, _ in addresses(listener)] == [left]


@pytest.mark.parametrize("family", ["127.0.0.1", "::1"])
async def test_port_of_localhost_that_is_taken(family) -> None:
    """Another program at one of the two addresses could get the answer, so that the sign-in is refused."""
    kind = socket.AF_INET6 if ":" in family else socket.AF_INET
    with socket.create_server((family, 0), family=kind) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(AuthError, match="Another sign-in may be under way"):
            async with Loopback(f"http://localhost:{port}", read):
                pass


async def test_free_port_of_both_families(monkeypatch) -> None:
    """A free port that is taken at the other address is not used; after a few of them it is an error."""
    bound, tried = loopback._bound, []

    def refuse(address: str, port: int) -> socket.socket:
        tried.append(address)
        if address == "::1" and (always or len(tried) < 5):
            raise OSError(errno.EADDRINUSE, "taken")
        return bound(address, port)

    monkeypatch.setattr(loopback, "_bound", refuse)
    always = False
    async with Loopback("http://localhost", read) as listener:
        assert len(addresses(listener)) == 2
    assert len(tried) == 6
    always = True
    with pytest.raises(AuthError):
        async with Loopback("http://localhost", read):
            pass


async def test_root_path() -> None:
    """An address without a path is answered where browsers go then."""
    async with Loopback("http://127.0.0.1", read) as listener:
        await ask(listener, get("/?good"))

        assert await listener.outcome == CODE


async def test_port_that_is_taken(listener) -> None:
    """Where somebody else listens, the error says so and what may be the reason."""
    with pytest.raises(AuthError, match="Another sign-in may be under way"):
        async with Loopback(listener.redirect_uri, read):
            pass


async def test_nothing_listens_on(listener) -> None:
    """Statement 7: when it is left, nothing listens."""
    await listener.__aexit__(None, None, None)

    port = int(listener.redirect_uri.split(":")[2].partition("/")[0])
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)
