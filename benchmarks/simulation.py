"""The simulated project: its calls end by the clock, so that it needs no timers and no work.

All functions take the time as an argument, in seconds since the epoch.
"""

from __future__ import annotations

import heapq
import json
import re
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import Any

PER_FUNCTION = 100
PER_PROJECT = 250
NONCE_LIFE = 60.0

_CALL = re.compile(r"functions/(\d+)/call(?:s/(byids|list|\d+)(?:/(response|logs))?)?")


@dataclass(kw_only=True)
class Plan:
    """The parameters of a run for the service.

    Args:
        durations: How long the call with each key runs, in seconds; the key is the member `key` of the call's data.
        token_life: Seconds until an access token expires.
        token_delay: The additional latency of the token endpoint, in seconds.
    """

    durations: list[float]
    token_life: float = 3600.0
    token_delay: float = 0.0


@dataclass(kw_only=True, slots=True)
class Call:
    """A call that was started."""

    id: int
    function: int
    key: int
    start: float
    end: float
    #: When a client first learned of the end.
    seen: float | None = None

    def shown(self, now: float) -> dict[str, Any]:
        """Return the call as the API shows it."""
        shown = {
            "id": self.id,
            "functionId": self.function,
            "status": "Running",
            "startTime": int(self.start * 1000),
        }
        return shown if now < self.end else shown | {"status": "Completed", "endTime": int(self.end * 1000)}


@dataclass(kw_only=True, slots=True)
class Session:
    """A session, and how long its nonce is valid."""

    id: int
    nonce: str
    expires: float
    #: A call was started with its nonce.
    active: bool = False

    def shown(self) -> dict[str, Any]:
        """Return the session as the API shows it after it was created."""
        status = "ACTIVE" if self.active else "READY"
        return {"id": self.id, "status": status, "type": "CLIENT_CREDENTIALS", "clientId": "benchmark"}


@dataclass(kw_only=True, slots=True)
class Answer:
    """An answer to a request, and the calls whose end it reports."""

    body: Any
    status: int = 200
    ended: list[Call] = field(default_factory=list)


def _refusal(status: int, message: str, **more: Any) -> Answer:
    return Answer(status=status, body={"error": {"code": status, "message": message, **more}})


