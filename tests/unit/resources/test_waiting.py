"""Waits of the resources, in virtual time."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from aiocdf._wire.http import Request, Response, StorageRequest
from aiocdf.errors import DecodeError, FunctionNotReady, TransportTimeout, WaitExpired
from aiocdf.resources.deploying.readiness import until_ready
from aiocdf.resources.deploying.requests import FunctionRequests
from aiocdf.resources.files import Files

pytestmark = pytest.mark.looptime
URL = "https://cdf.test/api/v1/projects/acme"


class Service:
    """Stands for the sender: answers of a list, the last one again and again, and when they were asked for."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.times: list[float] = []

    async def send(self, request: Request) -> Response:
        body = {}
        if not isinstance(request, StorageRequest):
            self.times.append(asyncio.get_running_loop().time())
            body = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return Response(status=200, headers={}, body=json.dumps(body).encode(), sent_at=0.0, received_at=0.0)


def function(status: str, **more: Any) -> dict[str, Any]:
    return {"items": [{"id": 1, "name": "f", "status": status, **more}]}


def functions(*answers: Any) -> tuple[Service, FunctionRequests]:
    service = Service(*answers)
    return service, FunctionRequests(service, URL)


async def test_looks_grow_rare() -> None:
    """A function is looked at soon at first, and then at growing intervals, so that minutes take few requests."""
    service, requests = functions(*[function("Queued")] * 20, *[function("Deploying")] * 20, function("Ready"))
    ready = await until_ready(requests, 1, None)

    gaps = [later - earlier for earlier, later in zip(service.times, service.times[1:], strict=False)]
    assert ready.status == "Ready"
    assert gaps[0] < 0.5
    assert max(gaps) < 17
    assert min(gaps[20:]) > 13


async def test_expires_on_time() -> None:
    """A wait with a timeout looks a last time at its end, and then raises."""
    service, requests = functions(function("Deploying"))
    with pytest.raises(WaitExpired):
        await until_ready(requests, 1, 100.0)

    assert asyncio.get_running_loop().time() == pytest.approx(100.0)
    assert service.times[-1] == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ({"message": "Function deployment failed.", "trace": "pip...\nERROR: no pandas==99\n"}, "ERROR: no pandas==99"),
        ({"message": "Function deployment failed.", "trace": None}, "Function deployment failed"),
        ("no pandas", "no pandas"),
        (None, "Failed"),
    ],
)
async def test_failed(error, expected) -> None:
    """Whatever the service says of a failed deployment is in the message, the last line of its log at the end."""
    _, requests = functions(function("Failed", error=error))
    with pytest.raises(FunctionNotReady) as caught:
        await until_ready(requests, "f", None)

    assert str(caught.value).endswith(expected)
    assert "'f'" in str(caught.value)


async def test_unknown_status() -> None:
    """A status that is new to us ends the wait: it might never end."""
    _, requests = functions(function("Retired"))
    with pytest.raises(FunctionNotReady, match="Retired"):
        await until_ready(requests, 1, None)


async def test_other_than_one_function() -> None:
    """An answer that has not just the function that was asked for cannot be read."""
    _, requests = functions({"items": []})
    with pytest.raises(DecodeError, match="look up function 1"):
        await until_ready(requests, 1, None)


CREATED = {"id": 7, "name": "a", "uploaded": False, "uploadUrl": "https://storage.test/a"}


def file(*, uploaded: bool) -> dict[str, Any]:
    return {"items": [{"id": 7, "name": "a", "uploaded": uploaded}]}


async def test_content_arrives_later() -> None:
    """An upload returns once the service says that it has the content."""
    service = Service(CREATED, file(uploaded=False), file(uploaded=False), file(uploaded=True))
    made = await Files(service, URL).upload("a", b"a")

    assert made.uploaded
    assert len(service.times) == 4


async def test_content_never_arrives() -> None:
    """An upload that is not confirmed within a minute raises with the file's id."""
    service = Service(CREATED, file(uploaded=False))
    with pytest.raises(TransportTimeout, match="7"):
        await Files(service, URL).upload("a", b"a")

    assert 60 <= asyncio.get_running_loop().time() < 70


@pytest.mark.parametrize("answer", [{}, {"uploadUrl": 3}, {"uploadUrl": "https://storage.test/hush-hush-hush"}])
async def test_odd_file(answer) -> None:
    """A new file that cannot be read leaves the address of its content in no message."""
    with pytest.raises(DecodeError) as caught:
        await Files(Service(answer), URL).upload("a", b"a")

    assert "hush" not in str(caught.value)
