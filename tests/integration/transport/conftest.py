"""A small service on loopback, in a thread of its own so that it closes connections when it likes, and a private authority."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
import ipaddress
import json
import re
import ssl
import threading
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@attrs.define(eq=False)
class Service:
    """The service, as far as a call needs it; each call has ended when it is first asked for."""

    host: str = "127.0.0.1"
    #: Close each connection after so many answers, or seconds, without a word.
    closes_after: int | None = None
    keeps: float | None = None
    #: Seconds that an answer takes.
    delay: float = 0.0
    #: Headers of each answer.
    headers: str = ""
    tls: ssl.SSLContext | None = None
    port: int = 0
    #: How often each call was started, by its data.
    started: Counter[Any] = attrs.field(factory=Counter)
    heads: list[str] = attrs.field(factory=list)
    connections: int = 0
    writers: list[asyncio.StreamWriter] = attrs.field(factory=list)
    #: The sessions whose nonces were used.
    active: set[int] = attrs.field(factory=set)
    calls: list[dict[str, Any]] = attrs.field(factory=list)
    _ids: int = 1000

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.host}:{self.port}"

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.writers.append(writer)
        try:
            await self._answer_all(reader, writer)
        finally:
            writer.close()

    async def _answer_all(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers = 0
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, TimeoutError):
            while self.closes_after is None or answers < self.closes_after:
                head = (await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), self.keeps)).decode()
                length = re.search(r"(?i)^content-length: (\d+)", head, re.MULTILINE)
                body = await reader.readexactly(int(length[1])) if length else b""
                self.heads.append(head)
                await asyncio.sleep(self.delay)
                status, answer = self._answer(head.split()[1], json.loads(body) if body else None)
                content = json.dumps(answer).encode()
                lines = f"HTTP/1.1 {status} OK\r\nContent-Length: {len(content)}\r\n{self.headers}\r\n"
                writer.write(lines.encode() + content)
                await writer.drain()
                answers += 1

    def _answer(self, path: str, body: Any) -> tuple[int, Any]:
        self._ids += 1
        now = int(1000 * time.time())
        if path.endswith("/sessions"):
            return 200, {"items": [{"id": self._ids, "status": "READY", "nonce": f"nonce-{self._ids}"}]}
        if path.endswith("/sessions/byids"):
            ids = [item["id"] for item in body["items"]]
            return 200, {
                "items": [{"id": number, "status": "ACTIVE" if number in self.active else "READY"} for number in ids]
            }
        if path.endswith("/calls/list"):
            return 200, {"items": self.calls}
        if path.endswith("/limits"):
            return 200, {"timeoutMinutes": 10}
        if path.endswith("/call"):
            self.started[body["data"].get("x")] += 1
            self.active.add(int(body["nonce"].removeprefix("nonce-")))
            self.calls.append({"id": self._ids, "functionId": 1, "status": "Running", "startTime": now})
            return 201, self.calls[-1]
        if path.endswith("/calls/byids"):
            ended = {"functionId": 1, "status": "Completed", "startTime": now, "endTime": now}
            return 200, {"items": [item | ended for item in body["items"]]}
        return 404, {"error": {"message": path}}


@pytest.fixture
def serve() -> Iterator[Callable[..., Service]]:
    """Starts services, each with what it is to do."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    servers: list[asyncio.Server] = []
    services: list[Service] = []

    def start(**what: Any) -> Service:
        service = Service(**what)
        services.append(service)

        async def listen() -> None:
            server = await asyncio.start_server(
                service.connected, service.host, service.port, ssl=service.tls, backlog=500
            )
            servers.append(server)
            service.port = server.sockets[0].getsockname()[1]

        asyncio.run_coroutine_threadsafe(listen(), loop).result()
        return service

    async def stop() -> None:
        for server in servers:
            server.close()
        await asyncio.sleep(0.05)  # until connections that were taken have begun
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        for writer in (writer for service in services for writer in service.writers):
            writer.transport.abort()
        await asyncio.sleep(0.05)  # until transports have closed their sockets

    yield start
    asyncio.run_coroutine_threadsafe(stop(), loop).result()
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@attrs.frozen
class Authority:
    """A private authority: its certificate as a file, and the TLS settings of a server that it vouches for."""

    file: Path
    tls: ssl.SSLContext


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """An authority that no system knows."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Own CA")])
    today = dt.datetime.now(dt.UTC)
    addresses = [x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName("localhost")]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(today - dt.timedelta(days=1))
        .not_valid_after(today + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(addresses), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = serialization.PrivateFormat.PKCS8
    file, both = tmp_path / "ca.pem", tmp_path / "server.pem"
    file.write_bytes(certificate.public_bytes(pem))
    both.write_bytes(file.read_bytes() + key.private_bytes(pem, private, serialization.NoEncryption()))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(both)
    return Authority(file, tls)


@pytest.fixture(autouse=True)
def no_proxy_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests set the variables that they are about."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