class Project:
    """The state of a project, and the answers to requests.

    Args:
        plan: How long calls and tokens last.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.counts: Counter[str] = Counter()
        self.calls: dict[int, Call] = {}
        self._tokens: dict[str, float] = {}
        self._sessions: dict[int, Session] = {}
        self._by_nonce: dict[str, Session] = {}
        self._started: dict[int, list[Call]] = defaultdict(list)
        self._running: dict[int, list[float]] = defaultdict(list)
        self._all: list[float] = []

    def token(self, now: float) -> Answer:
        """Answer with an access token."""
        self.counts["token"] += 1
        token = f"token-{len(self._tokens)}"
        self._tokens[token] = now + self.plan.token_life
        life = int(self.plan.token_life)
        return Answer(body={"access_token": token, "token_type": "Bearer", "expires_in": life})

    def answer(self, method: str, path: str, body: bytes, token: str, now: float) -> Answer:
        """Answer a request.

        Args:
            method: The HTTP method, such as `POST`.
            path: The path after the project's address.
            body: The request's body, decompressed.
            token: The bearer token.
            now: The time of the request.
        """
        if self._tokens.get(token, 0.0) <= now:
            self.counts["unauthorized"] += 1
            return _refusal(401, "Unauthorized")
        match method, path:
            case "POST", "sessions":
                return self._session(now)
            case "POST", "sessions/byids":
                return self._statuses(json.loads(body))
            case "POST", "functions/byids":
                return self._functions(json.loads(body))
            case "GET", "functions/limits":
                return self._limits()
        if found := _CALL.fullmatch(path):
            return self._of_calls(found, body, now)
        self.counts["unknown"] += 1
        return _refusal(404, f"{method} {path} is not part of the simulation")

    def _of_calls(self, found: re.Match[str], body: bytes, now: float) -> Answer:
        """Answer a request about the calls of a function."""
        function, which, part = int(found[1]), found[2], found[3]
        if which is None:
            return self._start(function, json.loads(body), now)
        if which == "byids":
            return self._poll(json.loads(body), now)
        if which == "list":
            return self._list(function, json.loads(body), now)
        return self._read(int(which), part, now)

    def _session(self, now: float) -> Answer:
        self.counts["sessions"] += 1
        number = len(self._sessions) + 1
        session = Session(id=number, nonce=f"nonce-{number}", expires=now + NONCE_LIFE)
        self._sessions[number] = self._by_nonce[session.nonce] = session
        return Answer(body={"items": [session.shown() | {"nonce": session.nonce}]})

    def _statuses(self, body: Any) -> Answer:
        self.counts["session statuses"] += 1
        ids = [item["id"] for item in body["items"]]
        if unknown := [{"id": number} for number in ids if number not in self._sessions]:
            return _refusal(400, "Session ids not found", missing=unknown)
        return Answer(body={"items": [self._sessions[number].shown() for number in ids]})

    def _functions(self, body: Any) -> Answer:
        self.counts["functions"] += 1
        ids = [item.get("id") or int(item["externalId"].removeprefix("function-")) for item in body["items"]]
        return Answer(
            body={
                "items": [
                    {
                        "id": number,
                        "externalId": f"function-{number}",
                        "name": f"function {number}",
                        "status": "Ready",
                        "createdTime": 0,
                        "fileId": 1,
                    }
                    for number in ids
                ]
            }
        )

    def _limits(self) -> Answer:
        self.counts["limits"] += 1
        one = {"min": 1.0, "max": 1.0, "default": 1.0}
        return Answer(body={"timeoutMinutes": 10, "cpuCores": one, "memoryGb": one, "runtimes": ["py311"]})

    def _start(self, function: int, body: Any, now: float) -> Answer:
        """Start a call within the limits, with an unused nonce. A rejected request does not use the nonce."""
        self.counts["call"] += 1
        for owner, running, most in (
            ("Function", _still(self._running[function], now), PER_FUNCTION),
            ("Project", _still(self._all, now), PER_PROJECT),
        ):
            if running >= most:
                self.counts["throttled"] += 1
                message = f"{owner} exceeded maximum number='{most}' of concurrent calls. Please try again later."
                return _refusal(429, message, isAutoRetryable=True)
        session = self._by_nonce.get(body["nonce"])
        if session is None or session.active or session.expires <= now:
            self.counts["nonces refused"] += 1
            return _refusal(400, f"Failed to bind session using nonce for: {function}")
        session.active = True
        key = body["data"]["key"]
        call = self.start(function, key, now, now + self.plan.durations[key])
        return Answer(status=201, body=call.shown(now))

    def start(self, function: int, key: int, now: float, end: float) -> Call:
        """Start a call whatever the limits are; a key below 0 marks the call of another client."""
        call = Call(id=10**15 + len(self.calls), function=function, key=key, start=now, end=end)
        self.calls[call.id] = call
        self._started[function].append(call)
        heapq.heappush(self._running[function], call.end)
        heapq.heappush(self._all, call.end)
        return call

    def count_running(self, function: int, now: float) -> int:
        """Return how many calls of a function run."""
        return _still(self._running[function], now)

    def _list(self, function: int, body: Any, now: float) -> Answer:
        """List the calls of a function that started within a range, the newest first."""
        self.counts["lists"] += 1
        started = body.get("filter", {}).get("startTime", {})
        least, most = started.get("min", 0), started.get("max", 1 << 60)
        skipped, limit = int(body.get("cursor") or 0), body.get("limit", 100)
        found = [call for call in reversed(self._started[function]) if least <= int(call.start * 1000) <= most]
        page = found[skipped : skipped + limit]
        more = {"nextCursor": str(skipped + limit)} if len(found) > skipped + limit else {}
        return Answer(body={"items": [call.shown(now) for call in page], **more})

    def _poll(self, body: Any, now: float) -> Answer:
        self.counts["polls"] += 1
        ids = [item["id"] for item in body["items"]]
        unknown = [{"id": number} for number in ids if number not in self.calls]
        if unknown and not body.get("ignoreUnknownIds"):
            return _refusal(400, "Unknown call ids", missing=unknown)
        found = [self.calls[number] for number in ids if number in self.calls]
        return Answer(
            body={"items": [call.shown(now) for call in found]}, ended=[call for call in found if call.end <= now]
        )

    def _read(self, number: int, part: str | None, now: float) -> Answer:
        self.counts[part or "polls"] += 1
        call = self.calls.get(number)
        if call is None:
            return _refusal(400, "Unknown call ids", missing=[{"id": number}])
        if part == "logs":
            return Answer(body={"items": []})
        if part is None:
            return Answer(body=call.shown(now), ended=[call] if call.end <= now else [])
        if now < call.end:
            return _refusal(400, f"Call {number} is still running")
        return Answer(
            body={"functionId": call.function, "callId": number, "response": {"key": call.key, "twice": 2 * call.key}}
        )


def _still(ends: list[float], now: float) -> int:
    """Return how many of the calls that end at these times still run, and forget the others."""
    while ends and ends[0] <= now:
        heapq.heappop(ends)
    return len(ends)
