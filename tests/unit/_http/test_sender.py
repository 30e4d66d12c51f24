from __future__ import annotations

import asyncio
import json
from typing import Any

import attrs
import pytest

from aiocdf._http.sender import Sender
from aiocdf._wire.http import Request, Response, StorageRequest
from aiocdf.config import Retrying
from aiocdf.errors import (
    AiocdfError,
    ApiError,
    AuthError,
    BadRequest,
    ConnectError,
    ProtocolError,
    RateLimited,
    ServerError,
    TransportTimeout,
    Unauthorized,
)
from aiocdf.secret import Secret
from aiocdf.telemetry import RequestDone

pytestmark = pytest.mark.looptime

READ = Request(name="read something", method="GET", url="https://cdf.test/x", headers={"x-own": "1"})
CALL = attrs.evolve(READ, name="call function 12", method="POST", body=b"{}", repeatable=False)
HUNG = object()


class Script:
    """A transport that gives one outcome after the other, the last one again and again, each after a second."""

    def __init__(self, *outcomes: Any) -> None:
        self.outcomes = outcomes
        self.body: object = None
        self.requests: list[Request] = []
        self.times: list[float] = []

    async def send(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        outcome = self.outcomes[min(len(self.requests), len(self.outcomes) - 1)]
        self.requests.append(request)
        self.times.append(loop.time())
        await asyncio.sleep(1.0)
        if outcome is HUNG:
            await asyncio.Event().wait()
        if isinstance(outcome, Exception):
            raise outcome
        if isinstance(outcome, bytes):
            return Response(status=200, headers={}, body=outcome, sent_at=self.times[-1], received_at=loop.time())
        status, headers = outcome if isinstance(outcome, tuple) else (outcome, {})
        body = json.dumps(self.body or {"error": {"code": status, "message": "sorry"}}).encode()
        return Response(status=status, headers=headers, body=body, sent_at=self.times[-1], received_at=loop.time())

    @property
    def tokens(self) -> list[str]:
        return [request.headers["authorization"] for request in self.requests]


@attrs.define
class Authorizer:
    """Gives tokens; a rejected one is replaced if there are more."""

    tokens: list[str] = attrs.field(factory=lambda: ["s3cr3t-1"], repr=False)
    rejections: int = 0
    troubles: list[AuthError] = attrs.field(factory=list)

    async def token(self) -> Secret:
        if self.troubles:
            raise self.troubles.pop(0)
        if not self.tokens:
            raise AuthError("no token")
        return Secret(self.tokens[0])

    async def rejected(self, used: Secret) -> bool:
        self.rejections += 1
        if used == Secret(self.tokens[0]) and len(self.tokens) > 1:
            del self.tokens[0]
            return True
        return False


@attrs.define
class Rig:
    script: Script
    authorizer: Authorizer
    events: list[RequestDone]
    sender: Sender

    @property
    def seen(self) -> list[tuple[int | None, int]]:
        return [(event.status, event.attempt) for event in self.events]


@pytest.fixture
def rig(monkeypatch):
    """A sender on a script, without chance: every wait is the longest there can be."""
    monkeypatch.setattr("aiocdf._clock.jitter", lambda low, high: high)

    def make(*outcomes: Any, tokens: tuple[str, ...] = ("s3cr3t-1",), **retry: Any) -> Rig:
        script, authorizer, events = Script(*outcomes), Authorizer(list(tokens)), []
        retrying = Retrying(**({"attempts": 4, "base": 1.0, "cap": 60.0} | retry))
        sender = Sender(script, authorizer, headers={"x-all": "a", "x-own": "b"}, retry=retrying, emit=events.append)
        return Rig(script, authorizer, events, sender)

    return make


async def test_success(rig) -> None:
    """A request goes out with the token, its own headers and those of all, its own counting for more."""
    it = rig(201)
    response = await it.sender.send(READ)

    assert response.status == 201
    assert it.script.requests[0].headers == {"x-all": "a", "x-own": "1", "authorization": "Bearer s3cr3t-1"}
    assert it.script.requests[0].url == READ.url
    assert [attrs.astuple(event) for event in it.events] == [("read something", 201, 1, 1.0)]


async def test_answer_that_repeats_what_was_sent(rig) -> None:
    """An error that quotes the answer shows neither the token nor what the request carried, in whatever field."""
    it = rig(400, tokens=("s3cr3t-bearer",))
    sent = "s3cr3t-bearer s3cr3t-nonce"
    it.script.body = {"error": {"message": sent, "missing": [{"id": sent}], "duplicated": [{sent: 1}]}}
    with pytest.raises(ApiError) as caught:
        await it.sender.send(attrs.evolve(READ, secrets=(Secret("s3cr3t-nonce"),)))

    assert "s3cr3t" not in f"{caught.value!r}{vars(caught.value)}"
    assert it.script.requests[0].secrets == (Secret("s3cr3t-bearer"), Secret("s3cr3t-nonce"))


async def test_retries(rig) -> None:
    """Temporary failures are tried again after waits that double, with an event for each attempt."""
    it = rig(503, ProtocolError("broken"), TransportTimeout("late"), 200)
    await it.sender.send(READ)

    assert it.script.times == [0.0, 2.0, 5.0, 10.0]
    assert it.seen == [(503, 1), (None, 2), (None, 3), (200, 4)]


async def test_no_token_for_the_moment(rig) -> None:
    """An identity provider in trouble is asked again, for a request that only reads; one that refuses is not."""
    it = rig(200)
    it.authorizer.troubles = [AuthError("no answer", passing=True)] * 2
    await it.sender.send(READ)
    assert it.script.times == [3.0]

    it.authorizer.troubles = [AuthError("wrong secret")]
    with pytest.raises(AuthError, match="wrong secret"):
        await it.sender.send(READ)


async def test_garbled_answers(rig) -> None:
    """After an answer that is not JSON the request is sent again, but never a call; the last answer is returned."""
    healed = rig(b"<html>", b'{"items": [', b' {"items": []} ')
    assert (await healed.sender.send(READ)).body == b' {"items": []} '

    wrong = rig(b"<html>")
    assert (await wrong.sender.send(READ)).body == b"<html>"
    assert len(wrong.script.requests) == 3

    call = rig(b"<html>")
    assert (await call.sender.send(CALL)).body == b"<html>"
    assert len(call.script.requests) == 1


@pytest.mark.parametrize(
    ("outcome", "kind"), [(503, ServerError), (ProtocolError("broken"), ProtocolError), (429, RateLimited)]
)
async def test_gives_up(rig, outcome, kind) -> None:
    """After the last attempt the last error is raised as it is, without a wait."""
    it = rig(outcome)
    with pytest.raises(kind):
        await it.sender.send(READ)

    assert it.script.times == [0.0, 2.0, 5.0, 10.0]
    assert asyncio.get_running_loop().time() == 11.0


@pytest.mark.parametrize("status", [302, 400, 403, 404, 409, 501])
async def test_final_answers(rig, status) -> None:
    """What would come out the same is raised at once."""
    it = rig(status)
    with pytest.raises(ApiError) as caught:
        await it.sender.send(READ)

    assert caught.value.status == status
    assert it.seen == [(status, 1)]


@pytest.mark.parametrize("outcome", [503, 429, ProtocolError("broken"), TransportTimeout("late")])
async def test_what_must_not_run_twice(rig, outcome) -> None:
    """A request that may have done something, and must not do it twice, is sent once."""
    it = rig(outcome)
    with pytest.raises((ApiError, ProtocolError, TransportTimeout)):
        await it.sender.send(CALL)

    assert len(it.script.requests) == 1


async def test_what_was_never_sent(rig) -> None:
    """Without a connection nothing was done, so that even what must not run twice is tried again."""
    it = rig(ConnectError("refused"), 201)
    assert (await it.sender.send(CALL)).status == 201


@pytest.mark.parametrize(("said", "attempts"), [("true", 4), ("false", 1)])
@pytest.mark.parametrize("request_", [READ, CALL])
async def test_the_service_knows_best(rig, said, attempts, request_) -> None:
    """`cdf-is-auto-retryable` decides, whatever the status and the request."""
    it = rig((503, {"cdf-is-auto-retryable": said}))
    with pytest.raises(ServerError):
        await it.sender.send(request_)

    assert len(it.script.requests) == attempts


async def test_retry_after(rig) -> None:
    """A wait that the service requests is obeyed, with a little added."""
    it = rig((429, {"retry-after": "7"}), 200)
    await it.sender.send(READ)

    assert it.script.times == [0.0, pytest.approx(8.1)]


async def test_retry_after_beyond_patience(rig) -> None:
    """If the service requests more than the cap, the request fails at once."""
    it = rig((503, {"retry-after": "61"}))
    with pytest.raises(ServerError):
        await it.sender.send(READ)

    assert len(it.script.requests) == 1


async def test_one_attempt(rig) -> None:
    """A request with one attempt is sent once, with any setting."""
    it = rig(503)
    with pytest.raises(ServerError):
        await it.sender.send(READ, attempts=1)

    assert len(it.script.requests) == 1


@pytest.mark.parametrize("request_", [READ, CALL])
async def test_renewed_token(rig, request_) -> None:
    """A 401 with a token that can be renewed is replayed once at once, a request that must not run twice as well."""
    it = rig(401, 200, tokens=("s3cr3t-1", "s3cr3t-2"))
    await it.sender.send(request_, attempts=1)

    assert it.script.tokens == ["Bearer s3cr3t-1", "Bearer s3cr3t-2"]
    assert it.script.times == [0.0, 1.0]
    assert it.seen == [(401, 1), (200, 2)]


async def test_token_refused_twice(rig) -> None:
    """A new token that is rejected as well is the last: the request is not repeated for ever."""
    it = rig(401, tokens=("s3cr3t-1", "s3cr3t-2", "s3cr3t-3"))
    with pytest.raises(Unauthorized):
        await it.sender.send(READ)

    assert (len(it.script.requests), it.authorizer.rejections) == (2, 1)


async def test_token_that_cannot_be_renewed(rig) -> None:
    """Where there is no better token, the 401 is the answer."""
    it = rig(401)
    with pytest.raises(Unauthorized):
        await it.sender.send(READ)

    assert len(it.script.requests) == 1


async def test_no_token(rig) -> None:
    """Without a token nothing is sent, and nothing tried again."""
    it = rig(200, tokens=())
    with pytest.raises(AuthError):
        await it.sender.send(READ)

    assert it.script.requests == []
    assert it.events == []


@pytest.mark.parametrize("after", [0.5, 1.5, 2.5])
async def test_cancelled(rig, after) -> None:
    """A cancellation during an attempt or between two leaves no task behind, and no event is missing."""
    it = rig(503, HUNG)
    before = asyncio.all_tasks()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(after):
            await it.sender.send(READ)

    assert asyncio.all_tasks() == before
    assert len(it.events) == len(it.script.requests)
    await asyncio.sleep(100.0)
    assert len(it.script.requests) == (2 if after > 2.0 else 1)


@pytest.mark.parametrize(
    ("outcomes", "tokens"),
    [
        ([400], 1),
        ([401], 1),
        ([401], 2),
        ([503], 1),
        ([ProtocolError("broken")], 1),
        ([ConnectError("refused")], 1),
        ([401, TransportTimeout("late")], 2),
        ([RuntimeError("a fault")], 1),
    ],
)
async def test_no_token_in_a_traceback(rig, leaks, outcomes, tokens) -> None:
    """Statement 17: no error's report with locals, down to the transport, holds the token."""
    it = rig(*outcomes, tokens=tuple(f"s3cr3t-{n}" for n in range(tokens)))
    with pytest.raises((AiocdfError, RuntimeError)) as caught:
        await it.sender.send(READ)

    assert not leaks(caught.value)


async def test_retried_error_does_not_pile_up(rig) -> None:
    """The error of the last attempt does not drag those before it along."""
    it = rig(503, 502, BadRequest("odd", status=400))
    with pytest.raises(BadRequest) as caught:
        await it.sender.send(READ)

    assert caught.value.__context__ is None


UPLOAD = StorageRequest(
    name="upload file 1",
    method="PUT",
    url="https://storage.test/x?key=s3cr3t-key-of-the-address",
    headers={"content-type": "application/zip"},
    body=b"PK",
    secrets=(Secret("s3cr3t-key-of-the-address"),),
)


@pytest.mark.parametrize("answer", [b"", b"<xml/>"])
async def test_storage_gets_no_token(rig, answer) -> None:
    """A content goes to where files are kept without the token and the headers of the API; any answer will do."""
    it = rig(answer)
    response = await it.sender.send(UPLOAD)

    assert response.body == answer
    (sent,) = it.script.requests
    assert sent == UPLOAD
    assert it.seen == [(200, 1)]


async def test_storage_in_trouble(rig) -> None:
    """A transfer that fails on the way is repeated, and may be silent for as long as the content takes."""
    it = rig(503, TransportTimeout("no answer"), b"")
    await it.sender.send(UPLOAD)

    assert [request.silence for request in it.script.requests] == [None] * 3


async def test_storage_refuses(rig) -> None:
    """A 401 of the storage says nothing of the token, and its error does not repeat the key in the address."""
    it = rig(401)
    it.script.body = {"error": "no such key: s3cr3t-key-of-the-address"}
    with pytest.raises(Unauthorized) as caught:
        await it.sender.send(UPLOAD)

    assert it.authorizer.rejections == 0
    assert "s3cr3t" not in str(caught.value)
