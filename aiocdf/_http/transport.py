"""One request over a socket, one answer back, by aiohttp's client."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol, runtime_checkable
from urllib.parse import urlsplit

import aiohttp

from aiocdf import _clock
from aiocdf._http.attempt import Attempt
from aiocdf._http.authorities import trusting
from aiocdf._http.connections import Connections
from aiocdf._http.failures import TooLargeError, failure_of, place
from aiocdf._http.proxies import Proxies
from aiocdf._http.sessions import abandon, is_of_another_loop, open_session
from aiocdf._wire.http import Response
from aiocdf.config import is_loopback
from aiocdf.errors import ConnectError, TransportError, WrongState

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncGenerator

    from aiocdf._http.proxies import Proxy
    from aiocdf._wire.http import Request

__all__ = ["AiohttpTransport", "Transport"]

#: Bytes of a line of an answer's head. Gateways send headers beyond aiohttp's 8 kB.
_LONGEST_LINE = 64 * 1024
#: Connections that are tried where the server has closed those that were kept.
_CONNECTIONS_TRIED = 5


@runtime_checkable
class Transport(Protocol):
    """What sends a client's requests: on a socket, or in a test to wherever that likes."""

    async def open(self) -> None:
        """Get ready to send, on the running loop."""

    async def send(self, request: Request) -> Response:
        """Send *request* once and return the answer, whatever its status; raise a `TransportError` where there is none."""

    async def aclose(self) -> None:
        """Let go of what it holds; nothing is sent from then on."""


class AiohttpTransport:
    """Sends requests on a pool of connections; follows no redirect, sends no cookie, reads no netrc.

    Args:
        session: A session of the caller's, which stays the caller's to close; None to make one on opening.
        timeout: Seconds until a request has a connection, and then until its whole answer must be there.
        connect_timeout: Seconds until a connection must stand.
        max_body: Bytes of an answer, unpacked, that are read at the most.
        trust_env: Use the proxy that HTTPS_PROXY and NO_PROXY say.
        ca_file: A file of authorities to trust besides the system's.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession | None = None,
        *,
        timeout: float = 60.0,
        connect_timeout: float = 10.0,
        max_body: int = 256 * 1024 * 1024,
        trust_env: bool = False,
        ca_file: str | None = None,
    ) -> None:
        self._session = session
        self._owned = session is None
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._max_body = max_body
        self._trust_env = trust_env
        self._ca_file = ca_file
        self._proxies = Proxies()
        self._proxy: Proxy | None = None
        self._tls: ssl.SSLContext | bool = True
        self._connections = Connections()
        self._loop_end: AsyncGenerator[None] | None = None

    async def open(self) -> None:
        """Read what the settings name, and open the pool.

        Raises:
            ConfigError: The file of authorities or the proxy cannot be used.
            WrongState: The caller's session belongs to another event loop.
        """
        if self._session and is_of_another_loop(self._session, asyncio.get_running_loop()):
            raise WrongState("session belongs to another event loop: make one on the loop that the client runs on")
        if self._trust_env:
            self._proxy = self._proxies.proxy()
        if self._ca_file is not None:
            self._tls = await asyncio.to_thread(trusting, self._ca_file)
        if self._session is None:
            self._session = open_session()
            self._loop_end = self._until_the_loop_ends()
            await anext(self._loop_end)

    async def aclose(self) -> None:
        """Close the pool, unless it is the caller's."""
        if self._owned and self._session is not None:
            session, self._session = self._session, None
            await session.close()
        if self._loop_end is not None:
            await self._loop_end.aclose()

    def abandon(self) -> None:
        """Let go of the pool of a client that was not closed."""
        if self._owned and self._session is not None and not self._session.closed:
            abandon(self._session)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """Close a pool that was not closed when the loop ends: `asyncio.run` closes async generators last."""
        try:
            yield
        finally:
            if self._session is not None:
                await self._session.close()

    async def send(self, request: Request) -> Response:
        """Send *request* once and read the answer, whatever its status.

        Raises:
            ConnectError: No byte of the request left, so the service has seen nothing of it.
            TransportTimeout: The answer was not there in time; the service may have seen the request.
            ProtocolError: The connection broke; the service may have seen the request.
        """
        for tried in range(1, _CONNECTIONS_TRIED + 1):
            if self._session is None or self._session.closed:
                raise _closed(request)
            seconds, last = request.timeout or self._timeout, tried == _CONNECTIONS_TRIED
            attempt = Attempt(request, seconds, self._connections, last=last)
            outcome = await self._try(request, attempt, self._session)
            if not attempt.stale:
                break
        if isinstance(outcome, TransportError):
            # Raised out here, so that no exception of aiohttp's, whose repr holds the headers, hangs on as context.
            raise outcome
        return outcome

    async def _try(
        self, request: Request, attempt: Attempt, session: aiohttp.ClientSession
    ) -> Response | TransportError:
        """Send once; what goes wrong is returned."""
        proxy = self._proxy if self._trust_env and self._proxies.variable(request.url) else None
        sent_at = _clock.monotonic()
        try:
            async with (
                attempt.timeout,
                session.request(
                    request.method,
                    request.url,
                    data=attempt.body,
                    headers=attempt.headers,
                    middlewares=(attempt,),
                    allow_redirects=False,
                    # What follows holds also where the caller's own session says otherwise: an error status is an answer.
                    raise_for_status=False,
                    auto_decompress=True,
                    timeout=aiohttp.ClientTimeout(
                        total=None, sock_connect=self._connect_timeout, sock_read=request.silence
                    ),
                    max_line_size=_LONGEST_LINE,
                    max_field_size=_LONGEST_LINE,
                    ssl=self._tls,
                    proxy=proxy.url if proxy else None,
                    proxy_headers=proxy.headers if proxy else None,
                ) as answer,
            ):
                body = await _read(answer, request.max_answer or self._max_body)
                return Response(
                    status=answer.status,
                    headers=answer.headers,
                    body=body,
                    sent_at=sent_at,
                    received_at=_clock.monotonic(),
                )
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if session.closed and task and not task.cancelling():
                return _closed(request)  # aiohttp cancels those who wait for a connection when it closes
            # A TimeoutError that is made of it would hold on to aiohttp's frames, and they to the headers.
            raise error.with_traceback(None) from None
        except Exception as error:  # noqa: BLE001 - the caller's session may have hooks, and those may raise anything
            attempt.failed(error)
            unsent = attempt.is_unsent(error)
            if unsent and session.closed:
                return _closed(request)
            by = f" through the proxy {proxy.url}" if proxy else ""
            return failure_of(request, error, unsent=unsent, by=by, advice=self._advice(request.url))

    def _advice(self, url: str) -> str:
        """Say what to do about a connection that is not made."""
        if is_loopback(urlsplit(url).hostname or ""):
            return "Is `aiocdf serve` running, or was it started again on another port?"
        variable = None if self._trust_env else self._proxies.variable(url)
        if variable:
            return f"{variable} is set but not used: set Settings(trust_env=True) or AIOCDF_TRUST_ENV=1."
        return "Check the address and the network."


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body to its end, or give up where it grows past the limit."""
    chunks, size = [], 0
    while chunk := await answer.content.readany():
        size += len(chunk)
        if size > limit:
            answer.close()
            raise TooLargeError(f"the answer is larger than {limit} bytes")
        chunks.append(chunk)
    return b"".join(chunks)


def _closed(request: Request) -> ConnectError:
    return ConnectError(f"{place(request)}: the connection pool is closed.", passing=False)
