"""The service in memory, used as a client's transport: no sockets, no processes, and the loop's own clock."""

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
    """A service that follows the rules of Cognite Functions for calls, sessions and limits, with faults on demand.

    It runs no processes: a Python function decides the outcome of a call when the call starts. Its clock is the loop's, so
    a call of an hour takes no time on a loop with virtual time.

    Args:
        latency: Seconds from each request to its answer.
        function_limit: Calls of one function that may run at once.
        project_limit: Calls in the project that may run at once.
        nonce_life: Seconds for which the nonce of a session can be used.
    """

    #: The kinds of requests that it knows, with their paths; the method `_[kind]` answers them.
    kinds: ClassVar[Mapping[str, str]] = KINDS

    latency: float = 0.01
    function_limit: int = 100
    project_limit: int = 250
    nonce_life: float = 60.0
    #: The functions' ids, by external id.
    functions: dict[str, int] = attrs.field(factory=dict)
    #: The status of all functions.
    status: str = "Ready"
    #: How many seconds the service's clock is ahead of the loop's.
    ahead: float = 0.0
    #: How many slots calls of other clients use, by function.
    others: Counter[int] = attrs.field(factory=Counter)
    #: Keys with which requests for sessions are rejected, such as `tokenExchange`.
    refused_grants: set[str] = attrs.field(factory=set)
    #: Calls that the service no longer knows.
    forgotten: set[int] = attrs.field(factory=set)
    #: All requests in order.
    seen: list[RequestSeen] = attrs.field(factory=list)
    calls: dict[int, FakeCall] = attrs.field(factory=dict)
    #: The maximum number of calls that ran at once, by function, and for "project" in the whole project.
    peak: Counter[int | str] = attrs.field(factory=Counter)
    #: When each nonce was created, and which nonces have been used.
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
            external_id: The function's external id.
            handle: Gets the data of each call when the call starts. The call returns the value that it returns, or fails
                with the error that it raises. After a `TimeoutError`, the call ends as stopped at its time limit.
            seconds: How long each call runs, in seconds.
        """
        number = self.functions.setdefault(external_id, len(self.functions) + 1)
        self._handles[number] = handle, seconds
        return number

    @hide_arguments  # one of them may be a secret
    def client(self, **arguments: Any) -> Client:
        """Return a client of this service. Open it with `async with`.

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
        """Set the outcomes of the next requests of a kind, one per request.

        Args:
            kind: The kind of requests: a key of `kinds`, such as `start` or `poll`.
            outcomes: For each request an exception, an `Answer`, either in a `Late`, or None for a request that succeeds.
        """
        self._faults[kind].extend(outcomes)

    def always(self, kind: str, outcome: Any) -> None:
        """Set the outcome of every request of a kind; None to remove it."""
        self._always[kind] = outcome

    def count(self, kind: str) -> int:
        """Return how many requests of a kind there were."""
        return len(self.of(kind))

    def of(self, kind: str) -> list[RequestSeen]:
        """Return the requests of a kind."""
        return [seen for seen in self.seen if seen.kind == kind]

    def start(self, function: int = 1, **data: Any) -> FakeCall:
        """Start a call as another client would, or as the schedule that `schedule` names."""
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
        """Decide the outcome of a call. Subclasses may override it."""
        handle, seconds = self._handles[function]
        return run_handle(handle, data, seconds)

    def __repr__(self) -> str:
        """Return counts only, because requests contain nonces."""
        counts = f"{len(self.functions)} functions, {len(self.calls)} calls, {len(self.seen)} requests"
        return f"<{type(self).__name__}: {counts}>"

    # The transport

    async def open(self) -> None:
        """Do nothing: the service needs no connection."""

    async def aclose(self) -> None:
        """Reject further token requests."""
        self.always("token", ConnectionError("used after it was closed"))

    async def send(self, request: Request) -> Response:
        """Answer like the service, or as a fault says."""
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
            # An exception that is raised repeatedly would keep the frames of each time.
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
            return error(400, "grant not allowed")
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
            return error(400, f"function {function} is not Ready or does not exist")
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
