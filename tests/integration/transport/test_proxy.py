from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import traceback

import pytest

from aiocdf import BearerToken, Client, ClientCredentials, ConfigError, ConnectError, Settings

CALL = {"x": 1}


@pytest.fixture(scope="module")
def proxy(tmp_path_factory):
    """Where a proxy listens that wants user name and password."""
    folder = tmp_path_factory.mktemp("proxy")
    port = folder / "port"
    options = {
        "hostname": "127.0.0.1",
        "port": 0,
        "num-workers": 1,
        "num-acceptors": 1,
        "basic-auth": "user:pa:ss/w@rd",
    }
    options |= {"port-file": port, "data-dir": folder, "log-level": "CRITICAL"}
    arguments = [text for name, value in options.items() for text in (f"--{name}", str(value))]
    process = subprocess.Popen(
        [sys.executable, "-m", "proxy", *arguments], start_new_session=True, env=os.environ | {"HOME": str(folder)}
    )
    until = time.monotonic() + 30
    while not (port.exists() and port.read_text().strip()):
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.05)
    yield f"127.0.0.1:{port.read_text().strip()}"
    process.terminate()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(10)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def client(url, *, session=None, credentials=None, **settings):
    credentials = credentials or BearerToken("s3cr3t")
    return Client("acme", credentials=credentials, base_url=url, settings=Settings(**settings), session=session)


def tunnels(service, proxy_address):
    """Whether a service's connections come through the proxy: then it is not this process that made them."""
    return bool(service.connections) and proxy_address


async def fails(client):
    """Return the error of a call, and all that a report with local variables would show of it."""
    async with client:
        with pytest.raises(ConnectError) as caught:
            await client.call(1, CALL)
    return caught.value, "".join(
        traceback.TracebackException.from_exception(caught.value, capture_locals=True).format()
    )


