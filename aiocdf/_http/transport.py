"""One request over a socket, one answer back: the only file that touches aiohttp's client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import aiohttp
import attrs

from aiocdf import _clock
from aiocdf._wire.http import Response
from aiocdf._wire.redaction import redact
from aiocdf.errors import ConnectError, ProtocolError, TransportError, TransportTimeout

if TYPE_CHECKING:
    from aiocdf._wire.http import Request

__all__ = ["AiohttpTransport", "Transport"]


@runtime_checkable
class Transport(Protocol):
    """What sends a client's requests: on a socket, or in a test to wherever that likes."""

    async def open(self) -> None:
        """Get ready to send, on the running loop."""

    async def send(self, request: Request) -> Response:
        """Send *request* once and return the answer, whatever its status; raise a `TransportError` where there is none."""

    async def aclose(self) -> None:
        """Let go of what it holds; nothing is sent from then on."""


class _TooLargeError(aiohttp.ClientPayloadError):
    """An answer is larger than the limit."""


class AiohttpTransport:
    """Sends requests on a pool of connections; follows no redirect, keeps no cookie, reads no proxy or netrc settings.

    Args:
        session: A session of the caller's, which stays the caller's to close; None to make one on opening.
        timeout: Seconds until the whole answer of a request must be there.
        connect_timeout: Seconds until a connection must stand.
        max_body: Bytes of an answer, unpacked, that are read at the most.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        max_body: int = 256 * 1024 * 1024,
    ) -> None:
        self._session = session
        self._owned = session is None
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=connect_timeout)
        self._max_body = max_body

    async def open(self) -> None:
        """Open the pool."""
        if self._session is None:
            self._session = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar(), trust_env=False)

    async def aclose(self) -> None:
        """Close the pool, unless it is the caller's."""
        if self._owned and self._session is not None:
            await self._session.close()
            self._session = None

    async def send(self, request: Request) -> Response:
        """Send *request* once and read the answer, whatever its status.

        Raises:
            ConnectError: No connection was made, so the service has seen nothing of the request.
            TransportTimeout: The answer was not there in time; the service may have seen the request.
            ProtocolError: The connection broke; the service may have seen the request.
        """
        if self._session is None or self._session.closed:
            raise ConnectError(f"{request.name}: the connection pool is closed", passing=False)
        sent_at = _clock.monotonic()
        # Raised outside the except block, so that no aiohttp exception, whose repr holds the headers, hangs on as context.
        failure: TransportError
        try:
            async with self._session.request(
                request.method,
                request.url,
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                # Also where the caller's own session says otherwise: an error status is an answer.
                raise_for_status=False,
                timeout=attrs.evolve(self._timeout, total=request.timeout) if request.timeout else self._timeout,
            ) as answer:
                body = await _read(answer, request.max_answer or self._max_body)
                return Response(
                    status=answer.status,
                    headers=answer.headers,
                    body=body,
                    sent_at=sent_at,
                    received_at=_clock.monotonic(),
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            failure = _failure(request, error)
        except asyncio.CancelledError as error:
            # A TimeoutError that is made of it would hold on to aiohttp's frames, and they to the headers.
            raise error.with_traceback(None) from None
        raise failure


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body to its end, or give up where it grows past the limit."""
    chunks, size = [], 0
    while chunk := await answer.content.readany():
        size += len(chunk)
        if size > limit:
            answer.close()
            raise _TooLargeError(f"the answer is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _failure(request: Request, error: Exception) -> TransportError:
    """Map what aiohttp raised to what we raise: what matters is whether the service can have seen the request."""
    where = f"{request.name} ({request.method} {request.url.partition('?')[0]})"
    what = " ".join(redact(str(error), request.secrets).split()) or type(error).__name__
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError():
            message = f"{where}: the server's certificate or TLS was refused: {what}. Nothing was sent."
            return ConnectError(message, passing=False)
        case aiohttp.InvalidURL():
            return ConnectError(f"{where}: the address is not valid: {what}.", passing=False)
        case aiohttp.ConnectionTimeoutError() | aiohttp.ClientConnectorError():
            return ConnectError(f"{where}: no connection: {what}. Check the address and the network.")
        case TimeoutError():
            return TransportTimeout(f"{where}: no answer in time. The service may have seen the request.")
        case _TooLargeError():
            # An answer beyond a limit of the request's own is not the answer that was asked for.
            passing = request.max_answer is None
            return ProtocolError(f"{where}: {what}. The service has seen the request.", passing=passing)
        case _:
            return ProtocolError(f"{where}: the connection broke: {what}. The service may have seen the request.")
