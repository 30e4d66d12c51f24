"""The sockets on which the server listens."""

from __future__ import annotations

import contextlib
import errno
import socket

from aiocdf.errors import ConfigError, InvalidArgument

__all__ = ["is_free", "listen"]

MAX_PORT = 65_535
#: `localhost` means both addresses (RFC 6761, section 6.3), because clients differ in which one they try first.
LOOPBACK = ("127.0.0.1", "::1")
#: The system's errors for an address family that it does not support.
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_TRIES = 10


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen on a host. For `localhost`, return one for each loopback address of the machine.

    Args:
        host: A host name or an address.
        port: The TCP port of all sockets; 0 chooses a free one.

    Raises:
        InvalidArgument: The port is out of range.
        ConfigError: The address or the port is not available.
    """
    if not isinstance(port, int) or not 0 <= port <= MAX_PORT:
        raise InvalidArgument(f"port must be a number from 0 to {MAX_PORT}, not {port!r}")
    addresses = LOOPBACK if host.lower() == "localhost" else (host,)
    try:
        return _listen_at_free_port(addresses) if port == 0 else _listen(addresses, port)
    except OSError as error:
        of_port = error.errno in {errno.EACCES, errno.EADDRINUSE}
        advice = "use another port, or 0 for a free one" if of_port else "use an address of this machine"
        raise ConfigError(f"listening on {host} port {port} failed: {error}; {advice}") from error


def is_free(host: str, port: int) -> bool:
    """Return whether a server could listen on a host and port now."""
    try:
        for listener in listen(host, port):
            listener.close()
    except ConfigError:
        return False
    return True


def _listen_at_free_port(addresses: tuple[str, ...]) -> list[socket.socket]:
    """Listen on one port that is free on all addresses. A port that is free on the first may be in use on another."""
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            return _listen(addresses, 0)
    return _listen(addresses, 0)


def _listen(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """Listen on one port of all addresses that the machine has."""
    sockets: list[socket.socket] = []
    with contextlib.ExitStack() as opened:
        for address in addresses:
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            try:
                listener = socket.create_server((address, port), family=family)
            except OSError as error:
                is_last_hope = address == addresses[-1] and not sockets
                if error.errno not in _ABSENT or is_last_hope:
                    raise
            else:
                opened.callback(listener.close)
                sockets.append(listener)
                port = listener.getsockname()[1]
        opened.pop_all()
    return sockets
