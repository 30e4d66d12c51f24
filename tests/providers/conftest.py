"""A certified identity provider on Node, one for all tests here, and somebody to sign in at its forms."""

from __future__ import annotations

import asyncio
import base64
import gc
import json
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import aiohttp
import attrs
import pytest
from joserfc.jwk import ECKey

from aiocdf import _clock
from aiocdf._http.transport import AiohttpTransport
from aiocdf.auth import DevicePrompt
from aiocdf.secret import Secret
from tests.providers.headless import Page, Person

HERE = Path(__file__).parent
#: What form encoding, Basic and URLs each treat in a way of their own.
ODD = "a+b/c%d:e&f=g ~h"
SECRET = f"s3cr3t {ODD}"
#: Whom the provider's tokens are for.
API = "https://api.test"
DEVICE_CODE = "urn:ietf:params:oauth:grant-type:device_code"

MACHINE = {"grant_types": ["client_credentials"], "response_types": [], "redirect_uris": []}
DESKTOP = {
    "client_id": "desktop",
    "token_endpoint_auth_method": "none",
    "application_type": "native",
    "grant_types": ["authorization_code", "refresh_token", DEVICE_CODE],
    "redirect_uris": ["http://127.0.0.1/callback", "http://localhost"],
}


@attrs.frozen
class Provider:
    """The provider, seen from the outside."""

    issuer: str
    key: ECKey

    @property
    def token_url(self) -> str:
        return f"{self.issuer}/token"

    async def set(self, **knobs: Any) -> None:
        """Set how the token endpoint answers; see server.mjs."""
        async with aiohttp.request("POST", f"{self.issuer}/_knobs", json=knobs) as answer:
            assert answer.status == 200

    async def stats(self) -> dict[str, Any]:
        """Return what the token endpoint was asked since the test began."""
        async with aiohttp.request("GET", f"{self.issuer}/_stats") as answer:
            return await answer.json()


def claims(token: Secret) -> dict[str, object]:
    """Return what the provider wrote into a token."""
    payload = token.reveal().split(".")[1]
    return json.loads(base64.urlsafe_b64decode(payload + "=="))


@pytest.fixture(scope="session")
def running() -> Iterator[Provider]:
    """A provider that ends with the tests."""
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules").is_dir():
        pytest.skip("the provider is not installed: `nox -s providers` does that, with Node.js 22 or a late 20")
    key = ECKey.generate_key("P-256", {"kid": "k1", "use": "sig", "alg": "ES256"})
    clients = [
        {"client_id": ODD, "client_secret": SECRET, "token_endpoint_auth_method": "client_secret_post", **MACHINE},
        {"client_id": f"basic {ODD}", "client_secret": SECRET, **MACHINE},
        {
            "client_id": "signer",
            "token_endpoint_auth_method": "private_key_jwt",
            "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [key.as_dict(private=False)]},
            **MACHINE,
        },
        DESKTOP,
    ]
    pipe = subprocess.PIPE
    with subprocess.Popen([node, HERE / "server.mjs"], stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL) as server:
        server.stdin.write(json.dumps({"clients": clients}).encode() + b"\n")
        server.stdin.flush()
        yield Provider(json.loads(server.stdout.readline())["issuer"], key)
        server.stdin.close()


@pytest.fixture
async def provider(running: Provider) -> Provider:
    """The provider as if fresh: its token endpoint answers, and has not been asked yet."""
    await running.set()
    return running


@pytest.fixture
async def person() -> AsyncIterator[Person]:
    """Somebody who has an account at the provider."""
    async with Person(login="alice", password="anything") as person:
        yield person


@attrs.define
class Visit:
    """Somebody who goes where a client sends its user, in their own time."""

    go: Callable[[str], Awaitable[Page]]
    urls: list[str] = attrs.field(factory=list)
    _going: asyncio.Task[Page] | None = None

    def __call__(self, where: str | DevicePrompt) -> None:
        self.urls.append(url := where.verification_uri if isinstance(where, DevicePrompt) else where)
        self._going = asyncio.get_running_loop().create_task(self.go(url))

    async def page(self) -> Page:
        """Return what they saw in the end."""
        return await self._going


@pytest.fixture
def visit(person: Person) -> Visit:
    """Somebody who signs in wherever they are sent."""
    return Visit(person.sign_in)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Sets the client's clock so many seconds ahead."""
    real = _clock.wall

    def later(seconds: float) -> None:
        monkeypatch.setattr(_clock, "wall", lambda: real() + seconds)

    return later


class Heart:
    """Finds the longest that the event loop stood still, less what this thread waited for a processor."""

    def __init__(self) -> None:
        self.longest = 0.0

    def __enter__(self) -> None:
        self._beating = asyncio.get_running_loop().create_task(self._beat())

    def __exit__(self, *_: object) -> None:
        self._beating.cancel()

    async def _beat(self) -> None:
        last, waited = time.perf_counter(), _waited()
        while True:
            await asyncio.sleep(0.001)
            now, now_waited = time.perf_counter(), _waited()
            self.longest = max(self.longest, now - last - (now_waited - waited) - 0.001)
            last, waited = now, now_waited


def _waited() -> float:
    """Return the seconds that this thread has been ready to run while others had the processors, as Linux tells."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
    except OSError:
        return 0.0


@pytest.fixture
def heart() -> Iterator[Heart]:
    """A heart for a loop in which the garbage collector has no whole test run to look through."""
    gc.collect()
    gc.freeze()
    yield Heart()
    gc.unfreeze()


@pytest.fixture
async def transport() -> AsyncIterator[AiohttpTransport]:
    """The transport that a client has."""
    transport = AiohttpTransport()
    await transport.open()
    yield transport
    await transport.aclose()
