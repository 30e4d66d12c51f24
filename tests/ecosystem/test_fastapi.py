"""The example of a FastAPI service, asked as over HTTP."""

from __future__ import annotations

import pytest
from fastapi_service import app
from httpx import ASGITransport, AsyncClient


@pytest.fixture
async def http(cdf_environment):
    """A client of the service, while it runs."""
    transport = ASGITransport(app)
    async with app.router.lifespan_context(app), AsyncClient(transport=transport, base_url="http://test") as http:
        yield http


async def test_run(http):
    """It answers with what the function returns."""
    assert (await http.post("/run/double", json={"x": 2})).json() == {"value": 4}


async def test_start_and_show(http):
    """It hands out the reference of a call, and says later what became of the call."""
    started = await http.post("/calls/double", json={"x": 2})
    assert started.status_code == 202
    shown = await http.get(f"/calls/{started.json()['ref']}")
    assert shown.json() == {"status": "Completed", "value": {"value": 4}}


@pytest.mark.parametrize(
    ("function", "data", "status"),
    [("nobody", {}, 404), ("broken_calibration", {"currents": {"TT-104": 2.0}}, 502), ("double", [1], 422)],
)
async def test_errors(http, function, data, status):
    """An unknown function is 404, one that fails 502, and data that is no object is refused before any call."""
    answer = await http.post(f"/run/{function}", json=data)
    assert answer.status_code == status
    assert answer.json()
