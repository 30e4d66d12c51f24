"""The simulated project as a client's transport, in the loop's time, with faults on demand."""

from __future__ import annotations

import asyncio
import json
import random
import re
from dataclasses import dataclass, field, replace
from email.utils import formatdate
from typing import TYPE_CHECKING, Any, Self

from simulation import Answer, Call, Plan, Project

from aiocdf._wire.http import Response

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Mapping, Sequence

    from aiocdf._wire.http import Request

    Process = Callable[[], Answer]
    #: The outcome of a request: an answer, an exception, or None for the service's normal answer.
    Outcome = Callable[["Visit", Process], Answer | Exception | None]

TOKEN_URL = "https://idp.test/token"
BASE_URL = "https://cdf.test"
PROJECT = "acme"
LATENCY = 0.05
EPOCH = 1_700_000_000.0

_PREFIX = f"{BASE_URL}/api/v1/projects/{PROJECT}/"
_TIMEOUT = 60.0
_EVER = 1e9
#: Other clients call functions from this number on, so that they fill the project but none of our functions.
_OTHERS = 901
_OTHERS_EACH = 80
_KINDS = {
    "token": re.compile(r"/token$"),
    "session": re.compile(r"/sessions$"),
    "sessions": re.compile(r"/sessions/byids$"),
    "lookup": re.compile(r"/functions/byids$"),
    "limits": re.compile(r"/functions/limits$"),
    "start": re.compile(r"/functions/(\d+)/call$"),
    "list": re.compile(r"/functions/(\d+)/calls/list$"),
    "poll": re.compile(r"/functions/(\d+)/calls/byids$"),
    "read": re.compile(r"/functions/(\d+)/calls/\d+"),
}


@dataclass(kw_only=True, slots=True)
class Visit:
    """A request that reached the transport, and its outcome."""

    kind: str
    #: Seconds since the scenario began.
    at: float
    function: int | None = None
    #: The key of the call that a POST starts.
    key: int | None = None
    #: None before the answer, and if there was none.
    status: int | None = None
    #: Whether the service processed it normally.
    done: bool = False


