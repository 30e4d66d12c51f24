"""Sends one request over a socket and returns its answer, with aiohttp's client."""

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

#: The maximum length of a header line in bytes. Some gateways send more than aiohttp's default of 8 kB.
_LONGEST_LINE = 64 * 1024
#: The maximum number of connections to try if the server has closed kept ones.
_CONNECTIONS_TRIED = 5


@runtime_checkable
class Transport(Protocol):
    """Sends a client's requests: on a socket, or in tests to a fake service."""

    async def open(self) -> None:
        """Get ready to send, on the running loop."""

    async def send(self, request: Request) -> Response:
        """Send *request* once and return the answer, with any status; raise a `TransportError` if there is none."""

    async def aclose(self) -> None:
        """Close everything; nothing is sent after this."""


class AiohttpTransport:
    """Sends requests on a pool of connections, without redirects, cookies or netrc.

    Args:
        session: The caller's session, which the caller closes; None to make one on opening.
        timeout: The time limit in seconds for getting a connection, and then for the whole answer.
        connect_timeout: The time limit in seconds of a new connection.
        max_body: The maximum size of a decompressed answer, in bytes.
        trust_env: Whether to use the proxy of HTTPS_PROXY and NO_PROXY.
        ca_file: A file of authorities to trust in addition to the system's.
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
        """Read the files and variables of the settings, and open the pool.

        Raises:
            ConfigError: The file of authorities or the proxy is not valid.
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
        """Close the pool, unless it belongs to the caller."""
        if self._owned and self._session is not None:
            session, self._session = self._session, None
            await session.close()
        if self._loop_end is not None:
            await self._loop_end.aclose()

    def abandon(self) -> None:
        """Release the pool of a client that was not closed."""
        if self._owned and self._session is not None and not self._session.closed:
            abandon(self._session)

    async def _until_the_loop_ends(self) -> AsyncGenerator[None]:
        """Close a pool that is still open when the loop ends: `asyncio.run` closes async generators last."""
        try:
            yield
        finally:
            if self._session is not None:
                await self._session.close()

    async def send(self, request: Request) -> Response:
        """Send *request* once and read the answer, with any status.

        Raises:
            ConnectError: No byte of the request was sent, so the service has not seen it.
            TransportTimeout: The answer did not come in time; the service may have seen the request.
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
            # Raised here, so that no exception of aiohttp, whose repr holds the headers, becomes its context.
            raise outcome
        return outcome

    async def _try(
        self, request: Request, attempt: Attempt, session: aiohttp.ClientSession
    ) -> Response | TransportError:
        """Send once; an error is returned."""
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
                    # These override the caller's session: an error status is an answer.
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
                return _closed(request)  # on closing, aiohttp cancels tasks that wait for a connection
            # A TimeoutError made of it would keep aiohttp's frames, which hold the headers.
            raise error.with_traceback(None) from None
        except Exception as error:  # noqa: BLE001 - hooks of the caller's session may raise anything
            attempt.failed(error)
            unsent = attempt.is_unsent(error)
            if unsent and session.closed:
                return _closed(request)
            by = f" through the proxy {proxy.url}" if proxy else ""
            return failure_of(request, error, unsent=unsent, by=by, advice=self._advice(request.url))

    def _advice(self, url: str) -> str:
        """Return what to do if no connection is made."""
        if is_loopback(urlsplit(url).hostname or ""):
            return "Is `aiocdf serve` running, or was it started again on another port?"
        variable = None if self._trust_env else self._proxies.variable(url)
        if variable:
            return f"{variable} is set but not used: set Settings(trust_env=True) or AIOCDF_TRUST_ENV=1."
        return "Check the address and the network."


async def _read(answer: aiohttp.ClientResponse, limit: int) -> bytes:
    """Read the body to its end, or give up beyond the limit."""
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
