"""The proxies in environment variables, read as urllib, curl and Cognite's own tools read them."""

from __future__ import annotations

from base64 import b64encode
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies_environment, proxy_bypass_environment  # type: ignore[attr-defined]

import attrs

from aiocdf.errors import ConfigError
from aiocdf.secret import Secret

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Proxies", "Proxy"]


@attrs.frozen
class Proxy:
    """A proxy that carries https requests."""

    #: Without user name and password.
    url: str
    #: The value of `Proxy-Authorization`.
    authorization: Secret | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers for the proxy alone."""
        return {"Proxy-Authorization": self.authorization.reveal()} if self.authorization else {}


@attrs.frozen
class Proxies:
    """The values of HTTPS_PROXY or else ALL_PROXY, and of NO_PROXY, in upper or lower case."""

    _variables: Mapping[str, str] = attrs.field(factory=getproxies_environment, repr=False)

    def variable(self, url: str) -> str | None:
        """Return the name of the variable with the proxy for *url*; None for a direct connection.

        Plain http is for loopback addresses, so it never uses a proxy.
        """
        parts = urlsplit(url)
        if parts.scheme != "https":
            return None
        name = next((name for name in ("https", "all") if self._variables.get(name)), None)
        hosts = (parts.netloc, parts.hostname or "")
        bypassed = any(proxy_bypass_environment(host, dict(self._variables)) for host in hosts)
        return None if name is None or bypassed else f"{name.upper()}_PROXY"

    def proxy(self) -> Proxy | None:
        """Return the proxy for https, if there is one.

        Raises:
            ConfigError: It is not the address of an http or https proxy. The value is not quoted: it may hold a password.
        """
        name = next((name for name in ("https", "all") if self._variables.get(name)), None)
        if name is None:
            return None
        value = self._variables[name]
        proxy = _read(value if "://" in value else f"http://{value}")
        if proxy is None:
            raise ConfigError(
                f"{name.upper()}_PROXY is not the address of an http or https proxy. It must look like "
                "http://user:password@host:port, special characters in percent-encoding."
            )
        return proxy


def _read(url: str) -> Proxy | None:
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:
        usable = None
    if not usable:
        return None
    user, _, host = parts.netloc.rpartition("@")
    return Proxy(f"{parts.scheme}://{host}", _basic(user) if user else None)


def _basic(user: str) -> Secret:
    """Return user name and password as RFC 7617 sends them."""
    name, _, password = user.partition(":")
    return Secret("Basic " + b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode())
