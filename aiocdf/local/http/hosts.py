"""The host names with which clients may reach the server.

A web page can make its own host name resolve to this machine (DNS rebinding). The browser then treats the server as
part of the page's site, so that checks of the origin do not help. But it still sends the page's host name as `Host`.
"""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import TYPE_CHECKING

import attrs
from aiohttp import hdrs, web

from aiocdf.errors import ConfigError
from aiocdf.local.http.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

__all__ = ["AllowedHosts", "host_names"]

ALL_ADDRESSES = frozenset({"0.0.0.0", "::", ""})  # noqa: S104 - not for listening

_HOST = re.compile(r"(?:\[([0-9a-f:.]+)\]|([^\s\[\]:@/]+))(?::[0-9]+)?")
_NAME = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)*")


def host_names(names: Iterable[object]) -> frozenset[str]:
    """Return host names in lower case.

    Raises:
        ConfigError: The names are a single string, or one is not a valid host name.
    """
    if isinstance(names, str):
        raise ConfigError(f"allowed_hosts must be a list of host names: write [{names!r}]")
    return frozenset(map(_host_name, names))


def _host_name(name: object) -> str:
    if not isinstance(name, str) or not _NAME.fullmatch(name.lower()):
        raise ConfigError(f"allowed_hosts: {name!r} is not a valid host name: leave out scheme and port")
    return name.lower()


@attrs.frozen(kw_only=True)
class AllowedHosts:
    """Decides which `Host` a request may have. The port is ignored, because a tunnel may have another one.

    Args:
        listens_at: The host that the server listens on. If this means all addresses, every IP address is allowed.
        names: More host names, in lower case.
    """

    listens_at: str
    names: frozenset[str] = frozenset()

    def allows(self, host: str) -> bool:
        """Return whether a request with this `Host` is allowed."""
        found = _HOST.fullmatch(host.lower())
        name = (found[1] or found[2]) if found else ""
        if name in {"localhost", self.listens_at.lower(), *self.names} - ALL_ADDRESSES:
            return True
        try:
            address = ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or self.listens_at in ALL_ADDRESSES

    @web.middleware
    async def check(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Reject requests for other hosts (RFC 9110, section 15.5.20)."""
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or not self.allows(hosts[0]):
            shown = ", ".join(hosts)[:100]
            raise Problem(
                421,
                f"Unknown host {shown!r}. If it is a name of this server, start the server with --allow-host NAME "
                "or serve(allowed_hosts=[NAME])",
            )
        return await handler(request)
