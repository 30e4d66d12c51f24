"""The limits of a connection in time and size."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from aiocdf.local import serve
from aiocdf.local.http import connections
from aiocdf.local.identity import oauth


async def dial(server):
    address = urlsplit(server.url)
    return await asyncio.open_connection(address.hostname, address.port)


async def everything(reader, writer) -> bytes:
    """Return everything received until the server closes the connection."""
    try:
        async with asyncio.timeout(10):
            return await reader.read()
    finally:
        writer.close()


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: b"])
async def test_head_that_does_not_come(server, monkeypatch, begun):
    """A connection without the complete head of a request is closed after some time."""
    monkeypatch.setattr(connections, "FIRST_HEAD", 0.05)
    reader, writer = await dial(server)
    writer.write(begun)
    assert await everything(reader, writer) == b""


async def test_next_head_that_does_not_come(root, monkeypatch):
    """The same is true for a connection that had a response and then sends part of a head."""
    monkeypatch.setattr(connections, "NEXT_HEAD", 0.1)
    async with serve(root) as server:
        reader, writer = await dial(server)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await asyncio.sleep(0.05)
        writer.write(b"GET / HT")
        assert (await everything(reader, writer)).startswith(b"HTTP/1.1 404 ")


async def test_request_that_takes_its_time(api, monkeypatch, tmp_path):
    """The limit for the head does not end running requests."""
    monkeypatch.setattr(connections, "FIRST_HEAD", 0.05)
    reader, writer = await dial(api.server)
    head = f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nConnection: close\r\n{FORM}\r\n"
    writer.write(head.encode())
    await asyncio.sleep(0.2)
    writer.write(b"a=")
    assert (await everything(reader, writer)).startswith(b"HTTP/1.1 400 ")


FORM = "Content-Type: application/x-www-form-urlencoded\r\n"


async def test_form_that_does_not_come(server, monkeypatch):
    """An incomplete form gets a response, and the connection is closed."""
    monkeypatch.setattr(oauth, "FORM_SECONDS", 0.05)
    reader, writer = await dial(server)
    writer.write(f"POST /oauth2/token HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n{FORM}\r\na=".encode())
    async with asyncio.timeout(10):
        assert (await reader.readline()).startswith(b"HTTP/1.1 408 ")
    writer.close()


async def test_form_that_is_too_large(app):
    """A form may have at most 64 KiB, because its sender is not authenticated yet."""
    answer = await app.post("/oauth2/token", grant_type="x" * 70_000)
    assert answer.status == 400
    assert "too large" in str(answer.body)


async def test_head_that_is_too_large(server):
    """A line of the head may have at most 8 KiB."""
    reader, writer = await dial(server)
    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n")
    assert b" 400 " in await everything(reader, writer)
