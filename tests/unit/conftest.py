"""The service without sockets: what a client needs of it, in the loop's own time, with faults on demand.

What a call does is in its data: `seconds` it runs, `value` it returns, `error` it fails with, `timeout` to be stopped,
and `fields` to replace in what the service says of it once it has ended.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import math
import re
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any

import attrs
import looptime
import pytest

from aiocdf import BearerToken, Client, Settings
from aiocdf._wire.http import Response

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Coroutine, Iterator

    from aiocdf._wire.http import Request

EPOCH = 1_700_000_000.0
FUNCTION = re.compile(r"/functions/(\d+)/call")
KINDS = {
    "token": r"/token$",
    "session": r"/sessions$",
    "sessions": r"/sessions/byids$",
    "lookup": r"/functions/byids$",
    "limits": r"/functions/limits$",
    "start": r"/functions/\d+/call$",
    "poll": r"/functions/\d+/calls/byids$",
    "list": r"/functions/\d+/calls/list$",
    "retrieve": r"/functions/\d+/calls/\d+$",
    "response": r"/calls/\d+/response$",
    "logs": r"/calls/\d+/logs$",
}


def now() -> float:
    return asyncio.get_running_loop().time()


@attrs.frozen
class Answer:
    """A fault: the service does nothing and answers this."""

    status: int
    body: Any = ""
    headers: dict[str, str] = attrs.field(factory=dict)


@attrs.frozen
class Late:
    """A fault: the service does what it was asked to, and then this comes instead of its answer."""

    outcome: Exception | Answer


@attrs.define(eq=False)
class Call:
    """A call at the service."""

    id: int
    function: int
    data: dict[str, Any]
    started: float
    schedule: int | None = None
    #: The service's clock, ahead of ours.
    ahead: float = 0.0

    @property
    def ends(self) -> float:
        return self.started + self.data.get("seconds", 1.0)

    @property
    def running(self) -> bool:
        return now() < self.ends

    @property
    def wire(self) -> dict[str, Any]:
        """The call as the service tells of it."""
        started = _ms(self.started + self.ahead)
        seen = {"id": self.id, "functionId": self.function, "status": "Running", "startTime": started}
        if self.schedule is not None:
            seen["scheduleId"] = self.schedule
        if self.running:
            return seen
        status = "Failed" if "error" in self.data else "Timeout" if "timeout" in self.data else "Completed"
        seen |= {"status": status, "endTime": _ms(self.ends + self.ahead)}
        if "error" in self.data:
            seen["error"] = self.data["error"]
        seen |= self.data.get("fields", {})
        return {name: value for name, value in seen.items() if value is not None}


@attrs.frozen
class Seen:
    """A request that the service got."""

    kind: str
    at: float
    function: int | None
    body: Any
    headers: dict[str, str]
    url: str


@attrs.define(slots=False, eq=False)
class Service:
    """The service, in the place of a client's transport."""

    #: By external id.
    functions: dict[str, int] = attrs.field(factory=lambda: {"double": 1, "other": 2})
    status: str = "Ready"
    latency: float = 0.01
    function_limit: int = 100
    project_limit: int = 250
    nonce_life: float = 60.0
    #: Its clock is ahead of ours by so many seconds.
    ahead: float = 0.0
    #: Places that somebody else's calls take.
    others: Counter[int] = attrs.field(factory=Counter)
    refused_grants: set[str] = attrs.field(factory=set)
    forgotten: set[int] = attrs.field(factory=set)
    seen: list[Seen] = attrs.field(factory=list)
    calls: dict[int, Call] = attrs.field(factory=dict)
    peak: Counter[int | str] = attrs.field(factory=Counter)
    #: When each nonce was made, and which have been used.
    nonces: dict[str, float] = attrs.field(factory=dict)
    bound: set[str] = attrs.field(factory=set)
    #: The session of each nonce.
    sessions: dict[int, str] = attrs.field(factory=dict)
    _running: list[Call] = attrs.field(factory=list)
    _faults: dict[str, deque[Any]] = attrs.field(factory=lambda: defaultdict(deque))
    _always: dict[str, Any] = attrs.field(factory=dict)
    _ids: Any = attrs.field(factory=lambda: itertools.count(1000))

    answer = staticmethod(Answer)
    late = staticmethod(Late)

    @staticmethod
    def error(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """A fault: the service does nothing and answers this error."""
        return attrs.evolve(error(status, message, **more), headers=headers or {})

    def client(self, **arguments: Any) -> Client:
        """A client of this service, not open yet; settings may stand among the arguments."""
        changes = {a.name: arguments.pop(a.name) for a in attrs.fields(Settings) if a.name in arguments}
        given = {"credentials": BearerToken("token"), "base_url": "https://cdf.test", "settings": Settings(**changes)}
        return Client("acme", **({"transport": self} | given | arguments))

    def fault(self, kind: str, *outcomes: Any) -> None:
        """Let the next requests of a kind end so, one after the other; None for a good one."""
        self._faults[kind].extend(outcomes)

    def always(self, kind: str, outcome: Any) -> None:
        """Let every request of a kind end so; None for no more."""
        self._always[kind] = outcome

    def count(self, kind: str) -> int:
        return sum(seen.kind == kind for seen in self.seen)

    def of(self, kind: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.kind == kind]

    def start(self, function: int = 1, **data: Any) -> Call:
        """Somebody else starts a call."""
        schedule = data.pop("schedule", None)
        call = Call(next(self._ids), function, data, now(), schedule, self.ahead)
        self.calls[call.id] = call
        self._running.append(call)
        return call

    async def open(self) -> None:
        """Be there already."""

    async def aclose(self) -> None:
        self.always("token", ConnectionError("used after it was closed"))

    async def send(self, request: Request) -> Response:
        """Answer as the service would, or as a fault says."""
        sent_at = now()
        kind = next(kind for kind, path in KINDS.items() if re.search(path, request.url))
        number = FUNCTION.search(request.url)
        body = json.loads(request.body) if request.body and kind != "token" else None
        seen = Seen(kind, sent_at, int(number[1]) if number else None, body, dict(request.headers), request.url)
        self.seen.append(seen)
        fault = self._faults[kind].popleft() if self._faults[kind] else self._always.get(kind)
        await asyncio.sleep(self.latency / 2)
        answer = getattr(self, f"_{kind}")(seen) if fault is None or isinstance(fault, Late) else fault
        if isinstance(fault, Late):
            answer = fault.outcome
        await asyncio.sleep(self.latency / 2)
        if isinstance(answer, Exception):
            raise answer
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        date = format_datetime(datetime.fromtimestamp(EPOCH + self.ahead + now(), UTC), usegmt=True)
        headers = {"date": date, "content-type": "application/json"} | answer.headers
        return Response(status=answer.status, headers=headers, body=text.encode(), sent_at=sent_at, received_at=now())

    def _token(self, _: Seen) -> Answer:
        return Answer(200, {"access_token": "token", "token_type": "Bearer", "expires_in": 3600})

    def _session(self, seen: Seen) -> Answer:
        (item,) = seen.body["items"]
        if self.refused_grants & item.keys():
            return error(400, "this grant is not for you")
        nonce = f"nonce-{next(self._ids)}"
        self.nonces[nonce] = now()
        session = next(self._ids)
        self.sessions[session] = nonce
        return items({"id": session, "status": "READY", "nonce": nonce})

    def _sessions(self, seen: Seen) -> Answer:
        wanted = [item["id"] for item in seen.body["items"]]
        if missing := [{"id": number} for number in wanted if number not in self.sessions]:
            return error(400, "unknown sessions", missing=missing)
        bound = {number: self.sessions[number] in self.bound for number in wanted}
        return items(*({"id": number, "status": "ACTIVE" if active else "READY"} for number, active in bound.items()))

    def _lookup(self, seen: Seen) -> Answer:
        (item,) = seen.body["items"]
        known = {"externalId": self.functions, "id": {number: number for number in self.functions.values()}}
        ((key, name),) = item.items()
        if name not in known[key]:
            return error(400, "unknown functions", missing=[item])
        return items({"id": known[key][name], "name": "f", "status": self.status, "error": {"message": "no numpy"}})

    def _limits(self, _: Seen) -> Answer:
        return Answer(200, {"timeoutMinutes": 10})

    def _start(self, seen: Seen) -> Answer:
        function = seen.function or 0
        if function not in self.functions.values() or self.status != "Ready":
            return error(400, f"function {function} cannot be called")
        nonce = seen.body["nonce"]
        if nonce in self.bound or now() - self.nonces.get(nonce, float("-inf")) > self.nonce_life:
            return error(400, "invalid nonce")
        self._running = [call for call in self._running if call.running]
        running = Counter(call.function for call in self._running) + self.others
        if running[function] >= self.function_limit:
            return error(429, "too many running calls of this function")
        if running.total() >= self.project_limit:
            return error(429, "too many running calls in this project")
        self.bound.add(nonce)
        self.peak |= Counter({function: running[function] + 1, "project": running.total() + 1})
        return Answer(201, self.start(function, **seen.body["data"]).wire)

    def _poll(self, seen: Seen) -> Answer:
        wanted = [item["id"] for item in seen.body["items"]]
        known = [call for call in map(self.calls.get, wanted) if call and call.id not in self.forgotten]
        return items(*(call.wire for call in known if call.function == seen.function))

    def _list(self, seen: Seen) -> Answer:
        function = int(seen.url.split("/")[-3])
        span = seen.body["filter"].get("startTime", {"min": 0})
        wires = [call.wire for call in self.calls.values() if call.function == function]
        return items(*(wire for wire in wires if span["min"] <= wire["startTime"] <= span.get("max", math.inf)))

    def _retrieve(self, seen: Seen) -> Answer:
        number = int(seen.url.rpartition("/")[2])
        call = self.calls.get(number)
        if call is None or number in self.forgotten or f"/functions/{call.function}/" not in seen.url:
            return error(404, f"call {number} not found")
        return Answer(200, call.wire)

    def _response(self, seen: Seen) -> Answer:
        call = self._call(seen)
        said = {"response": call.data["value"]} if "value" in call.data else {}
        return Answer(200, {"callId": call.id, "functionId": call.function, **said})

    def _logs(self, seen: Seen) -> Answer:
        call = self._call(seen)
        seconds = int(min(now(), call.ends) - call.started)
        return items(*({"message": f"second {n}", "timestamp": _ms(call.started + n)} for n in range(seconds + 1)))

    def _call(self, seen: Seen) -> Call:
        return self.calls[int(seen.url.split("/")[-2])]


def _ms(time: float) -> int:
    return int(1000 * (EPOCH + time))


def items(*found: Any) -> Answer:
    return Answer(200, {"items": found})


def error(status: int, message: str, **more: Any) -> Answer:
    return Answer(status, {"error": {"code": status, "message": message, **more}})


@pytest.fixture
def service() -> Service:
    """The service of this test, which its clients have for a transport."""
    return Service()


@pytest.fixture
async def client(service: Service, reports: list[dict[str, Any]]) -> AsyncIterator[Client]:
    """An open client of the service."""
    async with service.client() as client:
        yield client


@pytest.fixture(scope="session")
def quick_collections() -> Iterator[None]:
    """Lets the garbage collector pass over what was there before the first test: thousands of modules' worth."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def reports(quick_collections: None) -> AsyncIterator[list[dict[str, Any]]]:
    """What the loop's exception handler was told; a test that expects something takes it out."""
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: told.append(context))
    yield told
    gc.collect()
    await asyncio.sleep(0)
    assert told == []


@pytest.fixture(scope="module")
def new_service() -> type[Service]:
    """Makes services, for tests of many examples."""
    return Service


@pytest.fixture(scope="module")
def virtual(quick_collections: None) -> Callable[[Coroutine[Any, Any, None]], None]:
    """Runs a coroutine on a loop of its own in virtual time, and fails on what its exception handler is told."""

    def run(scenario: Coroutine[Any, Any, None]) -> None:
        told: list[dict[str, Any]] = []
        with asyncio.Runner(loop_factory=looptime.new_event_loop) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: told.append(context))
            runner.run(scenario)
            gc.collect()
        assert told == []

    return run