@pytest.mark.parametrize("name", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
async def test_call_through_a_proxy(serve, authority, proxy, monkeypatch, name):
    """With `trust_env`, requests go through the proxy that the environment names, with user name and password from there."""
    monkeypatch.setenv(name, f"http://user:pa%3Ass%2Fw%40rd@{proxy}")
    service = serve(tls=authority.tls)
    async with client(service.url, trust_env=True, ca_file=authority.file) as opened:
        await opened.call(1, CALL)

    assert service.started == {1: 1}
    assert not any("proxy-authorization" in head.lower() for head in service.heads)


async def test_wrong_password(serve, authority, proxy, monkeypatch):
    """A proxy that refuses the password ends a call at once; nothing was sent, and no password stands in the error."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:wr0ng-pa55@{proxy}")
    service = serve(tls=authority.tls)
    error, report = await fails(client(service.url, trust_env=True, ca_file=authority.file))

    assert not error.passing
    assert "407" in str(error)
    assert "wr0ng" not in report
    assert service.connections == 0


async def test_password_of_a_session_of_the_callers(serve, authority, proxy):
    """Nor does the password of a session's own proxy."""
    import aiohttp

    service = serve(tls=authority.tls)
    async with aiohttp.ClientSession(proxy=f"http://user:wr0ng-pa55@{proxy}") as session:
        error, report = await fails(client(service.url, session=session, ca_file=authority.file))

    assert not error.passing
    assert "407" in str(error)
    assert "wr0ng" not in report


async def test_refused_behind_the_proxy(authority, proxy, monkeypatch):
    """A service that the proxy cannot reach is a connection that was not made, which may pass."""
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:pa%3Ass%2Fw%40rd@{proxy}")
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{nobody.getsockname()[1]}"
        error, report = await fails(client(url, trust_env=True, ca_file=authority.file, connect_patience=0.1))

    assert error.passing
    assert proxy in str(error)
    assert "pa:ss" not in report


async def test_no_proxy_there(authority, monkeypatch):
    """A proxy that does not listen is named, without its password."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"127.0.0.1:{nobody.getsockname()[1]}"
        monkeypatch.setenv("HTTPS_PROXY", f"http://user:wr0ng-pa55@{proxy}")
        error, report = await fails(client("https://cdf.test", trust_env=True, connect_patience=0.1))

    assert error.passing
    assert f"http://{proxy}" in str(error)
    assert "wr0ng" not in report


async def test_no_proxy_variable(serve, authority, monkeypatch):
    """NO_PROXY names hosts that are reached without the proxy."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "example.com,127.0.0.1")
    service = serve(tls=authority.tls)
    async with client(service.url, trust_env=True, ca_file=authority.file) as opened:
        await opened.call(1, CALL)


async def test_plain_http_goes_through_no_proxy(serve, monkeypatch):
    """A token for a loopback address is never sent to a proxy in the clear, also not by a session that would."""
    import aiohttp

    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    service = serve()
    async with client(service.url, trust_env=True) as opened:
        await opened.call(1, CALL)
    async with aiohttp.ClientSession(trust_env=True) as session, client(service.url, session=session) as opened:
        await opened.call(1, CALL)


async def test_from_the_environment(serve, authority, proxy, monkeypatch):
    """Variables switch both on for clients that are made from the environment, and for their identity provider."""
    service = serve(tls=authority.tls)
    variables = {"CDF_PROJECT": "acme", "CDF_URL": service.url, "CDF_TOKEN": "t", "AIOCDF_TRUST_ENV": "1"}
    variables |= {"AIOCDF_CA_FILE": str(authority.file), "HTTPS_PROXY": f"http://user:pa%3Ass%2Fw%40rd@{proxy}"}
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    async with Client.from_env() as opened:
        await opened.call(1, CALL)
    monkeypatch.setenv("HTTPS_PROXY", f"http://user:wr0ng-pa55@{proxy}")
    token_url = f"{service.url}/token"
    given = ClientCredentials(token_url=token_url, client_id="me", client_secret="s", scopes="a")
    async with Client.from_env(credentials=given) as opened:
        with pytest.raises(Exception, match=r"token.* 407") as caught:
            await opened.login()

    assert "wr0ng" not in str(caught.value)


async def test_proxy_that_is_not_used(monkeypatch):
    """Where the environment names a proxy and a connection fails without it, the error says how to use it."""
    monkeypatch.setenv("HTTPS_PROXY", "http://user:wr0ng-pa55@127.0.0.1:1")

    async def unknown(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", unknown)
    error, report = await fails(client("https://cdf.test", connect_patience=0.1))

    assert "HTTPS_PROXY is set but not used" in str(error)
    assert "AIOCDF_TRUST_ENV=1" in str(error)
    assert "wr0ng" not in report


@pytest.mark.parametrize("value", ["socks5://127.0.0.1:1", "http://u:wr0ng#pa55@h:1", "http://", "http://h:0"])
async def test_unusable_proxy(monkeypatch, value):
    """A proxy of another kind, or an address that cannot be read, stops the start of the client, unquoted."""
    monkeypatch.setenv("HTTPS_PROXY", value)
    with pytest.raises(ConfigError, match="HTTPS_PROXY") as caught:
        await client("https://cdf.test", trust_env=True).start()

    assert "wr0ng" not in str(caught.value)


async def test_authority(serve, authority):
    """A private authority is trusted where its file is given, and only there; the error without it says how."""
    service = serve(tls=authority.tls)
    error, _ = await fails(client(service.url))
    assert not error.passing
    assert "AIOCDF_CA_FILE" in str(error)

    async with client(service.url, ca_file=str(authority.file)) as opened:
        await opened.call(1, CALL)


def test_system_variable(serve, authority):
    """SSL_CERT_FILE, which Python's TLS reads by itself, takes the place of the system's authorities."""
    service = serve(tls=authority.tls)
    program = f"""
import asyncio, aiocdf
async def main():
    async with aiocdf.Client("acme", credentials=aiocdf.BearerToken("t"), base_url={service.url!r}) as client:
        await client.call(1, {CALL})
asyncio.run(main())
"""
    environment = os.environ | {"SSL_CERT_FILE": str(authority.file)}
    subprocess.run([sys.executable, "-c", program], check=True, env=environment)


@pytest.mark.parametrize("content", [None, "", "-----BEGIN CERTIFICATE-----\nMII\n", "folder"], ids=str)
async def test_unusable_authority(tmp_path, content):
    """A file that is missing or has no certificate stops the start of the client, and is named."""
    file = tmp_path / "authorities.pem"
    if content == "folder":
        file.mkdir()
    elif content is not None:
        file.write_text(content)
    with pytest.raises(ConfigError, match=r"authorities\.pem"):
        await client("https://cdf.test", ca_file=file).start()


def test_unusable_switch(monkeypatch):
    """A switch that is neither on nor off is refused."""
    for name, value in {
        "CDF_PROJECT": "acme",
        "CDF_CLUSTER": "api",
        "CDF_TOKEN": "t",
        "AIOCDF_TRUST_ENV": "on?",
    }.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match="AIOCDF_TRUST_ENV"):
        Client.from_env()
