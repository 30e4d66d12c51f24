from __future__ import annotations

import json
import traceback
from typing import Any

import pytest

import aiocdf
from aiocdf._engine.service import Service
from aiocdf._wire.http import Request, Response
from aiocdf.errors import DecodeError


class Answering:
    """Stands for the sender, and answers everything with 200 and one body."""

    def __init__(self, body: Any) -> None:
        self.body = body

    async def send(self, request: Request, *, attempts: int | None = None) -> Response:
        body = json.dumps(self.body).encode()
        return Response(status=200, headers={}, body=body, sent_at=0.0, received_at=0.0)


@pytest.mark.parametrize("count", [0, 2])
async def test_other_than_one_function(count) -> None:
    """An answer without exactly the requested function is an error that names the function."""
    service = Service(Answering({"items": [{"id": 1, "name": "f", "status": "Ready"}] * count}), "https://cdf.test")

    with pytest.raises(DecodeError, match=f"look up function double: the answer has {count} functions"):
        await service.function("double")


@pytest.mark.parametrize(
    "item",
    [
        {"nonce": "s3cr3t"},
        {"id": 1, "nonce": "s3cr3t"},
        {"id": "s3cr3t", "status": "READY", "nonce": "s3cr3t"},
        {"id": 1, "status": "READY", "nonce": ["s3cr3t"]},
    ],
)
async def test_odd_session(item) -> None:
    """Statement 18: if a session is not readable, its nonce is in no message and in no traceback's locals."""
    with pytest.raises(DecodeError) as caught:
        await Service(Answering({"items": [item]}), "https://cdf.test").new_session({"tokenExchange": True})
    stack = traceback.TracebackException.from_exception(caught.value, capture_locals=True).stack
    frames = [f"{frame.name} {frame.locals}" for frame in stack if frame.filename.startswith(aiocdf.__path__[0])]

    assert frames
    assert "s3cr3t" not in f"{caught.value}{frames}"
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("count", [0, 2])
async def test_other_than_one_session(count) -> None:
    """An answer without exactly one session is an error with the number of sessions."""
    items = [{"id": 1, "status": "READY", "nonce": "n"}] * count
    with pytest.raises(DecodeError, match=f"create a session: the answer has {count} sessions"):
        await Service(Answering({"items": items}), "https://cdf.test").new_session({"tokenExchange": True})
