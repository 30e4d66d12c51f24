"""A second identity provider: glewlwyd, written in C, on a free loopback port. Its errors are not those of the RFCs."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import sqlite3
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.error import URLError

import aiohttp
import attrs
from joserfc.jwk import ECKey

from tests.providers.headless import Page

__all__ = ["PROGRAM", "Glewlwyd", "run"]

PROGRAM = shutil.which("glewlwyd")
#: Where Debian's package keeps what the server loads, and the statements that make its database.
MODULES = Path("/usr/lib/glewlwyd")
TABLES = Path("/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3")

CONFIGURATION = """
port={port}
bind_address="127.0.0.1"
external_url="{base}"
login_url="login.html"
api_prefix="api"
log_mode="console"
log_level="NONE"
cookie_secure=0
admin_scope="g_admin"
profile_scope="g_profile"
user_module_path="{modules}/user"
client_module_path="{modules}/client"
user_auth_scheme_module_path="{modules}/scheme"
plugin_module_path="{modules}/plugin"
hash_algorithm="SHA512"
database={{type="sqlite3"; path="{folder}/db";}};
"""
PLUGIN = {
    "access-token-duration": 3600,
    "refresh-token-duration": 86_400,
    "code-duration": 60,
    "refresh-token-rolling": True,
    "refresh-token-one-use": "always",
    "allow-non-oidc": True,
    "auth-type-client-enabled": True,
    "auth-type-code-enabled": True,
    "auth-type-token-enabled": False,
    "auth-type-id-token-enabled": True,
    "auth-type-none-enabled": False,
    "auth-type-implicit-enabled": False,
    "auth-type-password-enabled": False,
    "auth-type-refresh-enabled": True,
    "auth-type-device-enabled": True,
    "device-authorization-expiration": 600,
    "device-authorization-interval": 1,
    "pkce-allowed": True,
    "pkce-method-plain-allowed": False,
    "introspection-revocation-allowed": True,
    "introspection-revocation-allow-target-client": True,
    "introspection-revocation-auth-scope": [],
    "subject-type": "public",
    "oauth-as-iss-id": True,
    "client-redirect-uri-parameter": "redirect_uri",
    "jwks-show": True,
}
SCOPES = ["read", "offline_access"]
ALICE = {"username": "alice", "password": "alice-password"}


@attrs.frozen
class Glewlwyd:
    """The provider, seen from the outside, and somebody who has an account at it."""

    base: str
    redirect_uri: str

    @property
    def issuer(self) -> str:
        return f"{self.base}/api/oidc"

    async def sign_in(self, url: str) -> Page:
        """Do what the provider's page does by script: sign in, allow what is asked for, and go on."""
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            async with browser.post(f"{self.base}/api/auth/", json=ALICE) as answer:
                assert answer.status == 200
            consent = f"{self.base}/api/auth/grant/desktop"
            async with browser.put(consent, json={"scope": " ".join(SCOPES)}) as answer:
                assert answer.status == 200
            async with browser.get(f"{url}&g_continue") as answer:
                return Page(answer.url, answer.status, await answer.text(), dict(answer.headers))


@contextlib.contextmanager
def run(folder: Path, machine: tuple[str, str]) -> Iterator[Glewlwyd]:
    """Run the provider, which knows a program with this id and secret, the public client `desktop`, and Alice."""
    port, other = free_port(), free_port()
    provider = Glewlwyd(f"http://127.0.0.1:{port}", f"http://127.0.0.1:{other}/callback")
    configuration = CONFIGURATION.format(port=port, base=provider.base, modules=MODULES, folder=folder)
    (folder / "configuration").write_text(configuration)
    with contextlib.closing(sqlite3.connect(folder / "db")) as database:
        database.executescript(TABLES.read_text())
    silent = subprocess.DEVNULL
    with subprocess.Popen([PROGRAM, "-c", folder / "configuration"], stdout=silent, stderr=silent) as process:
        try:
            set_up(provider, machine)
            yield provider
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port that was free just now: the provider can neither choose one nor take any for a redirect."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def set_up(provider: Glewlwyd, machine: tuple[str, str]) -> None:
    """Do what an administrator does in the provider's pages."""
    admin = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    wait_for(f"{provider.base}/config")

    def post(path: str, item: dict[str, object]) -> None:
        headers = {"Content-Type": "application/json"}
        admin.open(urllib.request.Request(f"{provider.base}/api/{path}", json.dumps(item).encode(), headers)).close()

    # As Debian's package has it.
    post("auth/", {"username": "admin", "password": "password"})
    for scope in SCOPES:
        post("scope/", {"name": scope, "password_required": False, "scheme": {}})
    key = ECKey.generate_key("P-256", {"kid": "k1", "alg": "ES256", "use": "sig"})
    keys = json.dumps({"keys": [key.as_dict(private=True)]})
    parameters = {**PLUGIN, "iss": provider.issuer, "jwks-private": keys}
    post("mod/plugin/", {"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": parameters})
    post("user/", {**ALICE, "name": "Alice", "scope": SCOPES, "enabled": True})
    client_id, secret = machine
    post(
        "client/",
        {
            "client_id": client_id,
            "confidential": True,
            "password": secret,
            "client_secret": secret,
            "scope": ["read"],
            "authorization_type": ["client_credentials"],
            "token_endpoint_auth_method": ["client_secret_post", "client_secret_basic"],
            "enabled": True,
        },
    )
    post(
        "client/",
        {
            "client_id": "desktop",
            "confidential": False,
            "redirect_uri": [provider.redirect_uri],
            "authorization_type": ["code", "refresh_token", "device_authorization"],
            "token_endpoint_auth_method": ["none"],
            "enabled": True,
        },
    )


def wait_for(url: str) -> None:
    """Wait until there is an answer."""
    for _ in range(200):
        with contextlib.suppress(URLError):
            urllib.request.urlopen(url).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"no answer from {url}")
