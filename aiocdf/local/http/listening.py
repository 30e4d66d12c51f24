"""The sockets that the server listens at."""

from __future__ import annotations

import contextlib
import errno
import socket

from aiocdf.errors import ConfigError, InvalidArgument

__all__ = ["is_free", "listen"]

MAX_PORT = 65_535
#: `localhost` means both (RFC 6761, section 6.3), whichever of them a client tries first.
LOOPBACK = ("127.0.0.1", "::1")
#: What the system says of an address family that it does not have.
_ABSENT = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_TRIES = 10


def listen(host: str, port: int) -> list[socket.socket]:
    """Return sockets that listen at the host: at `localhost` one for each loopback address that the machine has.

    Args:
        host: An address or a name.
        port: The TCP port of all; 0 for a free one.

    Raises:
        InvalidArgument: The port is outside of its range.
        ConfigError: The system refuses the address or the port.
    """
    if not isinstance(port, int) or not 0 <= port <= MAX_PORT:
        raise InvalidArgument(f"port must be a number from 0 to {MAX_PORT}, not {port!r}")
    addresses = LOOPBACK if host.lower() == "localhost" else (host,)
    try:
        return _listen_at_free_port(addresses) if port == 0 else _listen(addresses, port)
    except OSError as error:
        of_port = error.errno in {errno.EACCES, errno.EADDRINUSE}
        advice = "choose another port, or 0 for a free one" if of_port else "choose a host of this machine"
        raise ConfigError(f"cannot listen at {host} port {port}: {error}; {advice}") from error


def is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen at the host and port now."""
    try:
        for listener in listen(host, port):
            listener.close()
    except ConfigError:
        return False
    return True


def _listen_at_free_port(addresses: tuple[str, ...]) -> list[socket.socket]:
    """Listen at a port that is free at all addresses; one that is free at the first may be taken at another."""
    for _ in range(_TRIES):
        with contextlib.suppress(OSError):
            return _listen(addresses, 0)
    return _listen(addresses, 0)


def _listen(addresses: tuple[str, ...], port: int) -> list[socket.socket]:
    """Listen at all addresses that the machine has, at one port."""
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
