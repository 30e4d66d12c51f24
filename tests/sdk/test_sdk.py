"""Cognite's own client, which knows nothing of us, cannot tell the local server from the service."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cognite.client.exceptions import CogniteAPIError

if TYPE_CHECKING:
    from cognite.client import AsyncCogniteClient

FUNCTIONS = Path(__file__).parents[2] / "examples" / "functions"


async def test_it_calls_a_function_and_reads_response_and_logs(client: AsyncCogniteClient) -> None:
    """A call by external id completes, and its response and log lines are what the function returned and printed."""
    data = {"readings": {"TT-101": [17.3, 17.8], "TT-102": [16.9]}, "pause": 0}

    call = await client.functions.call(external_id="signed_report", data=data)
    response = await call.get_response_async()
    logs = await call.get_logs_async()

    assert call.status == "Completed"
    assert response["report"]["call_id"] == call.id
    assert [entry.message for entry in logs] == [
        "1 of 2: TT-101, 2 readings",
        "2 of 2: TT-102, 1 readings",
        "signing",
    ]
    assert all(call.start_time <= entry.timestamp <= call.end_time for entry in logs)


async def test_it_sees_how_a_function_failed(client: AsyncCogniteClient) -> None:
    """A failed call has the function's message and trace where the client looks for them."""
    call = await client.functions.call(external_id="broken_calibration", data={})

    assert call.status == "Failed"
    assert "CalibrationError" in call.error["message"]
    assert "handler.py" in call.error["trace"]


async def test_it_finds_functions(client: AsyncCogniteClient) -> None:
    """Functions are listed, filtered and found by id and external id; an unknown one is None."""
    listed = await client.functions.list(limit=None)
    by_id = await client.functions.retrieve(id=1)
    by_name = await client.functions.retrieve(external_id="double")

    assert {function.external_id for function in listed} == {
        path.parent.name for path in FUNCTIONS.glob("*/handler.py")
    }
    assert by_id == by_name
    assert by_id.status == "Ready"
    assert await client.functions.retrieve(external_id="nowhere") is None
    with pytest.raises(ValueError, match="nowhere"):
        await client.functions.call(external_id="nowhere")


async def test_it_finds_calls_again(client: AsyncCogniteClient) -> None:
    """Finished calls are listed, filtered by status, and found by id."""
    good = await client.functions.call(id=1, data={"x": 1})
    bad = await client.functions.call(id=1, data={})

    listed = await client.functions.calls.list(function_id=1, limit=None)
    failed = await client.functions.calls.list(function_id=1, status="Failed")

    assert {call.id for call in listed} >= {good.id, bad.id}
    assert bad.id in {call.id for call in failed}
    assert good.id not in {call.id for call in failed}
    found = await client.functions.calls.retrieve(call_id=good.id, function_id=1)
    assert found.status == "Completed"


async def test_it_reads_limits_and_status(client: AsyncCogniteClient) -> None:
    """The project's limits and activation are of the form that the client reads."""
    limits = await client.functions.limits()
    status = await client.functions.status()

    assert limits.timeout_minutes > 0
    assert status.status == "activated"


async def test_it_makes_lists_and_revokes_sessions(client: AsyncCogniteClient) -> None:
    """A session is made of client credentials, found, and revoked."""
    session = await client.iam.sessions.create()
    found = await client.iam.sessions.retrieve(session.id)
    revoked = await client.iam.sessions.revoke(session.id)

    assert found.status == "READY"
    assert found.type == "CLIENT_CREDENTIALS"
    assert revoked.status in {"REVOKED", "CANCELLED"}


async def test_a_used_nonce_is_refused_in_words(client: AsyncCogniteClient) -> None:
    """A nonce is bound once; the second call with it is a 400 that speaks of the nonce."""
    nonce = (await client.iam.sessions.create()).nonce
    await client.functions.call(id=1, data={"x": 1}, nonce=nonce)

    with pytest.raises(CogniteAPIError, match="nonce") as caught:
        await client.functions.call(id=1, data={"x": 1}, nonce=nonce)
    assert caught.value.code == 400


async def test_its_token_is_inspected(client: AsyncCogniteClient) -> None:
    """Token inspection shows the project and the capabilities that calling takes."""
    inspection = await client.iam.token.inspect()

    assert [project.url_name for project in inspection.projects] == ["local"]
    assert any("functions" in str(capability.capability).lower() for capability in inspection.capabilities)
