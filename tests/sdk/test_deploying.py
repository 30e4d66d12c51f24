"""Cognite's own client deploys functions and schedules to the local server, and cleans up."""

from __future__ import annotations

import asyncio
import io
import zipfile
from typing import TYPE_CHECKING

import pytest
from cognite.client.data_classes import FunctionScheduleWrite, FunctionWrite
from cognite.client.data_classes.functions import FunctionFilter
from cognite.client.exceptions import CogniteAPIError, CogniteDuplicatedError, CogniteNotFoundError

if TYPE_CHECKING:
    from pathlib import Path

    from cognite.client import AsyncCogniteClient
    from cognite.client.data_classes import Function

CODE = 'def handle(data, secrets):\n    print("working")\n    return {"twice": 2 * data["x"], "key": secrets["key"]}\n'


async def ready(client: AsyncCogniteClient, function: Function) -> Function:
    """Wait until a function is Ready, as users of this client do."""
    while function.status in {"Queued", "Deploying"}:
        await asyncio.sleep(0.05)
        await function.update_async()
    assert function.status == "Ready", function.error
    return function


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write the code of a function."""
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "handler.py").write_text(CODE)
    return tmp_path / "code"


async def test_from_a_folder(client: AsyncCogniteClient, folder: Path) -> None:
    """A function of a folder is uploaded, built, called, found in lists, and deleted."""
    function = await client.functions.create(
        name="of a folder",
        external_id="folder",
        folder=str(folder),
        secrets={"key": "hush"},
        metadata={"team": "blue"},
        description="what it is for",
        env_vars={"MODE": "test"},
    )
    await ready(client, function)
    call = await function.call_async(data={"x": 2})

    assert await call.get_response_async() == {"twice": 4, "key": "hush"}
    assert [entry.message for entry in await call.get_logs_async()] == ["working"]
    assert function.secrets == {"key": "***"}
    assert [found.id for found in await client.functions.list(name="of a folder")] == [function.id]
    assert [found.id for found in await client.functions.list(metadata={"team": "blue"})] == [function.id]
    assert [found.id for found in await client.functions.list(external_id_prefix="fold", status="Ready")] == [
        function.id
    ]
    assert [found.id for found in await function.list_calls_async()] == [call.id]

    await client.functions.delete(external_id="folder")
    assert await client.functions.retrieve(external_id="folder") is None


async def test_from_a_function(client: AsyncCogniteClient) -> None:
    """The source of `handle` itself is uploaded."""

    def handle(data):  # type: ignore[no-untyped-def]
        return data["x"] + 1

    function = await client.functions.create(name="of a function", function_handle=handle)
    await ready(client, function)
    call = await function.call_async(data={"x": 2})

    assert await call.get_response_async() == 3
    await client.functions.delete(id=function.id)


async def test_from_a_file(client: AsyncCogniteClient) -> None:
    """A zip file that was uploaded before is used by its id; the same file is downloaded again."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as opened:
        opened.writestr("src/main.py", CODE)
    file = await client.files.upload_bytes(content.getvalue(), name="code.zip", external_id="code")
    written = FunctionWrite(
        name="of a file", file_id=file.id, external_id="file", function_path="src/main.py", secrets={"key": "x"}
    )
    function = await client.functions.create(written)
    await ready(client, function)

    assert await client.files.download_bytes(external_id="code") == content.getvalue()
    assert (await client.files.retrieve(external_id="code")).uploaded
    with pytest.raises(CogniteDuplicatedError):
        await client.functions.create(written)
    with pytest.raises(CogniteDuplicatedError):
        await client.files.upload_bytes(b"x", name="code.zip", external_id="code")
    await client.functions.delete(id=[function.id])
    await client.files.delete(external_id="code")
    assert await client.files.retrieve(external_id="code") is None


async def test_a_failed_deployment(client: AsyncCogniteClient, folder: Path) -> None:
    """Code that cannot be imported makes the function Failed, with an error."""
    (folder / "handler.py").write_text("import nowhere_at_all\n\ndef handle(data):\n    pass\n")
    function = await client.functions.create(name="bad", folder=str(folder), skip_folder_validation=True)
    while function.status in {"Queued", "Deploying"}:
        await asyncio.sleep(0.05)
        await function.update_async()

    assert function.status == "Failed"
    assert "nowhere_at_all" in str(function.error)
    with pytest.raises(CogniteAPIError) as caught:
        await client.functions.call(id=function.id, data={})
    assert caught.value.code == 400
    await client.functions.delete(id=function.id)


async def test_schedules(client: AsyncCogniteClient, folder: Path) -> None:
    """A schedule is created with a session of its own or a given nonce, listed, read and deleted."""
    function = await ready(
        client, await client.functions.create(name="daily", folder=str(folder), secrets={"key": "hush"})
    )
    made = await client.functions.schedules.create(
        name="daily", cron_expression="0 6 * * *", function_id=function.id, data={"x": 1}
    )
    nonce = (await client.iam.sessions.create()).nonce
    given = await client.functions.schedules.create(
        FunctionScheduleWrite(name="given", cron_expression="0 7 * * *", function_id=function.id, nonce=nonce)
    )

    listed = await client.functions.schedules.list(function_id=function.id)
    assert {schedule.id for schedule in listed} == {made.id, given.id}
    assert [schedule.id for schedule in await client.functions.schedules.list(name="daily")] == [made.id]
    assert (await client.functions.schedules.retrieve(id=made.id)).cron_expression == "0 6 * * *"
    assert await client.functions.schedules.get_input_data(id=made.id) == {"x": 1}
    assert made.when
    await client.functions.schedules.delete(id=given.id)
    assert await client.functions.schedules.retrieve(id=given.id) is None
    await client.functions.delete(id=function.id)
    assert not await client.functions.schedules.list(function_id=function.id)


async def test_what_is_unknown(client: AsyncCogniteClient) -> None:
    """Deleting what is not there is the error that the client makes of `missing`."""
    with pytest.raises(CogniteNotFoundError) as caught:
        await client.functions.delete(external_id="nowhere")
    assert caught.value.missing == [{"externalId": "nowhere"}]
    with pytest.raises(CogniteNotFoundError):
        await client.functions.retrieve_multiple(external_ids=["nowhere"])
    assert not await client.functions.retrieve_multiple(external_ids=["nowhere"], ignore_unknown_ids=True)


async def test_filters(client: AsyncCogniteClient) -> None:
    """A filter object of the client is understood."""
    assert FunctionFilter(name="double").dump() == {"name": "double"}
    assert [function.name for function in await client.functions.list(owner="nobody at all", limit=-1)] == []
