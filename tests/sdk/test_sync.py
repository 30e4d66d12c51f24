"""Cognite's synchronous client, in versions 7 and 8, deploys, calls, schedules and cleans up at the local server."""

from __future__ import annotations

import io
import time
import zipfile
from typing import TYPE_CHECKING

import pytest
from cognite.client.data_classes import FunctionScheduleWrite
from cognite.client.exceptions import CogniteAPIError, CogniteNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from cognite.client import CogniteClient
    from cognite.client.data_classes import Function

# Version 7 warns of every address that is not one of Cognite's.
pytestmark = pytest.mark.filterwarnings("ignore:Given base URL may be invalid")

CODE = 'def handle(data):\n    print("working")\n    return {"twice": 2 * data["x"]}\n'


def ready(function: Function) -> Function:
    """Wait until a function is Ready, as users of this client do."""
    while function.status in {"Queued", "Deploying"}:
        time.sleep(0.05)
        function.update()
    assert function.status == "Ready", function.error
    return function


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the code of a function."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "handler.py").write_text(CODE)
    return tmp_path / "code"


def test_from_a_folder(sync_client: CogniteClient, folder: Path) -> None:
    """A function of a folder is uploaded, built, called, found again with its calls, and deleted."""
    function = ready(sync_client.functions.create(name="sync folder", external_id="sync", folder=str(folder)))
    call = function.call(data={"x": 2})

    assert call.get_response() == {"twice": 4}
    assert [entry.message for entry in call.get_logs()] == ["working"]
    assert sync_client.functions.retrieve(external_id="sync").id == function.id
    assert [found.id for found in sync_client.functions.list(name="sync folder")] == [function.id]
    assert [found.id for found in function.list_calls()] == [call.id]
    assert [found.id for found in sync_client.functions.calls.list(function_id=function.id, limit=None)] == [call.id]
    assert sync_client.functions.calls.retrieve(call.id, function_id=function.id).status == "Completed"
    sync_client.functions.delete(external_id="sync")
    assert sync_client.functions.retrieve(external_id="sync") is None


def test_from_a_function(sync_client: CogniteClient) -> None:
    """The source of `handle` itself is uploaded, and a call that was not waited for is."""

    def handle(data):  # type: ignore[no-untyped-def]
        return data["x"] + 1

    function = ready(sync_client.functions.create(name="sync handle", function_handle=handle))
    call = sync_client.functions.call(id=function.id, data={"x": 2}, wait=False)
    call.wait()

    assert call.get_response() == 3
    sync_client.functions.delete(id=function.id)


def test_from_a_file(sync_client: CogniteClient) -> None:
    """A zip file that was uploaded before is used by its id."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.writestr("handler.py", CODE)
    file = sync_client.files.upload_bytes(content.getvalue(), name="code.zip")
    function = ready(sync_client.functions.create(name="sync file", file_id=file.id))

    assert sync_client.files.download_bytes(id=file.id) == content.getvalue()
    assert function.call(data={"x": 1}).get_response() == {"twice": 2}
    sync_client.functions.delete(id=function.id)
    sync_client.files.delete(id=file.id)


def test_schedules(sync_client: CogniteClient, folder: Path) -> None:
    """A schedule is created with a session of its own or a given nonce, listed, read and deleted."""
    function = ready(sync_client.functions.create(name="sync daily", folder=str(folder)))
    made = sync_client.functions.schedules.create(
        name="sync daily", cron_expression="0 6 * * *", function_id=function.id, data={"x": 1}
    )
    nonce = sync_client.iam.sessions.create().nonce
    given = sync_client.functions.schedules.create(
        FunctionScheduleWrite(name="given", cron_expression="0 7 * * *", function_id=function.id, nonce=nonce)
    )

    listed = sync_client.functions.schedules.list(function_id=function.id)
    assert {schedule.id for schedule in listed} == {made.id, given.id}
    assert sync_client.functions.schedules.get_input_data(id=made.id) == {"x": 1}
    assert sync_client.functions.schedules.retrieve(id=made.id).when
    sync_client.functions.schedules.delete(id=made.id)
    sync_client.functions.delete(id=function.id)
    assert not sync_client.functions.schedules.list(function_id=function.id)


def test_failures(sync_client: CogniteClient) -> None:
    """A failed call, a used nonce and an unknown function are what the client makes of them."""
    failed = sync_client.functions.call(external_id="broken_calibration", data={})
    nonce = sync_client.iam.sessions.create().nonce
    sync_client.functions.call(id=1, data={"x": 1}, nonce=nonce)

    assert failed.status == "Failed"
    assert "CalibrationError" in failed.error["message"]
    with pytest.raises(CogniteAPIError, match="nonce"):
        sync_client.functions.call(id=1, data={"x": 1}, nonce=nonce)
    with pytest.raises(CogniteNotFoundError):
        sync_client.functions.delete(external_id="nowhere")


def test_limits_and_sessions(sync_client: CogniteClient) -> None:
    """Limits, activation, the token and sessions are of the form that the client reads."""
    session = sync_client.iam.sessions.create()

    assert sync_client.functions.limits().timeout_minutes == 9
    assert sync_client.functions.status().status == "activated"
    assert sync_client.iam.token.inspect().projects[0].url_name == "local"
    assert sync_client.iam.sessions.retrieve(session.id).status == "READY"
    assert sync_client.iam.sessions.list(status="ready", limit=5)
    sync_client.iam.sessions.revoke(session.id)