@dataclass(kw_only=True, slots=True)
class Reply(Answer):
    """An answer with headers."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Fault:
    """A fault that affects some requests for some time.

    Args:
        kinds: The kinds of requests, such as `start` and `poll`.
        outcome: Their outcome.
        begin: When the fault begins, in seconds from the scenario's start.
        end: When the fault ends, likewise.
        functions: The affected functions; None for all.
        part: The fraction of affected requests, drawn at random.
        times: The maximum number of affected requests.
        delay: Seconds before the outcome. A client with a shorter time limit sees a time-out.
    """

    kinds: Container[str]
    outcome: Outcome
    begin: float = 0.0
    end: float = _EVER
    functions: Container[int] | None = None
    part: float = 1.0
    times: int | None = None
    delay: float = 0.0

    def hits(self, visit: Visit, now: float, chance: float) -> bool:
        """Return whether this fault affects a request that arrives now."""
        return (
            visit.kind in self.kinds
            and self.begin <= now < self.end
            and (self.functions is None or visit.function in self.functions)
            and self.times != 0
            and chance < self.part
        )


class Line:
    """A client's transport to a simulated project.

    Args:
        seconds: How long the call with each key runs, in seconds.
        seed: The seed for faults that hit a part of the requests.
    """

    def __init__(self, seconds: Sequence[float], *, seed: str = "") -> None:
        self.project = Project(Plan(durations=list(seconds), token_life=_EVER))
        self.visits: list[Visit] = []
        self.began = 0.0
        #: Calls with this key or a larger one belong to other clients.
        self._ours = len(seconds)
        self._faults: Sequence[Fault] = ()
        self._random = random.Random(seed)

    async def open(self) -> None:
        """Open nothing: there are no connections."""

    async def aclose(self) -> None:
        """Close nothing."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    def now(self) -> float:
        """Return the seconds since the scenario began."""
        return asyncio.get_running_loop().time() - self.began

    def begin(self, faults: Sequence[Fault]) -> None:
        """Start the scenario. Earlier requests are not counted.

        Args:
            faults: The faults. The first one that affects a request decides its outcome, unless that is None.
        """
        self.began += self.now()
        self.visits.clear()
        self._faults = faults

    def calls(self) -> list[Call]:
        """Return the calls that the client has started since the beginning, with times that count from there."""
        zero = EPOCH + self.began
        return [
            replace(call, start=call.start - zero, end=call.end - zero, seen=call.seen and call.seen - zero)
            for call in self.project.calls.values()
            if call.function < _OTHERS and call.start >= zero and call.key < self._ours
        ]

    def occupy(self, places: int, seconds: float) -> None:
        """Let another client start calls that run for *seconds*."""
        for place in range(places):
            self.start(_OTHERS + place // _OTHERS_EACH, seconds)

    def start(self, function: int, seconds: float) -> None:
        """Let another client start a call of *function* that runs for *seconds*, if a slot is free."""
        key = len(self.project.plan.durations)
        self.project.plan.durations.append(seconds)
        token = self.project.token(self._time()).body["access_token"]
        session = self.project.answer("POST", "sessions", b"", token, self._time())
        body = {"nonce": session.body["items"][0]["nonce"], "data": {"key": key}}
        self.project.answer("POST", f"functions/{function}/call", json.dumps(body).encode(), token, self._time())

    def key(self, call_id: int) -> int:
        """Return the key of a call."""
        return self.project.calls[call_id].key

    async def send(self, request: Request) -> Response:
        """Answer as the service would, or as a fault says."""
        sent_at = asyncio.get_running_loop().time()
        visit = self._visit(request)
        self.visits.append(visit)
        await asyncio.sleep(LATENCY / 2)
        answer = await self._outcome(request, visit)
        await asyncio.sleep(LATENCY / 2)
        if isinstance(answer, Exception):
            raise answer
        for call in answer.ended:
            call.seen = call.seen or self._time()
        visit.status = answer.status
        return self._response(answer, sent_at)

    async def _outcome(self, request: Request, visit: Visit) -> Answer | Exception:
        """Decide the outcome of a request."""

        def process() -> Answer:
            visit.done = True
            return self._process(request)

        for fault in self._faults:
            if fault.hits(visit, self.now(), self._random.random()):
                if fault.delay:
                    await asyncio.sleep(min(fault.delay, request.timeout or _TIMEOUT))
                outcome = fault.outcome(visit, process)
                if outcome is not None:
                    fault.times = None if fault.times is None else fault.times - 1
                    return outcome
        return process()

    def _process(self, request: Request) -> Answer:
        if request.url == TOKEN_URL:
            return self.project.token(self._time())
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        path = request.url.removeprefix(_PREFIX)
        return self.project.answer(request.method, path, request.body or b"", token, self._time())

    def _visit(self, request: Request) -> Visit:
        kind, found = next(
            (kind, match) for kind, pattern in _KINDS.items() if (match := pattern.search(request.url)) is not None
        )
        key = json.loads(request.body or b"")["data"]["key"] if kind == "start" else None
        return Visit(kind=kind, at=self.now(), function=int(found[1]) if found.groups() else None, key=key)

    def _response(self, answer: Answer, sent_at: float) -> Response:
        headers = {"date": formatdate(self._time(), usegmt=True), "content-type": "application/json"}
        if isinstance(answer, Reply):
            headers |= answer.headers
        text: Any = answer.body if isinstance(answer.body, str) else json.dumps(answer.body)
        received_at = asyncio.get_running_loop().time()
        return Response(
            status=answer.status, headers=headers, body=text.encode(), sent_at=sent_at, received_at=received_at
        )

    def _time(self) -> float:
        """Return the time in seconds since the epoch."""
        return EPOCH + asyncio.get_running_loop().time()
