"""The parts of an open client."""

from __future__ import annotations

import asyncio
import contextlib
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs

from aiocdf._http.sender import Sender
from aiocdf._http.transport import AiohttpTransport
from aiocdf._wire.json import api_headers
from aiocdf.auth import BearerToken, TokenSource, lasting_grant, session_requests
from aiocdf.config import cluster_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import aiohttp

    from aiocdf._engine import Engine
    from aiocdf._http.transport import Transport
    from aiocdf._reader import Reader
    from aiocdf.auth import Credentials
    from aiocdf.config import SessionGrant, Settings
    from aiocdf.resources import Calls, Files, Functions, Schedules, Sessions, Tokens
    from aiocdf.telemetry.observers import Observers

__all__ = ["Opened", "open_project"]


@attrs.frozen(kw_only=True)
class Resources:
    """The service's resources, for single requests."""

    functions: Functions
    files: Files
    calls: Calls
    schedules: Schedules
    sessions: Sessions
    tokens: Tokens


@attrs.frozen(kw_only=True)
class Opened:
    """The parts of an open client, which need a running loop."""

    loop: asyncio.AbstractEventLoop
    transport: Transport
    source: TokenSource
    engine: Engine
    resources: Resources

    async def aclose(self) -> None:
        """Close all parts, each before those that it needs, even if the caller is cancelled meanwhile.

        It waits for a token renewal under way: the answer may have the only refresh token that is still valid.
        """
        async with contextlib.AsyncExitStack() as parts:
            for part in (self.transport, self.source, self.engine):
                parts.push_async_callback(part.aclose)

    def abandon(self) -> None:
        """Release the connections of a client that was not closed, without awaiting, for finalizers."""
        if isinstance(self.transport, AiohttpTransport):
            self.transport.abandon()


async def open_project(
    project: str,
    base_url: str,
    *,
    credentials: Credentials,
    settings: Settings,
    session: aiohttp.ClientSession | None,
    transport: Transport | None,
    emit: Observers,
    encode: Callable[[object], tuple[bytes, Any]],
) -> Opened:
    """Open the parts of a client; no request is sent.

    Args:
        project: The project's name.
        base_url: The service's address.
        credentials: How to get access tokens.
        settings: Limits and intervals.
        session: The caller's aiohttp session; None to make one.
        transport: Sends the requests; None for aiohttp.
        emit: Receives the events.
        encode: Checks the data of calls, and returns it as JSON text and as a plain object.

    Raises:
        ConfigError: The credentials, the file of authorities or the proxy do not fit the settings.
    """
    # These are slow to import, so they are imported neither with the package nor during the first calls.
    from aiocdf._engine import Engine
    from aiocdf._engine.service import Service
    from aiocdf._reader import Reader

    if not isinstance(credentials, BearerToken):
        import aiocdf.auth.oauth.requests  # noqa: F401 - in advance for the credentials, which import it late

    transport = transport or _transport(session, settings)
    source = TokenSource(credentials, transport)
    headers = api_headers(settings.app, _version())
    sender = Sender(transport, source, headers=headers, retry=settings.retrying, emit=emit)
    url = f"{base_url}/api/v1/projects/{project}"
    reader = Reader(sender, url, most=settings.max_concurrent_reads)
    engine = Engine(
        service=Service(sender, url),
        reader=reader,
        session_requests=session_requests(credentials, settings.session_grant),
        settings=settings,
        cluster=cluster_of(base_url),
        project=project,
        emit=emit,
    )
    resources = _resources(
        sender, base_url, url, engine, reader, credentials=credentials, settings=settings, encode=encode
    )
    await transport.open()
    await engine.start()
    loop = asyncio.get_running_loop()
    return Opened(loop=loop, transport=transport, source=source, engine=engine, resources=resources)


def _resources(
    sender: Sender,
    base_url: str,
    url: str,
    engine: Engine,
    reader: Reader,
    *,
    credentials: Credentials,
    settings: Settings,
    encode: Callable[[object], tuple[bytes, Any]],
) -> Resources:
    from aiocdf.resources import (
        Calls,
        Files,
        Functions,
        Schedules,
        Sessions,
        Tokens,
    )  # as late as the engine

    def grants(chosen: SessionGrant | None) -> Sequence[Mapping[str, Any]]:
        return session_requests(credentials, chosen or settings.session_grant)

    sessions = Sessions(sender, url, grants=grants)
    lasting = partial(sessions.create, grant=lasting_grant(credentials, settings.session_grant))
    files = Files(sender, url)
    schedules = Schedules(sender, url, resolve=engine.resolve, encode=encode, new_session=lasting)
    return Resources(
        functions=Functions(sender, url, files=files, schedules=schedules),
        files=files,
        calls=Calls(sender, url, resolve=engine.resolve, reader=reader),
        schedules=schedules,
        sessions=sessions,
        tokens=Tokens(sender, base_url),
    )


def _transport(session: aiohttp.ClientSession | None, settings: Settings) -> AiohttpTransport:
    return AiohttpTransport(
        session,
        timeout=settings.request_timeout,
        connect_timeout=settings.connect_timeout,
        trust_env=settings.trust_env,
        ca_file=settings.ca_file,
    )


def _version() -> str:
    from importlib.metadata import version  # slow to import, and only needed here

    return version("aiocdf")
