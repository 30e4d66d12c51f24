"""The possible outcomes of a request in trouble."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trouble.service import Reply

from aiocdf.errors import ConnectError, ProtocolError, TransportTimeout

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulation import Answer
    from trouble.service import Outcome, Process, Visit


def refuse(status: int, message: str, *, headers: Mapping[str, str] | None = None, **more: object) -> Outcome:
    """Answer with an error, and do nothing else."""
    body = {"error": {"code": status, "message": message, **more}}
    return lambda _visit, _process: Reply(status=status, body=body, headers=headers or {})


def unavailable() -> Outcome:
    """Answer 503 as a gateway does, without information about retries."""
    page = "<html><body>503 Service Temporarily Unavailable</body></html>"
    return lambda _visit, _process: Reply(status=503, body=page, headers={"content-type": "text/html"})


def garbage(*, done: bool = False) -> Outcome:
    """Answer with success and an unreadable body.

    Args:
        done: Whether the service processes the request.
    """

    def outcome(_visit: Visit, process: Process) -> Answer:
        if done:
            process()
        return Reply(status=200, body="\ufffd no JSON {")

    return outcome


def unreachable() -> Outcome:
    """Let the connection fail."""
    return lambda visit, _process: ConnectError(f"{visit.kind}: no connection: the simulated host is away")


def no_answer() -> Outcome:
    """Let the client wait until it times out; the service does not process the request."""
    return lambda visit, _process: TransportTimeout(f"{visit.kind}: no answer in time")


def hangs_after() -> Outcome:
    """Process the request, and let the client wait for an answer until it times out."""

    def outcome(visit: Visit, process: Process) -> Exception:
        process()
        return TransportTimeout(f"{visit.kind}: no answer in time")

    return outcome


def lost_request() -> Outcome:
    """Break the connection before the service reads the request."""
    return lambda visit, _process: ProtocolError(f"{visit.kind}: the connection broke")


def lost_answer() -> Outcome:
    """Process the request, and break the connection before the answer."""

    def outcome(visit: Visit, process: Process) -> Exception:
        process()
        return ProtocolError(f"{visit.kind}: the connection broke")

    return outcome


def unreadable_end() -> Outcome:
    """Answer a poll that reports an ended call, and corrupt the first such item."""

    def outcome(_visit: Visit, process: Process) -> Answer | None:
        answer = process()
        ended = next((item for item in answer.body["items"] if item["status"] != "Running"), None)
        if ended is None:
            return None
        ended["startTime"] = "yesterday"
        answer.ended = [call for call in answer.ended if call.id != ended["id"]]
        return answer

    return outcome


class Bucket:
    """Accepts a number of requests a second and rejects the others: a token bucket that is full at the start.

    Args:
        rate: Requests a second, and as many at once.
        headers: The headers of the rejections.
    """

    def __init__(self, rate: float, headers: Mapping[str, str]) -> None:
        self._rate = rate
        self._refuse = refuse(429, "Too Many Requests", headers=headers)
        self._tokens = rate
        self._filled_at = 0.0

    def __call__(self, visit: Visit, process: Process) -> Answer | Exception | None:
        """Use a token, or reject the request."""
        now = max(self._filled_at, visit.at)
        self._tokens = min(self._rate, self._tokens + (now - self._filled_at) * self._rate)
        self._filled_at = now
        if self._tokens < 1:
            return self._refuse(visit, process)
        self._tokens -= 1
        return None
