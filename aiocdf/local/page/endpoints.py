"""The endpoints of the page: its files, and with the key its events, calls and logs."""

from __future__ import annotations

import asyncio
import json
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

import attrs
from aiohttp import web

from aiocdf.local.api.calls import check_size, ready_function
from aiocdf.local.api.feed import CallChange
from aiocdf.local.http import fields
from aiocdf.local.http.application import Route
from aiocdf.local.http.problems import Problem
from aiocdf.local.http.static_files import static_routes
from aiocdf.local.identity.issuer import digest, random_secret
from aiocdf.local.page.event_stream import streaming
from aiocdf.local.state.records import ALL_CAPABILITIES, Session, now_ms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from aiocdf.local.api.executions import Executions
    from aiocdf.local.api.feed import Feed, Reader
    from aiocdf.local.api.registry import FunctionRegistry
    from aiocdf.local.page.access import PageKey
    from aiocdf.local.page.event_stream import EventStream
    from aiocdf.local.page.overview import Overview
    from aiocdf.local.state.limits import Limits
    from aiocdf.local.state.records import Call, Ids, LogLine
    from aiocdf.local.state.store import Store
    from aiocdf.secret import Secret

__all__ = ["PAGE_PATH", "PageEndpoints"]

PAGE_PATH: Final = "/page"
FILES: Final = {
    PAGE_PATH: "index.html",
    **{
        f"{PAGE_PATH}/{name}": name
        for name in (
            "style.css",
            "icon.svg",
            "main.js",
            "server.js",
            "elements.js",
            "calls.js",
            "timeline.js",
            "detail.js",
        )
    },
}
#: The client id of calls from the page.
CLIENT: Final = "page"
#: The maximum number of calls on the page, at first and later.
RECENT_CALLS: Final = 300
#: Changes within this many seconds go into one event.
PAUSE: Final = 0.1
LINES_AT_ONCE: Final = 500
#: The maximum size of a response on the page.
MOST_SHOWN: Final = 100_000


@attrs.frozen(kw_only=True)
class PageEndpoints:
    """The endpoints of `/page`. The files need no key, everything else does."""

    key: PageKey
    registry: FunctionRegistry
    executions: Executions
    store: Store
    ids: Ids
    limits: Limits
    feed: Feed
    overview: Overview

    def routes(self) -> Iterable[Route]:
        """Return the endpoints."""
        yield from static_routes(files("aiocdf.local.page") / "files", FILES)
        yield Route("GET", f"{PAGE_PATH}/events", self.events, None)
        yield Route("POST", f"{PAGE_PATH}/calls", self.call, None)
        yield Route("GET", f"{PAGE_PATH}/calls/{{functionId}}/{{callId}}", self.watch, None)

    async def events(self, request: web.Request) -> web.StreamResponse:
        """Send everything, then the changes, until the reader or the server ends."""
        self.key.check(request)
        async with streaming(request) as stream:
            # In this order, so that changes while everything is read are not missed.
            with self.feed.reader() as reader:
                async with self.overview.watched():
                    await self._pass_on(reader, stream)
        return stream.response

    async def _pass_on(self, reader: Reader, stream: EventStream) -> None:
        """Send a reader everything, then the changes."""
        while not self.feed.closed:
            async for event, data in self._news(reader):
                await stream.send(event, data)
            await stream.wait(reader.news)
            await asyncio.sleep(PAUSE)

    async def call(self, request: web.Request) -> web.Response:
        """Start a call with a session that has all capabilities."""
        self.key.check(request)
        body = await fields.from_body(request)
        function_id, data = body.id("functionId"), body.object("data").values
        check_size(data, self.limits)
        function = await ready_function(self.registry, function_id)
        call = await self.executions.start(function, await self._nonce(), data)
        return web.json_response(self._change(call).shown(), status=201)

    async def watch(self, request: web.Request) -> web.StreamResponse:
        """Send the log of a call as it grows, and its outcome when it has ended."""
        self.key.check(request)
        function_id, call_id = (fields.from_path(request, name) for name in ("functionId", "callId"))
        if not await self.store.calls(function_id, [call_id]):
            raise Problem(
                404, f"Function {function_id} has no call {call_id}: it may have been deleted because of its age"
            )
        async with streaming(request) as stream:
            sent = await self._follow(call_id, stream)
            if not self.feed.closed:
                await self._send_lines(stream, (await self.store.log(call_id))[sent:])
                for call in await self.store.calls(function_id, [call_id]):
                    await stream.send("end", json.dumps(await self._ended(call)))
        return stream.response

    async def _news(self, reader: Reader) -> AsyncIterator[tuple[str, str]]:
        """Yield the events that a reader has not received, with their data as JSON."""
        if reader.missed:
            reader.missed = False
            reader.overview = False
            recent = await self.store.recent_calls(RECENT_CALLS)
            calls = [self._change(call).shown() for call in recent]
            yield "snapshot", json.dumps({"now": now_ms(), "calls": calls, **await self.overview.read()})
        if reader.overview:
            reader.overview = False
            yield "overview", json.dumps(await self.overview.read())
        if reader.changes:
            changes, reader.changes = reader.changes, {}
            yield "calls", f"[{','.join(change.json for change in changes.values())}]"

    async def _follow(self, call_id: int, stream: EventStream) -> int:
        """Send the log lines of a call while it runs, and return how many there were."""
        sent = 0
        with self.feed.log_reader(call_id) as grew:
            while not self.feed.closed and (lines := self.executions.log(call_id)) is not None:
                if new := lines[sent : sent + LINES_AT_ONCE]:
                    await self._send_lines(stream, new)
                    sent += len(new)
                else:
                    await stream.wait(grew)
        return sent

    async def _send_lines(self, stream: EventStream, lines: Sequence[LogLine]) -> None:
        for start in range(0, len(lines), LINES_AT_ONCE):
            chosen = lines[start : start + LINES_AT_ONCE]
            await stream.send("log", json.dumps([attrs.asdict(line) for line in chosen]))

    async def _nonce(self) -> Secret:
        """Create a session, and return its nonce."""
        now, nonce = now_ms(), random_secret()
        session = Session(
            id=self.ids.take(),
            type="CLIENT_CREDENTIALS",
            status="READY",
            creation_time=now,
            expiration_time=now + int(self.limits.token_seconds * 1000),
            nonce_expires=now + int(self.limits.nonce_seconds * 1000) + 1000,
            client_id=CLIENT,
            capabilities=ALL_CAPABILITIES,
            depth=1,
        )
        await self.store.add_session(session, digest(nonce))
        return nonce

    async def _ended(self, call: Call) -> dict[str, Any]:
        response = (await self.store.response(call.id) or b"").decode(errors="replace")
        cut = len(response) > MOST_SHOWN
        shown = {"response": response[:MOST_SHOWN], "responseCut": cut, "trace": call.trace}
        return self._change(call).shown() | shown

    def _change(self, call: Call) -> CallChange:
        return CallChange(call, self.executions.state(call))
