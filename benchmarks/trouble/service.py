"""The simulated project in the place of a client's connections, in the loop's own time, with faults on demand."""

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
    #: What comes of a request: an answer, an exception, or None for what the service itself makes of it.
    Outcome = Callable[["Visit", Process], Answer | Exception | None]

TOKEN_URL = "https://idp.test/token"
BASE_URL = "https://cdf.test"
PROJECT = "acme"
LATENCY = 0.05
EPOCH = 1_700_000_000.0

_PREFIX = f"{BASE_URL}/api/v1/projects/{PROJECT}/"
_TIMEOUT = 60.0
_EVER = 1e9
#: Somebody else's calls are of functions from this number on, so that they fill the project and no function of ours.
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
    """A request that reached the transport, and what came of it."""

    kind: str
    #: Seconds since the scenario began.
    at: float
    function: int | None = None
    #: Of a POST that starts a call.
    key: int | None = None
    #: None while there is no answer, and where there was none.
    status: int | None = None
    #: The service has processed it as it should.
    done: bool = False


@dataclass(kw_only=True, slots=True)
class Reply(Answer):
    """An answer with headers."""

    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(kw_only=True)
class Fault:
    """What happens to some requests for some time.

    Args:
        kinds: Of requests, such as `start` and `poll`.
        outcome: What comes of them.
        begin: Seconds from the scenario's beginning.
        end: Also.
        functions: Of which functions; None for all.
        part: Of the requests, drawn at random.
        times: How many requests at the most.
        delay: Seconds that go by before the outcome; a client that waits for less sees its own time-out.
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
        """Tell whether this is for a request that arrives now."""
        return (
            visit.kind in self.kinds
            and self.begin <= now < self.end
            and (self.functions is None or visit.function in self.functions)
            and self.times != 0
            and chance < self.part
        )


class Line:
    """A client's transport that leads to a simulated project.

    Args:
        seconds: How long the call with each key runs.
        seed: For the faults that hit a part of the requests.
    """

    def __init__(self, seconds: Sequence[float], *, seed: str = "") -> None:
        self.project = Project(Plan(durations=list(seconds), token_life=_EVER))
        self.visits: list[Visit] = []
        self.began = 0.0
        #: Calls with this key and more are somebody else's.
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
        """Let the scenario begin: requests from before count for nothing.

        Args:
            faults: The first that hits a request decides of it, unless its outcome is None.
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
        """Let somebody else start calls that run for *seconds*."""
        for place in range(places):
            self.start(_OTHERS + place // _OTHERS_EACH, seconds)

    def start(self, function: int, seconds: float) -> None:
        """Let somebody else start a call of *function* that runs for *seconds*, if there is a place."""
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
        """Decide what comes of a request."""

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
