"""Turns exceptions of aiohttp into TransportErrors that say whether the service may have seen the request."""

from __future__ import annotations

import re
import ssl
from typing import TYPE_CHECKING

import aiohttp

from aiocdf._wire.http import one_line
from aiocdf._wire.redaction import redact_error
from aiocdf.errors import ConnectError, ProtocolError, TransportTimeout

if TYPE_CHECKING:
    from aiocdf._wire.http import Request
    from aiocdf.errors import TransportError

__all__ = ["TooLargeError", "failure_of", "place"]

_CREDENTIALS = re.compile(r"(?<=//)[^/\s@]*@")
_TRUST = "If a private authority signed it, name that: Settings(ca_file=...) or AIOCDF_CA_FILE."
_PROXY_ADVICE = {
    403: "It does not allow this address: ask its administrator, or add the host to NO_PROXY.",
    407: "Put user name and password into HTTPS_PROXY, as in http://user:password@host:port.",
}


class TooLargeError(aiohttp.ClientPayloadError):
    """An answer is larger than the limit."""


def place(request: Request) -> str:
    """Return which request it is, as text without the query."""
    return f"{request.name} ({request.method} {request.url.partition('?')[0]})"


def failure_of(request: Request, error: Exception, *, unsent: bool, by: str, advice: str) -> TransportError:
    """Return the error to raise.

    Args:
        request: The request.
        error: How it ended.
        unsent: Whether certainly no byte of it was sent.
        by: The route, such as " through the proxy http://proxy:3128"; empty for a direct connection.
        advice: What to do if no connection is made.
    """
    where = place(request)
    failure = _unsent(error, where, by, advice) if unsent else _unanswered(request, error, where)
    return redact_error(failure, request.secrets)


def _unanswered(request: Request, error: Exception, where: str) -> TransportError:
    match error:
        case TimeoutError():
            return TransportTimeout(f"{where}: no answer in time. The service may have seen the request.")
        case TooLargeError():
            # An answer larger than the limit of this request is not the expected answer, and will not be next time.
            passing = request.max_answer is None
            return ProtocolError(f"{where}: {error}. The service has seen the request.", passing=passing)
        case _:
            reason = _reason(error)
            return ProtocolError(f"{where}: the connection broke: {reason}. The service may have seen the request.")


def _unsent(error: Exception, where: str, by: str, advice: str) -> ConnectError:
    match error:
        case aiohttp.ClientHttpProxyError():
            todo = _PROXY_ADVICE.get(error.status, "Nothing was sent to the service.")
            message = f"{where}: the proxy answered {error.status}{by}. {todo}"
            return ConnectError(message, passing=error.status in (408, 429) or error.status >= 500)
        case aiohttp.ClientProxyConnectionError():
            return ConnectError(f"{where}: no connection to the proxy{by}: {_reason(error)}. Check HTTPS_PROXY.")
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            message = f"{where}: the server's certificate or TLS was refused{by}: {_reason(error)}. Nothing was sent. {_TRUST}"
            return ConnectError(message, passing=isinstance(_origin(error), ssl.SSLEOFError))
        case aiohttp.ConnectionTimeoutError():
            return ConnectError(f"{where}: no connection in time{by}. Nothing was sent. {advice}")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return ConnectError(f"{where}: the address is not valid.", passing=False)
        case TimeoutError():
            why = "all connections of the pool are in use, or a name was not resolved"
            return ConnectError(f"{where}: no connection in time{by}: {why}. Nothing was sent. {advice}")
        case OSError() | aiohttp.ClientError():
            return ConnectError(f"{where}: no connection{by}: {_reason(error)}. Nothing was sent. {advice}")
        case _:
            return ConnectError(f"{where}: the request was not sent: {_reason(error)}.", passing=False)


def _origin(error: Exception) -> Exception:
    """Return the operating system's or TLS error that aiohttp wrapped."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return error.certificate_error
        case aiohttp.ClientConnectorError():
            return error.os_error
        case _:
            return error


def _reason(error: Exception) -> str:
    """Return the reason as text, without aiohttp's description of connections, which can hold a proxy's password."""
    origin = _origin(error)
    match origin:
        case aiohttp.ServerDisconnectedError():
            text = "the server closed it"
        case aiohttp.ClientResponseError():
            text = origin.message
        case aiohttp.ClientPayloadError() | ssl.CertificateError():
            text = str(origin)
        case OSError():
            text = origin.strerror or str(origin)
        case aiohttp.ClientError():
            text = ""
        case _:
            text = str(origin)
    return _CREDENTIALS.sub("", one_line(text)).rstrip(".") or type(origin).__name__
