"""The host names of the server: a page of another site has no access with a name that resolves to this machine."""

from __future__ import annotations

import asyncio
import errno
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest

from aiocdf.errors import ConfigError
from aiocdf.local import serve

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVIL = [
    "evil.example",
    "evil.example:{port}",
    "localhost.evil.example:{port}",
    "127.0.0.1.evil.example",
    "127.0.0.1@evil",
]


async def ask(server, head: str) -> tuple[int, str]:
    """Send a raw request, and return status and text of the response."""
    port = urlsplit(server.url).port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(head.format(port=port).replace("\n", "\r\n").encode() + b"\r\nConnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    await writer.wait_closed()
    return int(answer.split()[1]), answer


@pytest.mark.parametrize("host", EVIL)
@pytest.mark.parametrize(
    "line",
    [
        "GET /oauth2/authorize",
        "GET /oauth2/device",
        "POST /oauth2/token",
        "GET /.well-known/openid-configuration",
        "GET /api/v1/projects/local/functions",
        "GET /nothing",
    ],
)
async def test_foreign_name(server, line, host):
    """DNS rebinding: a foreign name is rejected at each endpoint, and the error says how to allow it."""
    status, answer = await ask(server, f"{line} HTTP/1.1\nHost: {host}")
    assert 421 == status
    assert "allowed_hosts" in answer
    assert "x-request-id" in answer


async def test_rebound_sign_in(app):
    """A page at a rebound name, which a browser treats as the form's origin, is not able to send the form."""
    host = f"evil.example:{urlsplit(app.server.url).port}"
    for headers in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": f"http://{host}"}):
        answer = await app.submit(app.ask(), headers={"Host": host, **headers})
        assert (421, False) == (answer.status, "Location" in answer.headers)


async def test_rebound_api(api):
    """A valid token does not help at a foreign name."""
    assert 421 == (await api.get("/functions", headers={"Host": "evil.example"})).status


@pytest.mark.parametrize(
    "head", ["GET /nothing HTTP/1.0", "GET /nothing HTTP/1.1\nHost:", "GET /nothing HTTP/1.1\nHost: a b"]
)
async def test_no_name(server, head):
    """A request without a valid host is rejected."""
    status, _ = await ask(server, head)
    assert status in {400, 421}


@pytest.mark.parametrize(
    "host", ["127.0.0.1:{port}", "localhost:{port}", "LOCALHOST:{port}", "[::1]:{port}", "127.0.0.1", "localhost:1"]
)
async def test_own_names(server, host):
    """All loopback names reach the server, at any port of a tunnel."""
    status, _ = await ask(server, f"GET /nothing HTTP/1.1\nHost: {host}")
    assert 404 == status


async def test_other_address(server):
    """A server that listens on loopback is not reachable at other addresses."""
    status, _ = await ask(server, "GET /nothing HTTP/1.1\nHost: 192.0.2.1")
    assert 421 == status


async def test_all_interfaces(root):
    """A server that listens on all addresses is reachable at each address and at the allowed names."""
    async with serve(root, host="0.0.0.0", open_to_others=True, allowed_hosts=["Functions.Example"]) as server:
        for host, status in {
            "192.0.2.1:80": 404,
            "[2001:db8::1]": 404,
            "functions.example": 404,
            "evil.example": 421,
        }.items():
            assert (status, host) == ((await ask(server, f"GET /nothing HTTP/1.1\nHost: {host}"))[0], host)


@pytest.mark.parametrize("allowed", ["name.example", [""], ["http://name.example"], ["name.example:80"], ["*"], [1]])
def test_names_that_are_not_valid(root, allowed):
    """A value that is not a list of host names is rejected immediately."""
    with pytest.raises(ConfigError, match="allowed_hosts"):
        serve(root, allowed_hosts=allowed)


async def test_both_families(root):
    """For `localhost`, the server listens on one port of both loopback addresses, if the machine has both."""
    async with serve(root, host="localhost") as server, aiohttp.ClientSession() as session:
        port = urlsplit(server.url).port
        assert server.url == f"http://localhost:{port}"
        for host in ("127.0.0.1", "[::1]") if socket.has_dualstack_ipv6() else ("127.0.0.1",):
            async with session.get(f"http://{host}:{port}/nothing") as response:
                assert 404 == response.status


async def test_one_family(root, monkeypatch):
    """A machine without IPv6 serves `localhost` with IPv4 only."""
    create = socket.create_server

    def without_ipv6(address, *, family):
        if family == socket.AF_INET6:
            raise OSError(errno.EADDRNOTAVAIL, "Cannot assign requested address")
        return create(address, family=family)

    monkeypatch.setattr(socket, "create_server", without_ipv6)
    async with serve(root, host="localhost") as server:
        assert 404 == (await ask(server, "GET /nothing HTTP/1.1\nHost: localhost:{port}"))[0]


async def test_port_in_use_on_one_address(root):
    """A port in use on one of the two addresses is rejected, because clients could reach the other program."""
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 on this machine")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port}.*another port"):
            await serve(root, host="localhost", port=port).start()
        with socket.create_server(("127.0.0.1", port)):
            pass


async def test_free_port_of_both(root, monkeypatch):
    """A free port that is in use on the other address is replaced by another port."""
    create, refused = socket.create_server, []

    def taken_once(address, *, family):
        if family == socket.AF_INET6 and not refused:
            refused.append(address[1])
            raise OSError(errno.EADDRINUSE, "Address already in use")
        return create(address, family=family) if family == socket.AF_INET else create(("127.0.0.1", 0))

    monkeypatch.setattr(socket, "create_server", taken_once)
    async with serve(root, host="localhost") as server:
        assert urlsplit(server.url).port not in refused


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "2001:db8::1", "some.example"])
async def test_other_machines(root, host):
    """An address that other machines can reach is rejected, unless it is allowed."""
    with pytest.raises(ConfigError, match="other machines"):
        serve(root, host=host)
    serve(root, host=host, open_to_others=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost", "LocalHost"])
async def test_loopback(root, host):
    """Loopback addresses are always allowed."""
    serve(root, host=host)
