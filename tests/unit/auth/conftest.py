"""A transport that answers from a script, and a look at what a traceback shows."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Callable
from typing import Any

import pytest

import aiocdf
from aiocdf import _clock
from aiocdf._wire.http import Request, Response
from aiocdf.auth import ClientCredentials
from aiocdf.errors import TransportError


class ScriptedTransport:
    """Gives one answer after the other, the last one again and again.

    Args:
        answers: A body (an object, or bytes), a status, both, or a transport error.
        takes: Seconds until an answer is there.
        headers: Sent with each answer.
    """

    def __init__(self, *answers: Any, takes: float = 0.0, headers: dict[str, str] | None = None) -> None:
        self.answers = answers
        self.takes = takes
        self.headers = headers or {}
        self.requests: list[Request] = []
        self.times: list[float] = []

    async def send(self, request: Request) -> Response:
        answer = self.answers[min(len(self.requests), len(self.answers) - 1)]
        sent_at = _clock.monotonic()
        self.requests.append(request)
        self.times.append(sent_at)
        await asyncio.sleep(self.takes)
        if isinstance(answer, TransportError):
            raise answer
        status, body = answer if isinstance(answer, tuple) else (200, answer)
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        return Response(status=status, headers=self.headers, body=body, sent_at=sent_at, received_at=_clock.monotonic())


@pytest.fixture
def script() -> type[ScriptedTransport]:
    """The class of transports that answer from a script."""
    return ScriptedTransport


@pytest.fixture
def credentials() -> ClientCredentials:
    """Credentials with a secret that is easy to find where it must not be."""
    return ClientCredentials(
        token_url="https://idp.test/token",
        client_id="app",
        client_secret="s3cr3t",
        extra={"assertion": "s3cr3t-too"},
    )


@pytest.fixture
def shown() -> Callable[[BaseException], str]:
    """What an error report with all locals of aiocdf's frames would show."""

    def show(error: BaseException) -> str:
        report = traceback.TracebackException.from_exception(error, capture_locals=True)
        frames = [
            frame
            for frame in report.stack
            if frame.filename.startswith(aiocdf.__path__[0]) or "attrs" in frame.filename
        ]
        assert frames, "the exception was not raised in aiocdf"
        local = "".join(f"{frame.name}: {frame.locals}\n" for frame in frames)
        context = show(error.__context__) if error.__context__ else ""
        return f"{local}{error!r}{vars(error)}{context}"

    return show
