"""The service in memory, in the place of a client's transport: without sockets and processes, in the loop's own time."""

from __future__ import annotations

import itertools
import json
import math
import re
from collections import Counter, defaultdict, deque
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import TYPE_CHECKING, Any, ClassVar

import attrs

from aiocdf import _clock
from aiocdf._wire.http import Response
from aiocdf.auth import BearerToken
from aiocdf.client import Client
from aiocdf.config import Settings
from aiocdf.secret import hide_arguments
from aiocdf.testing.answers import KINDS, Answer, Late, RequestSeen, error, function_in, items
from aiocdf.testing.runs import FakeCall, Run, run_handle, seconds_since_1970

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiocdf._wire.http import Request

__all__ = ["FakeService"]


@attrs.define(slots=False, eq=False, repr=False)
class FakeService:
    """A service that keeps the rules of Cognite Functions for calls, sessions and limits, with faults on demand.

    It runs no processes: what a call does is decided by a Python function as the call starts. Its clock is the loop's, so
    that on a loop with virtual time a call of an hour takes no time.

    Args:
        latency: Seconds from each request to its answer.
        function_limit: Calls of one function that may run at once.
        project_limit: Calls that may run at once in all.
        nonce_life: Seconds for which the nonce of a session can be used.
    """

    #: The paths of the requests that it knows; the method `_answer_[kind]` answers them.
    kinds: ClassVar[Mapping[str, str]] = KINDS

    latency: float = 0.01
    function_limit: int = 100
    project_limit: int = 250
    nonce_life: float = 60.0
    #: The functions' ids, by external id.
    functions: dict[str, int] = attrs.field(factory=dict)
    #: The status of all functions.
    status: str = "Ready"
    #: The service's clock is ahead of the loop's by so many seconds.
    ahead: float = 0.0
    #: Places that calls of others take, by function.
    others: Counter[int] = attrs.field(factory=Counter)
    #: Keys that requests for sessions are refused with, such as `tokenExchange`.
    refused_grants: set[str] = attrs.field(factory=set)
    #: Calls that the service no longer knows.
    forgotten: set[int] = attrs.field(factory=set)
    #: All requests, in their order.
    seen: list[RequestSeen] = attrs.field(factory=list)
    calls: dict[int, FakeCall] = attrs.field(factory=dict)
    #: How many calls ran at once at most, by function, and as "project".
    peak: Counter[int | str] = attrs.field(factory=Counter)
    #: When each nonce was made, and which have been used.
    nonces: dict[str, float] = attrs.field(factory=dict)
    bound: set[str] = attrs.field(factory=set)
    #: The nonce of each session.
    sessions: dict[int, str] = attrs.field(factory=dict)
    _handles: dict[int, tuple[Callable[[Any], Any], float]] = attrs.field(factory=dict)
    _running: list[FakeCall] = attrs.field(factory=list)
    _faults: dict[str, deque[Any]] = attrs.field(factory=lambda: defaultdict(deque))
    _always: dict[str, Any] = attrs.field(factory=dict)
    _ids: itertools.count[int] = attrs.field(factory=lambda: itertools.count(1000))

    answer: ClassVar[type[Answer]] = Answer
    late: ClassVar[type[Late]] = Late

    @staticmethod
    def error(status: int, message: str, *, headers: dict[str, str] | None = None, **more: Any) -> Answer:
        """Return the answer of an error in the service's form; *more* are further members of its error object."""
        return error(status, message, headers=headers, **more)

    def add(self, external_id: str, handle: Callable[[Any], Any], *, seconds: float = 1.0) -> int:
        """Add a function, and return its id.

        Args:
            external_id: How it is called.
            handle: Gets the data of each call as the call starts. What it returns, the call returns; what it raises, the
                call fails with; with a `TimeoutError`, the service stops the call at its time limit.
            seconds: How long each call runs.
        """
        number = self.functions.setdefault(external_id, len(self.functions) + 1)
        self._handles[number] = handle, seconds
        return number

    @hide_arguments  # of which one may be a secret
    def client(self, **arguments: Any) -> Client:
        """Return a client of this service, not open yet.

        Args:
            arguments: Arguments of `Client`, and fields of `Settings`.
        """
        changes = {a.name: arguments.pop(a.name) for a in attrs.fields(Settings) if a.name in arguments}
        given: dict[str, Any] = {
            "credentials": BearerToken("token"),
            "base_url": "https://cdf.test",
            "settings": Settings(**changes),
        }
        return Client("acme", **({"transport": self} | given | arguments))

    def fault(self, kind: str, *outcomes: Any) -> None:
        """Let the next requests of a kind end so, one after the other.

        Args:
            kind: Which requests: a key of `kinds`, such as `start` or `poll`.
            outcomes: An exception, an `Answer`, either in a `Late`, or None for a request that goes well.
        """
        self._faults[kind].extend(outcomes)

    def always(self, kind: str, outcome: Any) -> None:
        """Let every request of a kind end so; None for no more."""
        self._always[kind] = outcome

    def count(self, kind: str) -> int:
        """Return how many requests of a kind there were."""
        return len(self.of(kind))

    def of(self, kind: str) -> list[RequestSeen]:
        """Return the requests of a kind."""
        return [seen for seen in self.seen if seen.kind == kind]

    def start(self, function: int = 1, **data: Any) -> FakeCall:
        """Start a call as another client would, or with `schedule` a schedule."""
        schedule = data.pop("schedule", None)
        call = FakeCall(
            id=next(self._ids),
            function=function,
            data=data,
            run=self.run(function, data),
            started=_clock.monotonic(),
            schedule=schedule,
            ahead=self.ahead,
        )
        self.calls[call.id] = call
        self._running.append(call)
        return call

    def run(self, function: int, data: Any) -> Run:
        """Decide what becomes of a call; may be overridden."""
        handle, seconds = self._handles[function]
        return run_handle(handle, data, seconds)

    def __repr__(self) -> str:
        """Say how much there is of everything; requests hold nonces."""
        counts = f"{len(self.functions)} functions, {len(self.calls)} calls, {len(self.seen)} requests"
        return f"<{type(self).__name__}: {counts}>"

    # The transport

    async def open(self) -> None:
        """Be there already."""

    async def aclose(self) -> None:
        """Answer no more requests for tokens."""
        self.always("token", ConnectionError("used after it was closed"))

    async def send(self, request: Request) -> Response:
        """Answer as the service would, or as a fault says."""
        sent_at = _clock.monotonic()
        seen = self._see(request, sent_at)
        faults = self._faults[seen.kind]
        fault = faults.popleft() if faults else self._always.get(seen.kind)
        await _clock.sleep(self.latency / 2)
        answer = getattr(self, f"_{seen.kind}")(seen) if fault is None or isinstance(fault, Late) else fault
        if isinstance(fault, Late):
            answer = fault.outcome
        await _clock.sleep(self.latency / 2)
        if isinstance(answer, Exception):
            # An error that is raised again and again would keep the frames of every time.
            raise answer.with_traceback(None)
        return self._response_of(answer, sent_at)

    def _see(self, request: Request, sent_at: float) -> RequestSeen:
        kind = next(kind for kind, path in self.kinds.items() if re.search(path, request.url))
        body = json.loads(request.body) if request.body and kind != "token" else None
        function = function_in(request.url)
        seen = RequestSeen(kind, sent_at, function, body, dict(request.headers), request.url)
        self.seen.append(seen)
        return seen

    def _response_of(self, answer: Answer, sent_at: float) -> Response:
        text = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        now = _clock.monotonic()
        date = datetime.fromtimestamp(seconds_since_1970(self.ahead + now), UTC)
        headers = {"date": format_datetime(date, usegmt=True), "content-type": "application/json"} | answer.headers
        return Response(status=answer.status, headers=headers, body=text.encode(), sent_at=sent_at, received_at=now)

    # The answers, by kinds of requests

    def _token(self, _: RequestSeen) -> Answer:
        return Answer(200, {"access_token": "token", "token_type": "Bearer", "expires_in": 3600})

    def _session(self, seen: RequestSeen) -> Answer:
        (item,) = seen.body["items"]
        if self.refused_grants & item.keys():
            return error(400, "this grant is not for you")
        nonce = f"nonce-{next(self._ids)}"
        self.nonces[nonce] = _clock.monotonic()
        session = next(self._ids)
        self.sessions[session] = nonce
        return items({"id": session, "status": "READY", "nonce": nonce})

    def _sessions(self, seen: RequestSeen) -> Answer:
        wanted = [item["id"] for item in seen.body["items"]]
        if missing := [{"id": number} for number in wanted if number not in self.sessions]:
            return error(400, "unknown sessions", missing=missing)
        bound = {number: self.sessions[number] in self.bound for number in wanted}
        return items(*({"id": number, "status": "ACTIVE" if active else "READY"} for number, active in bound.items()))

    def _lookup(self, seen: RequestSeen) -> Answer:
        (item,) = seen.body["items"]
        known: dict[str, Any] = {
            "externalId": self.functions,
            "id": {number: number for number in self.functions.values()},
        }
        ((key, name),) = item.items()
        if name not in known[key]:
            return error(400, "unknown functions", missing=[item])
        return items({"id": known[key][name], "name": "f", "status": self.status, "error": {"message": "no numpy"}})

    def _limits(self, _: RequestSeen) -> Answer:
        return Answer(200, {"timeoutMinutes": 10})

    def _start(self, seen: RequestSeen) -> Answer:
        function = seen.function or 0
        if function not in self.functions.values() or self.status != "Ready":
            return error(400, f"function {function} cannot be called")
        nonce = seen.body["nonce"]
        if nonce in self.bound or _clock.monotonic() - self.nonces.get(nonce, float("-inf")) > self.nonce_life:
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

    def _poll(self, seen: RequestSeen) -> Answer:
        wanted = [item["id"] for item in seen.body["items"]]
        known = [call for call in map(self.calls.get, wanted) if call and call.id not in self.forgotten]
        return items(*(call.wire for call in known if call.function == seen.function))

    def _list(self, seen: RequestSeen) -> Answer:
        span = seen.body["filter"].get("startTime", {"min": 0})
        wires = [call.wire for call in self.calls.values() if call.function == seen.function]
        return items(*(wire for wire in wires if span["min"] <= wire["startTime"] <= span.get("max", math.inf)))

    def _retrieve(self, seen: RequestSeen) -> Answer:
        number = int(seen.url.rpartition("/")[2])
        call = self.calls.get(number)
        if call is None or number in self.forgotten or call.function != seen.function:
            return error(404, f"call {number} not found")
        return Answer(200, call.wire)

    def _response(self, seen: RequestSeen) -> Answer:
        return Answer(200, self._call(seen).response)

    def _logs(self, seen: RequestSeen) -> Answer:
        return items(*self._call(seen).logs)

    def _call(self, seen: RequestSeen) -> FakeCall:
        return self.calls[int(seen.url.split("/")[-2])]
